"""The Ray cluster that a process is connected to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from entropy_rl import _validate

OBJECT_STORE_BYTES = 80 * 2**20  # Ray's least is 75 MiB, and little of a run goes through it


def import_ray(name: str) -> Any:
    """The module, where the extra "distributed" is installed.

    Args:
        name: of the argument that asks for it.

    Raises:
        ValueError: it is not.
    """
    try:
        import ray
    except ModuleNotFoundError:
        raise _validate.fail(
            name, "the extra 'distributed': pip install 'entropy-rl[distributed]'", "no ray"
        ) from None
    return ray


@contextmanager
def connected(ray: Any, cpus: int) -> Iterator[None]:
    """Within a cluster; what was begun here is ended here.

    The cluster is the one that this process is connected to, or the one that ``RAY_ADDRESS`` names,
    or else one of ``cpus`` CPUs on this machine.

    Raises:
        ConnectionError: no cluster answers at ``RAY_ADDRESS``, for which Ray waits a quarter of an
            hour, or none could be begun here.
    """
    if ray.is_initialized():
        yield
        return
    address = os.environ.get("RAY_ADDRESS")
    try:
        if address:
            ray.init(address, logging_level="warning")
        else:
            ray.init(
                "local",
                num_cpus=cpus,
                object_store_memory=OBJECT_STORE_BYTES,
                include_dashboard=False,
                logging_level="error",
            )
    except Exception as error:  # a node that does not start is a bare Exception of Ray's
        ray.shutdown()
        raise ConnectionError(f"no Ray cluster at {address or 'this machine'}: {error}") from error
    try:
        yield
    finally:
        ray.shutdown()
