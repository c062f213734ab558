"""A papermill engine that also notes what each notebook read (see `bookkit.record`)."""

from __future__ import annotations

import asyncio
import tempfile
from typing import Any

from nbclient.util import run_sync
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine as PapermillEngine
from papermill.engines import papermill_engines
from traitlets.config import Config

ENGINE = "bookkit"


class Client(PapermillNotebookClient):
    """Papermill's client, with one silent request to the kernel before the cells and one after."""

    book: str
    depends: str

    def papermill_execute_cells(self) -> None:
        """Run the cells between `record.start` and `record.write`."""
        record = "__import__('bookkit.record').record"
        self._silently(f"{record}.start({self.book!r})")
        super().papermill_execute_cells()
        self._silently(f"{record}.write({self.book!r}, {self.depends!r})")

    def _silently(self, code: str) -> None:
        """Run ``code`` in the kernel and leave no trace in the notebook."""

        async def ask() -> None:
            request = self.kc.execute(code, silent=True, store_history=False)
            while True:
                reply = await asyncio.wait_for(self.kc.get_shell_msg(), timeout=60)
                if reply["parent_header"].get("msg_id") == request:
                    break
            if reply["content"]["status"] != "ok":
                raise RuntimeError(f"{code}: {reply['content'].get('evalue')}")

        run_sync(ask)()


class Engine(PapermillEngine):
    """Papermill's engine on `Client`."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,
        *,
        book: str,
        depends: str,
        start_timeout: int = 60,
        **_: Any,
    ) -> Any:
        """Execute the notebook of ``nb_man``; write what it read of ``book`` to ``depends``."""
        # Sockets of the file system: nobody else on the machine can listen in on a port. Their
        # folder is this kernel's own, or two kernels started at a time would share them.
        with tempfile.TemporaryDirectory(prefix="bookkit-") as folder:
            manager = {"transport": "ipc", "connection_file": f"{folder}/kernel.json"}
            client = Client(
                nb_man,
                kernel_name=kernel_name,
                startup_timeout=start_timeout,
                # The kernel's own log, not the notebook's: it reports every shutdown as an error.
                extra_arguments=["--IPKernelApp.log_level=CRITICAL"],
                config=Config({"KernelManager": manager}),
            )
            client.book, client.depends = book, depends
            return client.execute()


def register() -> None:
    """Make the engine known to papermill under `ENGINE`."""
    papermill_engines.register(ENGINE, Engine)
