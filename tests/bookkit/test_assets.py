"""A download that fails is tried again, three times."""

from __future__ import annotations

from pathlib import Path

import pytest

from bookkit import assets

# Fails until it was called ``$1`` times.
SCRIPT = (
    'echo x >> calls; test "$(wc -l < calls)" -ge "$1" && echo there || { echo lost >&2; exit 1; }'
)


@pytest.mark.parametrize(("works_at", "calls"), [(1, 1), (4, 4), (9, 4)])
def test_a_download_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, works_at: int, calls: int
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(assets.time, "sleep", pauses.append)
    command = ["bash", "-c", SCRIPT, "bash", str(works_at)]
    if works_at > calls:
        with pytest.raises(RuntimeError, match="lost"):
            assets._run(command, tmp_path)
    else:
        assert assets._run(command, tmp_path) == "there\n"
    assert (tmp_path / "calls").read_text() == "x\n" * calls
    assert pauses == list(assets.PAUSES[: calls - 1])
