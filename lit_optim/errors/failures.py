"""Words what ends a run from outside: a disk, a file, or another process, which no configuration is to blame for."""

from __future__ import annotations

import errno
import os
import re

ADVICE = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some of the quota",
    errno.EFBIG: "raise the limit of file sizes (ulimit -f)",
    errno.EACCES: "make it accessible, or choose another folder",
    errno.EROFS: "choose another folder",
    errno.ENOENT: "is the path right, or was it deleted while the run goes on?",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
}
LOST = r"gloo|NCCL|Connection (?:closed|reset) by peer|DataLoader worker \(pid"  # in the text of a RuntimeError
OF_PROCESSES = {"DistError", "ProcessExitedException"}  # torch's, by name: this module imports no torch


def failure_message(error: BaseException) -> str:
    """One line for a failure of the machine: files, disks and other processes; empty for any other error.

    Example:
        >>> failure_message(OSError(errno.ENOSPC, "No space left on device", "metrics.csv"))
        'metrics.csv: No space left on device; free some space'
        >>> failure_message(ValueError("a bug"))
        ''
    """
    if isinstance(error, RuntimeError) and str(error).startswith("Missing folder: "):  # Lightning's, of a log
        error = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(error)[16:].rstrip("."))
    if isinstance(error, OSError) and error.strerror:
        name = "" if error.filename is None else f"{error.filename}: "
        advice = ADVICE.get(error.errno or 0)
        return _with_place(f"{name}{error.strerror}" + (f"; {advice}" if advice else ""), error)
    names = {base.__name__ for base in type(error).__mro__}
    if names & OF_PROCESSES or (isinstance(error, RuntimeError) and re.search(LOST, str(error))):
        reason = re.sub(r"\s+", " ", str(error))
        return (
            f"another process of this run has ended or does not answer ({reason[:160]}); it was killed, had too little "
            "memory, or has printed its own error: mend that, and resume from the last checkpoint"
        )
    return ""


def first_error(error: BaseException) -> BaseException:
    """Return the error that Lightning was ending a run for where a logger or a callback has failed at that.

    Example:
        >>> error = ValueError("the only one")
        >>> first_error(error) is error
        True
    """
    frames = error.__traceback__
    while frames is not None:
        if frames.tb_frame.f_code.co_name == "_interrupt" and error.__context__ is not None:
            return first_error(error.__context__)
        frames = frames.tb_next
    return error


def exit_code_of_ranks(error: BaseException) -> int | None:
    """Return the exit code with which a forked rank has ended after a signal, if that is what an error reports."""
    code = getattr(error, "exit_code", None)
    return code if type(error).__name__ == "ProcessExitedException" and isinstance(code, int) and code > 128 else None


def _with_place(text: str, error: BaseException) -> str:
    """Add the line of code that failed, the innermost one outside of installed packages."""
    frames, place = error.__traceback__, ""
    while frames is not None:
        file = frames.tb_frame.f_code.co_filename
        if "site-packages" not in file and not file.startswith("<"):
            place = f" ({file}:{frames.tb_lineno})"
        frames = frames.tb_next
    return text + place
