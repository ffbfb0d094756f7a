"""``fused``, ``foreach``, ``compile``: taken by the constructor, and the same numbers as without."""

from __future__ import annotations

import inspect

import torch

from capabilities.quadratic import descend, start
from capabilities.subject import Subject
from capabilities.verdict import NO, verdict


def _flag(subject: Subject, flag: str, tolerance: float = 1e-5) -> str:
    options = inspect.signature(type(subject.bare([start()]))).parameters
    if flag not in options:
        return NO

    def run(*, on: bool) -> torch.Tensor:
        params = [start(), start(3, 4)]
        optimizer = subject.bare(params, **{**({"foreach": False} if "foreach" in options else {}), flag: on})
        return descend(optimizer, params, subject.needs, sparse=subject.needs.sparse)

    return verdict(lambda: run(on=True), lambda: run(on=False), tolerance)


def fused(subject: Subject) -> str:
    return NO if subject.needs.sparse else _flag(subject, "fused")


def foreach(subject: Subject) -> str:
    return _flag(subject, "foreach")


def compile(subject: Subject) -> str:
    return _flag(subject, "compile")
