"""Compares installed versions, read from the packages' metadata, with what presets need; imports nothing."""

from __future__ import annotations

import functools
import re
from importlib import metadata

_NEED = re.compile(r"(torch|lightning|hydra-core) (\d+(?:\.\d+)*)")


@functools.cache
def installed(package: str) -> str:
    """Return the installed version of a package; empty if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def release(version: str) -> tuple[int, ...]:
    """Return the numbers that a version begins with.

    Example:
        >>> release("2.13.0+cpu"), release("1.4.0.dev1"), release("")
        ((2, 13, 0), (1, 4, 0), ())
    """
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(number) for number in found[0].split(".")) if found else ()


def older(package: str, version: str) -> bool:
    """Return whether a package is installed in an older release than ``version``.

    Example:
        >>> older("torch", "1.0"), older("torch", "99"), older("not-there", "1")
        (False, True, False)
    """
    return () < release(installed(package)) < release(version)


def is_need(words: str) -> bool:
    """Return whether an entry of a preset's ``# needs:`` line is a version.

    Example:
        >>> is_need("torch 2.9"), is_need("closure")
        (True, False)
    """
    return _NEED.fullmatch(words) is not None


def missing_version(words: str) -> str:
    """Return the message about a version that a ``# needs:`` entry requires; empty if met, or no version.

    Example:
        >>> missing_version("torch 2.6"), missing_version("closure")
        ('', '')
        >>> missing_version("torch 99.1")  # doctest: +ELLIPSIS
        "needs torch 99.1 or newer, and torch 2... is installed; pip install 'torch>=99.1'"
    """
    found = _NEED.fullmatch(words)
    if found is None or not older(found[1], found[2]):
        return ""
    package, version = found.groups()
    return (
        f"needs {package} {version} or newer, and {package} {installed(package)} is installed; "
        f"pip install '{package}>={version}'"
    )
