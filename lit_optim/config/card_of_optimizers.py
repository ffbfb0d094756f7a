"""Make the card of resolved specs: which rule, optimizer and schedule each parameter has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn
from torch.optim import Optimizer

from lit_optim.config.build.schedule_label import schedule_label
from lit_optim.config.resolve import Resolved
from lit_optim.param_groups.card import Card
from lit_optim.param_groups.make_card import make_card


def card_of_optimizers(parts: Sequence[Resolved], module: nn.Module, optimizers: Sequence[Optimizer]) -> Card:
    """Tabulate what the optimizers that were built over a module do with its parameters.

    Args:
        parts: the specs of each optimizer.
        module: that they were built over.
        optimizers: in the same order.
    """
    pairs = [*zip(parts, optimizers, strict=True)]
    schedulers = {id(group): part.scheduler for part, optimizer in pairs for group in optimizer.param_groups}

    def schedule_of(group: Mapping[str, Any]) -> str:
        return schedule_label(schedulers[id(group)], group)

    return make_card(module, {part.name: optimizer for part, optimizer in pairs}, parts[0].param_groups, schedule_of)
