"""Find the checkpoint to resume from."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping, Sequence
from typing import Any

from lit_optim.checkpoint_files.location import Location, location_of, newest_first
from lit_optim.errors import ConfigError
from lit_optim.lightning_api import rank_zero_info, rank_zero_warn

WORDS = ("auto", "last", "best")
EXTENSION = ".ckpt"


def find_checkpoint(ckpt_path: Any, where: Any = None) -> str | None:
    """Return the path of a verified checkpoint to resume a run from, or None where a run begins anew.

    ``auto`` is the newest checkpoint that verifies, and None while there is none at all; a warning names those that
    were skipped. ``last`` is the newest whose name begins with "last", ``best`` the one that the newest checkpoint
    calls the best by its metric. Nothing in a file is executed.

    Args:
        ckpt_path: a path or URL, ``auto``, ``last``, ``best``, or None. Lightning's ``hpc`` and ``registry:`` are
            returned as they are.
        where: of ``auto``, ``last`` and ``best``: the folder of the run, or its Trainer, whose ModelCheckpoints have a
            ``dirpath``. Folders within are searched too.

    Raises:
        ConfigError: where there is no such checkpoint, or it is damaged, or holds too little to resume from.

    Example:
        >>> find_checkpoint("nowhere.ckpt")
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: ckpt_path='nowhere.ckpt': there is no such file
    """
    if ckpt_path is None:
        return None
    text = str(ckpt_path)
    if not text.strip():
        raise ConfigError(f"ckpt_path={ckpt_path!r}: empty; write null for a new run, a path, or {', '.join(WORDS)}")
    if text == "hpc" or text.lower().partition(":")[0] == "registry":
        return text
    try:
        if text not in WORDS:
            _check(location_of(text), ckpt_path)
            return text
        folders, extensions = _searched(where, text)
        found = newest_first(folders, extensions)
        return _newest_intact(found, folders) if text == "auto" else _named(text, found, folders)
    except (OSError, ImportError, NotImplementedError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"ckpt_path={ckpt_path!r:.120}: {error!s:.300}") from error


def _check(found: Location, given: Any) -> None:
    if problem := found.problem():
        raise ConfigError(f"ckpt_path={given!r:.120}: {problem}")


def _searched(where: Any, word: str) -> tuple[list[str], set[str]]:
    """Return the folders of a run, and how the names of its checkpoints end."""
    if isinstance(where, (str, os.PathLike)):
        return [os.fspath(where)], {EXTENSION}
    callbacks = [each for each in getattr(where, "checkpoint_callbacks", ()) if getattr(each, "dirpath", None)]
    if not callbacks:
        rule = "it is searched in the dirpath of the Trainer's ModelCheckpoints, and none has one"
        raise ConfigError(f"ckpt_path={word!r}: {rule}; give them a dirpath, or the path of a checkpoint here")
    extensions = {getattr(each, "FILE_EXTENSION", EXTENSION) for each in callbacks}
    return [*dict.fromkeys(os.fspath(each.dirpath) for each in callbacks)], extensions


def _newest_intact(found: Sequence[Location], folders: Sequence[str]) -> str | None:
    """Return the newest checkpoint that verifies; warn of those that are skipped."""
    skipped: list[str] = []
    for each in found:
        problem = each.problem()
        if not problem:
            if skipped:
                rank_zero_warn(f"ckpt_path='auto': {each.url} is the newest intact one; skipped {'; '.join(skipped)}")
            return each.url
        skipped.append(f"{each.url} ({problem})")
    if skipped:
        rule = f"no checkpoint in {', '.join(folders)} can be resumed; give ckpt_path=null to begin anew"
        raise ConfigError(f"ckpt_path='auto': {rule}", *(f"ckpt_path='auto': skipped {each}" for each in skipped))
    rank_zero_info(f"ckpt_path='auto': no checkpoint in {', '.join(folders)} yet; the run begins anew")
    return None


def _named(word: str, found: Sequence[Location], folders: Sequence[str]) -> str:
    """Return the checkpoint that is called last, or best."""
    if not found:
        rule = f"there is no checkpoint in {', '.join(folders)}"
        raise ConfigError(
            f"ckpt_path={word!r}: {rule}; begin this run in the folder of the earlier one, or give the path of a file"
        )
    chosen = _last(found) if word == "last" else _best(found)
    if chosen is None:
        lacks = "a name that begins with 'last'" if word == "last" else "a metric by which it is the best"
        rule = f"no checkpoint in {', '.join(folders)} has {lacks}"
        raise ConfigError(f"ckpt_path={word!r}: {rule}; ckpt_path=auto takes the newest")
    if problem := chosen.problem():
        raise ConfigError(f"ckpt_path={word!r}: {chosen.url}: {problem}; ckpt_path=auto takes the newest intact one")
    return chosen.url


def _last(found: Sequence[Location]) -> Location | None:
    return next((each for each in found if each.path.rpartition("/")[2].startswith("last")), None)


def _best(found: Sequence[Location]) -> Location | None:
    """Return the checkpoint that the newest intact one calls the best, also where its folder was moved."""
    newest = next((each for each in found if not each.problem()), None)
    try:
        saved = newest.outline()["callbacks"] if newest else {}
    except pickle.UnpicklingError:
        return None
    states = [state for state in saved.values() if isinstance(state, Mapping) and state.get("monitor")]
    paths = [str(state["best_model_path"]) for state in states if state.get("best_model_path")]
    for path in paths[:1]:
        same_name = [each for each in found if each.path.rpartition("/")[2] == path.rpartition("/")[2]]
        return next((each for each in same_name if each.path == path), next(iter(same_name), location_of(path)))
    return None
