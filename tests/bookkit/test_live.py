"""With a kernel: a slider recomputes, and what its callback raises is shown."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

CODE = """
from matplotlib.figure import Figure
from bookkit import explore

def draw(x):
    if x == 3:
        raise ZeroDivisionError("no figure at three")
    figure = Figure()
    figure.subplots().plot([0, x])
    return figure, {"x": x}

explore(draw, x=[1, 2, 3], alt="at {x}")
"""

pytestmark = pytest.mark.notebook


class FrontEnd:
    """What a front end sees of the kernel's widgets: their states, and what is sent about them."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self.client = client
        self.states: dict[str, dict[str, Any]] = {}
        self.errors: list[tuple[str, str]] = []
        self.captured: set[tuple[str, str | None]] = set()

    def run(self, code: str) -> None:
        self._until_idle(self.client.execute(code))

    def move(self, slider: str, index: int) -> None:
        """Set a slider's index, as a hand does."""
        content = {
            "comm_id": slider,
            "data": {"method": "update", "state": {"index": index}, "buffer_paths": []},
        }
        message = self.client.session.msg("comm_msg", content)
        self.client.shell_channel.send(message)
        self._until_idle(message["header"]["msg_id"])

    def find(self, model: str) -> list[str]:
        return [i for i, state in self.states.items() if state["_model_name"] == model]

    def frames(self) -> list[str]:
        return [self.states[i]["value"] for i in self.find("HTMLModel")]

    def _until_idle(self, request: str) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            message = self.client.get_iopub_msg(timeout=60)
            kind, content = message["msg_type"], message["content"]
            parent = message["parent_header"].get("msg_id")
            if kind == "comm_open":
                self.states[content["comm_id"]] = content["data"]["state"]
            elif kind == "comm_msg":
                update = content["data"].get("state", {})
                self.states[content["comm_id"]].update(update)
                self.captured.add((content["comm_id"], update.get("msg_id")))
            elif kind == "error":
                self.errors.append((parent, content["evalue"]))
            elif kind == "status" and content["execution_state"] == "idle" and parent == request:
                return
        raise TimeoutError(request)


@pytest.fixture
def front_end(monkeypatch: pytest.MonkeyPatch) -> Iterator[FrontEnd]:
    monkeypatch.delenv("BOOKKIT_STATIC", raising=False)
    manager, client = start_new_kernel(kernel_name="python3")
    yield FrontEnd(client)
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_a_slider_recomputes_and_shows_what_goes_wrong(front_end: FrontEnd) -> None:
    front_end.run(CODE)
    assert front_end.errors == []
    (slider,) = front_end.find("SelectionSliderModel")
    assert [bool(f) for f in front_end.frames()] == [True, False, False]

    front_end.move(slider, 1)
    assert [bool(f) for f in front_end.frames()] == [True, True, False]
    assert "{&quot;x&quot;: 2}" in front_end.frames()[1]
    assert front_end.errors == []

    front_end.move(slider, 2)
    # The traceback goes to the Output widget below the slider: it captures by the parent's id.
    ((parent, text),) = front_end.errors
    assert text == "no figure at three"
    (output,) = front_end.find("OutputModel")
    assert (output, parent) in front_end.captured
    assert [bool(f) for f in front_end.frames()] == [True, True, False]

    # The same point again is tried again, and others still work.
    front_end.move(slider, 0)
    front_end.move(slider, 2)
    assert len(front_end.errors) == 2
