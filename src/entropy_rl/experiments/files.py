"""Files that are whole or not there, and the two forms in which results are written."""

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under another name, and give it its own when it is on the disk.

    Raises:
        OSError: naming ``path``: no space, a folder that is read-only.
    """
    # Not the process id: two machines that share the folder may have the same.
    part = path.with_name(f"{path.name}.{secrets.token_hex(8)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
        _sync_folder(path.parent)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":  # elsewhere a folder cannot be opened
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sha256(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def dump_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """An ``.npz`` whose bytes depend on the arrays alone: sorted, not compressed, without dates."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            member = io.BytesIO()
            array = np.ascontiguousarray(arrays[name])
            little = array.astype(array.dtype.newbyteorder("<"), copy=False)
            np.lib.format.write_array(member, little, version=(1, 0), allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, 0o600 << 16
            archive.writestr(info, member.getvalue())
    return out.getvalue()


def load_arrays(content: bytes) -> dict[str, np.ndarray]:
    """What :func:`dump_arrays` wrote."""
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def dump_record(record: Mapping[str, Any]) -> bytes:
    """JSON with a line a field, keys sorted, and the checksum of the rest as a field of its own."""
    return _lines({**record, "checksum": _checksum(record)})


def load_record(content: bytes) -> dict[str, Any]:
    """What :func:`dump_record` wrote.

    Raises:
        ValueError: saying what is wrong: not JSON, not as it was written, or altered.
    """
    try:
        record = json.loads(content)
        checksum = record.pop("checksum")
        same = _lines({**record, "checksum": checksum}) == content
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("truncated, or not a sidecar") from error
    if not same:
        raise ValueError("not the bytes that were written")
    if checksum != _checksum(record):
        raise ValueError("altered: its checksum does not fit")
    return record


def _compact(x: Any) -> str:
    return json.dumps(x, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _checksum(record: Mapping[str, Any]) -> str:
    return sha256(_compact(record).encode())


def _lines(record: Mapping[str, Any]) -> bytes:
    rows = (f" {json.dumps(key)}: {_compact(record[key])}" for key in sorted(record))
    return ("{\n" + ",\n".join(rows) + "\n}\n").encode()
