"""Sparse gradients, complex and bfloat16 parameters: the same as dense, as pairs of reals, as float32."""

from __future__ import annotations

import torch

from capabilities.quadratic import SHAPE, descend, start
from capabilities.subject import Subject
from capabilities.verdict import NO, verdict

ONLY = "only"


def sparse(subject: Subject) -> str:
    """A gradient all of whose rows are there, as a sparse tensor; ``only`` where a dense one is refused."""

    def run(*, sparse: bool) -> torch.Tensor:
        p = start()
        return descend(
            subject.bare([p]) if subject.needs.sparse else subject.build([p]), [p], subject.needs, sparse=sparse
        )

    if subject.needs.sparse:
        return ONLY
    return verdict(lambda: run(sparse=True), lambda: run(sparse=False), 1e-5)


def complex(subject: Subject) -> str:
    """A complex matrix against the same numbers as pairs of reals."""
    if subject.needs.sparse:
        return NO

    def whole() -> torch.Tensor:
        p = start(dtype=torch.complex64)
        return descend(subject.build([p]), [p], subject.needs)

    def pairs() -> torch.Tensor:
        reals = torch.nn.Parameter(torch.zeros(*SHAPE, 2))
        return descend(subject.build([reals]), [reals], subject.needs, view=torch.view_as_complex)

    return verdict(whole, pairs, 1e-4)


def bf16(subject: Subject) -> str:
    """From zero, where every digit is the optimizer's, against float32: a tenth of the way is bfloat16's own."""

    def run(dtype: torch.dtype) -> torch.Tensor:
        p = start(dtype=dtype)
        return descend(subject.build([p]), [p], subject.needs, sparse=subject.needs.sparse).float()

    return verdict(lambda: run(torch.bfloat16), lambda: run(torch.float32), 0.1)
