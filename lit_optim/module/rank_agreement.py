"""Stops all ranks before any of them trains, if one has an error or another configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.distributed as dist

from lit_optim.config.canonical_specs import differences
from lit_optim.errors import ConfigError, wrong
from lit_optim.lightning_api import Trainer

ADVICE = "every process runs a sweep by itself under this strategy; use trainer.strategy=ddp_fork for sweeps"


def raise_on_all_ranks(trainer: Trainer, specs: Any, error: Exception | None) -> None:
    """Compare the specs of all ranks, and raise the same error on each of them if one has to stop.

    Args:
        trainer: the Trainer; with a single process, only ``error`` is raised.
        specs: of this rank, in plain containers.
        error: what is wrong on this rank, if anything is.

    Raises:
        ConfigError: on every rank, where a rank has an error, or other specs than rank 0.
    """
    if trainer.world_size > 1 and dist.is_available():
        # sets the process group up earlier than Lightning: a rank that stops alone leaves the others waiting
        trainer.strategy.setup_environment()
        if dist.is_initialized():
            gathered: list[Any] = [None] * dist.get_world_size()
            dist.all_gather_object(gathered, (specs, _problem_texts(error)))
            raise_if_different(gathered)
    if error is not None:
        raise error


def _problem_texts(error: Exception | None) -> tuple[str, ...]:
    if error is None:
        return ()
    return error.problems if isinstance(error, ConfigError) else (f"{type(error).__name__}: {error}",)


def raise_if_different(gathered: Sequence[tuple[Any, tuple[str, ...]]]) -> None:
    """Raise the errors of all ranks, or where the specs of a rank differ from those of rank 0.

    Args:
        gathered: (specs, problems) by rank.

    Example:
        >>> raise_if_different([({"optimizer": {"lr": 0.1}}, ()), ({"optimizer": {"lr": 0.2}}, ())])
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: optimizer.lr=0.2: of rank 1, but rank 0 has 0.1; every process runs a sweep by \
itself under this strategy; use trainer.strategy=ddp_fork for sweeps
    """
    first, problems = gathered[0]
    if all(other == problems for _, other in gathered) and problems:
        raise ConfigError(*problems)
    found = [f"rank {rank}: {problem}" for rank, (_, own) in enumerate(gathered) for problem in own]
    for rank, (specs, _) in enumerate([] if found else gathered):
        for key, value, expected in differences(specs, first):
            found.append(wrong(key, value, f"of rank {rank}, but rank 0 has {expected!r}; {ADVICE}"))
    if found:
        raise ConfigError(*found)
