"""Find the BatchNorms that are frozen."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def frozen_batch_norms(module: nn.Module) -> list[_BatchNorm]:
    """Return the BatchNorms none of whose parameters is trained; one without any goes with what holds it."""
    found, inherited = [], {module: False}
    for part in module.modules():
        own = [*part.parameters()]
        frozen = not any(p.requires_grad for p in own) if own else inherited.get(part, False)
        inherited.update(dict.fromkeys(part.children(), frozen))
        if frozen and isinstance(part, _BatchNorm):
            found.append(part)
    return found


def train(norms: Iterable[_BatchNorm]) -> None:
    """Put BatchNorms into train mode."""
    for norm in norms:
        norm.train()
