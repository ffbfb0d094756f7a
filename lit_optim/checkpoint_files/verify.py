"""Find what is wrong with a checkpoint file, without loading its tensors and without running any code of it.

torch.save writes a zip archive with a CRC-32 of each record, which torch.load does not check. The checksums stand in
the directory at the archive's end, so that a file that was cut off, changed, or mixed with another one is found by
them, also one that Lightning's own checkpoint-io has written.
"""

from __future__ import annotations

import pickle
import zipfile
from typing import IO, Any

import torch

LEGACY = pickle.dumps(torch.serialization.MAGIC_NUMBER, protocol=2)  # the first bytes of what torch < 1.6 wrote
NOT_TORCH = "not a file that torch.save has written, or only a part of one"
NOT_RESUMABLE = "not a checkpoint that a Trainer has written to resume from"
PARTS = {"state_dict": dict, "loops": dict, "callbacks": dict, "optimizer_states": list, "lr_schedulers": list}


def damage(file: IO[bytes]) -> str:
    """Return what is wrong with a file of torch.save, or an empty string; read all of it.

    A file in torch's format before 1.6, or one that was written under ``set_crc32_options(False)``, has no checksums.

    Args:
        file: open for reading, and seekable; it is left at its beginning.

    Example:
        >>> import io
        >>> file = io.BytesIO()
        >>> torch.save({"weight": torch.zeros(3)}, file)
        >>> damage(file), damage(io.BytesIO(file.getvalue()[:-1])) == NOT_TORCH
        ('', True)
    """
    file.seek(0)
    problem = "" if file.read(len(LEGACY)) == LEGACY else _damage_of_archive(file)
    file.seek(0)
    return problem


def _damage_of_archive(file: IO[bytes]) -> str:
    try:
        if not zipfile.is_zipfile(file):
            return NOT_TORCH
        with zipfile.ZipFile(file) as archive:
            records = archive.infolist()
            as_torch = min(r.header_offset for r in records) == 0 and all(
                r.compress_size == r.file_size for r in records
            )
            first_bad = archive.testzip() if any(record.CRC for record in records) else None
    except OSError as error:
        return f"it cannot be read: {error}"
    except Exception as error:  # what zipfile raises for a damaged directory has many classes
        return f"damaged: {error}"
    if first_bad is not None:
        return f"damaged: the checksum of {first_bad} does not match"
    return "" if as_torch else "damaged: its directory is not one that torch.save has written"


def resume_problem(file: IO[bytes], *, sharded: bool = False) -> str:
    """Return why no run can be resumed from a file, or an empty string.

    Args:
        file: a checkpoint, open for reading.
        sharded: it is the ``meta.pt`` of a sharded checkpoint, whose weights and optimizer states lie beside it.

    Example:
        >>> import io
        >>> file = io.BytesIO()
        >>> torch.save({"state_dict": {}}, file)
        >>> resume_problem(file)
        'not a checkpoint that a Trainer has written to resume from'
    """
    if problem := damage(file):
        return problem
    try:
        found = outline(file)
    except pickle.UnpicklingError:  # holds more than tensors and plain containers: only a trusting reader can tell
        return ""
    except Exception as error:
        return f"damaged: {error!s:.200}"
    needed = {"loops": dict, "callbacks": dict} if sharded else PARTS
    whole = isinstance(found, dict) and all(isinstance(found.get(key), kind) for key, kind in needed.items())
    if not whole or not (sharded or found["optimizer_states"]) or not isinstance(found.get("lit_optim", {}), dict):
        return NOT_RESUMABLE
    return ""


def outline(file: IO[bytes]) -> Any:
    """Return what a checkpoint holds, with tensors that have no data.

    Raises:
        pickle.UnpicklingError: where it holds more than tensors and plain containers.
    """
    file.seek(0)
    try:
        return torch.load(file, map_location="meta", weights_only=True)
    except UnicodeDecodeError:  # torch 2.6: once in thousands of loads, of a file's id that it reads and does not need
        file.seek(0)
        return torch.load(file, map_location="meta", weights_only=True)
