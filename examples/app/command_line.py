"""The command line before and around Hydra: what Hydra would answer with a traceback is answered in words."""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Callable
from typing import Any

import lit_optim
from app.task_name import check_task_name
from lit_optim import ConfigError

FULL_ERROR = "HYDRA_FULL_ERROR"  # Hydra's own switch
LEFT_OUT = {
    "scheduler": "none",
    "param_groups": "all",
    "optim_callbacks": "none",
    "callbacks": "none",
    "logger": "none",
}
NEEDED = {"optimizer": "adamw", "data": "digits", "model": "cnn", "trainer": "auto"}
LONGEST, MOST = 300, 20  # characters of a line and lines of a message


@lit_optim.exit_on_config_error
def run(main: Callable[[], Any]) -> None:
    """Calls Hydra's main; what Hydra refuses is printed in its own words, without a traceback, and exits 1."""
    sys.argv[1:] = [checked(word) for word in sys.argv[1:]]
    if os.environ.get(FULL_ERROR) == "1":
        main()
        return
    os.environ[FULL_ERROR] = "1"  # Hydra then raises its errors
    try:
        main()
    except Exception as error:
        own = _from(inspect.unwrap(main), error)
        if own is not None:
            raise error.with_traceback(own) from error.__cause__
        print(in_words(error), file=sys.stderr)
        raise SystemExit(1) from None


def checked(word: str) -> str:
    """An override as Hydra takes it.

    Hydra takes no null for a group that has choices; everybody writes logger=null all the same.

    Raises:
        ConfigError: for a group that a run cannot do without, and for a task name that leaves its folder.

    Example:
        >>> checked("logger=null"), checked("scheduler=cosine,null"), checked("optimizer.lr=null")
        ('logger=none', 'scheduler=cosine,none', 'optimizer.lr=null')
    """
    sign, key, value = re.fullmatch(r"(\+{0,2})([^=]*)=?(.*)", word, re.DOTALL).groups()  # type: ignore[union-attr]
    choices = value.split(",")
    if key in LEFT_OUT and "null" in choices:
        return f"{sign}{key}={','.join(LEFT_OUT[key] if choice == 'null' else choice for choice in choices)}"
    if key in NEEDED and "null" in choices:
        raise ConfigError(f"{key}=null: a run cannot do without; write e.g. {key}={NEEDED[key]}")
    if key == "task_name" and "=" in word:
        check_task_name(value.strip("'\""))
    return word


def in_words(error: BaseException) -> str:
    """What Hydra says, without what only its developers can read."""
    from hydra.errors import CompactHydraException, OverrideParseException
    from omegaconf.errors import OmegaConfBaseException

    text = str(error)
    if not isinstance(error, (CompactHydraException, OmegaConfBaseException)):
        text = f"{type(error).__name__}: {error}\nin: {' '.join(sys.argv[1:])}"
    if isinstance(error, CompactHydraException) and isinstance(error.__cause__, OmegaConfBaseException):
        text += f"\n{error.__cause__}"
    if isinstance(error, OverrideParseException):
        text = f"{error.override}: {text}"
    lines = [line if len(line) <= LONGEST else line[: LONGEST - 3] + "..." for line in text.splitlines()]
    return "\n".join(lines[:MOST])


def _from(function: Any, error: BaseException) -> Any:
    """The part of a traceback that begins in a function; None if that was not called."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code is not function.__code__:
        frames = frames.tb_next
    return frames
