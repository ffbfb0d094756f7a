"""A `configure_optimizers` body: a module, what its author wrote with torch alone, and the YAML that stands for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

BATCHES, SIZE, WIDTH = 4, 8, 48  # of an epoch; rows of a batch; numbers of a row


class Scheduled(NamedTuple):
    """A scheduler and the keys beside it, with Lightning's meaning and defaults."""

    scheduler: Any
    interval: str = "epoch"
    frequency: int = 1
    optimizer: str = ""  # in manual optimization: after whose steps it moves


@dataclass(frozen=True)
class Body:
    """One body.

    Args:
        net: the class of the module; each of its objects begins with the same weights.
        yaml: the specs, and nothing else of lit-optim.
        configure: net -> an optimizer, or a mapping of names; and a list of `Scheduled`.
        epochs: of 4 batches each.
        metrics: ``val/loss`` of each epoch, for those that follow it.
        trainer: arguments of the Trainer: ``accumulate_grad_batches``, ``gradient_clip_val``.
        warns: a pattern of what the fit warns of.
    """

    net: type[torch.nn.Module]
    yaml: str
    configure: Callable[[Any], tuple[Any, list[Scheduled]]]
    epochs: int = 5
    metrics: Sequence[float] = (1.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9)
    trainer: dict[str, Any] = field(default_factory=dict)
    warns: str = ""


BODIES: dict[str, Body] = {}  # by the names of the functions below


def body(net: type[torch.nn.Module], yaml: str, **options: Any) -> Callable[[Any], Any]:
    """Put a function that configures a module in the way of its author beside the YAML that stands for it."""

    def register(configure: Callable[[Any], Any]) -> Callable[[Any], Any]:
        BODIES[configure.__name__] = Body(net, yaml, configure, **options)
        return configure

    return register


def batches() -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Four batches, the same on every call."""
    generator = torch.Generator().manual_seed(7)
    rows = [torch.randn(SIZE, WIDTH, generator=generator) for _ in range(BATCHES)]
    return [(row, row[:, :3].sum(1, keepdim=True).sin()) for row in rows]


def named(module: torch.nn.Module, *parts: str, without: Sequence[str] = ()) -> list[torch.nn.Parameter]:
    """Parameters whose name holds one of ``parts`` (all: none given) and none of ``without``, as bodies select them."""
    return [
        p
        for name, p in module.named_parameters()
        if p.requires_grad
        and (not parts or any(part in name for part in parts))
        and not any(w in name for w in without)
    ]
