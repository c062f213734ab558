"""The state of an unfinished run on disk, whole or refused."""

from __future__ import annotations

import hashlib
import io
import pickle
from pathlib import Path
from typing import Any

import torch

from entropy_rl.experiments.files import write_whole
from entropy_rl.experiments.spec import RunSpec

_MAGIC = b"entropy_rl.checkpoint/1\n"


def save_checkpoint(path: Path, spec: RunSpec, state: dict[str, Any]) -> None:
    """Write ``state``, tensors and plain data, with the spec it belongs to.

    Raises:
        OSError: naming the file that could not be written.
    """
    content = io.BytesIO()
    torch.save({"spec": spec.canonical, "state": state}, content)
    payload = content.getvalue()
    write_whole(path, _MAGIC + hashlib.sha256(payload).digest() + payload)


def load_checkpoint(path: Path, spec: RunSpec) -> dict[str, Any]:
    """What :func:`save_checkpoint` wrote.

    Raises:
        ValueError: a file that is truncated, altered, or of another spec or format.
        FileNotFoundError: no such file.
    """
    content = path.read_bytes()
    if not content.startswith(_MAGIC):
        raise ValueError(f"{path}: expected a checkpoint of this format")
    digest, payload = content[len(_MAGIC) : len(_MAGIC) + 32], content[len(_MAGIC) + 32 :]
    if hashlib.sha256(payload).digest() != digest:
        raise ValueError(f"{path}: truncated or altered")
    try:
        saved = torch.load(io.BytesIO(payload), weights_only=True, map_location="cpu")
    except (RuntimeError, pickle.UnpicklingError) as error:
        raise ValueError(f"{path}: unreadable: {error}") from error
    if saved["spec"] != spec.canonical:
        raise ValueError(f"{path}: of another spec")
    return saved["state"]
