"""A Ray cluster of two nodes of one CPU each on this machine."""

import os
import socket
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from filelock import FileLock

from entropy_rl.distributed.cluster import OBJECT_STORE_BYTES

# The folder of the sockets: their paths may have 107 bytes.
SHORT = "/tmp"
# No token: a process that has imported Ray before it is set goes without one, and is refused.
ENVIRONMENT = ("RAY_TMPDIR", "RAY_USAGE_STATS_ENABLED")


# Two clusters side by side are too much for the two cores of a small machine.
ONE_AT_A_TIME = Path(__file__).parents[1] / "_build" / "locks" / "two_nodes"


# A node whose agents choose their ports dies unless they have within fifteen seconds, which on a
# busy machine they need.
PORTS = (
    "metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port",
    "runtime_env_agent_port",
)  # fmt: skip


def node():
    """One CPU, no more than is needed, ports that are free."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in PORTS]
        for each in sockets:
            each.bind(("", 0))
        ports = [each.getsockname()[1] for each in sockets]
    return {
        "num_cpus": 1,
        "object_store_memory": OBJECT_STORE_BYTES,
        "include_log_monitor": False,
        **dict(zip(PORTS, ports, strict=True)),
    }


@contextmanager
def two_nodes():
    """Within it this process is connected to the cluster.

    One connection for a module of tests, so that the workers are kept from test to test.
    """
    import ray  # before the environment is set, as a test that came first would have
    from ray.cluster_utils import Cluster

    ONE_AT_A_TIME.parent.mkdir(parents=True, exist_ok=True)
    with (
        FileLock(ONE_AT_A_TIME),
        tempfile.TemporaryDirectory(prefix="r", dir=SHORT) as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in zip(ENVIRONMENT, (folder, "0"), strict=True):
            patch.setenv(name, value)
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # the workers unpickle from here
        two = Cluster()
        try:
            two.add_node(**node(), include_dashboard=False, no_monitor=True)
            two.add_node(**node())
            ray.init(two.address, logging_level="error")
            yield two
        finally:
            ray.shutdown()
            two.shutdown()
