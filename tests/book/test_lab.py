"""A notebook opens in JupyterLab and runs there from its first cell to its last, sliders live."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
import websocket
from browsing import ROOT

pytestmark = pytest.mark.notebook
NOTEBOOK = "book/intro.ipynb"


class Lab:
    """A JupyterLab server, asked as its pages ask it."""

    def __init__(self, url: str, token: str) -> None:
        self.url, self.token = url, token

    def ask(self, path: str, body: dict[str, Any] | None = None) -> bytes:
        """The answer to a GET, or to a POST where there is a body."""
        request = urllib.request.Request(
            f"{self.url}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {self.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return bytes(answer.read())

    def run(self, kernel: str, cells: list[str]) -> list[dict[str, Any]]:
        """What the kernel publishes while it runs ``cells``."""
        where = f"{self.url.replace('http', 'ws', 1)}api/kernels/{kernel}/channels"
        socket = websocket.create_connection(f"{where}?token={self.token}", timeout=120)
        published = []
        for code in cells:
            header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "version": "5.3"}
            message = {
                "header": {**header, "username": "", "session": "tests"},
                "parent_header": {},
                "metadata": {},
                "content": {"code": code, "silent": False, "store_history": True},
                "channel": "shell",
            }
            socket.send(json.dumps(message))
            while True:
                reply = json.loads(socket.recv())
                if reply["parent_header"].get("msg_id") != header["msg_id"]:
                    continue
                published.append(reply)
                if reply["content"].get("execution_state") == "idle":
                    break
        socket.close()
        return published


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    places = {
        name: str(tmp_path / name)
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    }
    environment = {k: v for k, v in os.environ.items() if k != "BOOKKIT_STATIC"} | places
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--port=0"]
    command += [f"--ServerApp.root_dir={ROOT}", "--ServerApp.ip=127.0.0.1"]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        yield _reached(server, tmp_path)
    finally:
        server.terminate()
        server.wait(timeout=30)


def _reached(server: subprocess.Popen[bytes], folder: Path) -> Lab:
    """The server, once it answers: where it will listen is written down before it does."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        for found in (folder / "JUPYTER_RUNTIME_DIR").glob("jpserver-*.json"):
            known = json.loads(found.read_text() or "{}")
            if known.get("port"):
                lab = Lab(known["url"], known["token"])
                with contextlib.suppress(urllib.error.URLError):
                    lab.ask("api/status")
                    return lab
        time.sleep(0.1)
    raise AssertionError((folder / "log").read_text()[-3000:])


def test_a_notebook_opens_and_runs_in_jupyterlab(lab: Lab) -> None:
    assert b"jupyter-config-data" in lab.ask(f"lab/tree/{NOTEBOOK}")
    notebook = nbformat.from_dict(json.loads(lab.ask(f"api/contents/{NOTEBOOK}"))["content"])
    nbformat.validate(notebook)
    wanted = {"kernel": {"name": "python3"}, "name": "", "path": NOTEBOOK, "type": "notebook"}
    kernel = json.loads(lab.ask("api/sessions", wanted))["kernel"]["id"]
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    published = lab.run(kernel, cells)
    errors = [m["content"] for m in published if m["msg_type"] == "error"]
    assert [(e["ename"], e["evalue"]) for e in errors] == []
    # The slider's frame at its start was drawn, the others were not: it is live.
    opened = [m["content"]["data"]["state"] for m in published if m["msg_type"] == "comm_open"]
    assert any(s["_model_name"] == "SelectionSliderModel" for s in opened)
    updates = [m["content"]["data"] for m in published if m["msg_type"] == "comm_msg"]
    drawn = [u for u in updates if "<figure" in str(u.get("state", {}).get("value"))]
    assert len(drawn) == 1
