"""Processes forked off a server that has imported torch but not the package: a second, not five."""

from multiprocessing import get_context
from multiprocessing.context import ForkServerContext

# One server serves every test of a pytest process, so that it may know no test's package. (An
# optimiser imports torch._dynamo at its first step; nbformat has a grammar compiled, for seconds.)
PRELOAD = ["gymnasium", "hypothesis", "nbformat", "pytest", "scipy.stats", "torch", "torch._dynamo"]


def forkserver() -> ForkServerContext:
    """The context whose processes begin with :data:`PRELOAD` imported."""
    context = get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    return context
