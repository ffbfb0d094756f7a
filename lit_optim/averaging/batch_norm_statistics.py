"""Measure the statistics of BatchNorms anew, for weights that training has not seen, such as an average."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import DataLoader, IterableDataset, Subset

from lit_optim.errors import ConfigError


def batch_norms(module: nn.Module) -> dict[str, _BatchNorm]:
    """Return the BatchNorms that keep running statistics, by name.

    Example:
        >>> list(batch_norms(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))))
        ['1']
    """
    found = {name: part for name, part in module.named_modules() if isinstance(part, _BatchNorm)}
    return {name: norm for name, norm in found.items() if norm.running_mean is not None}


def read_statistics(module: nn.Module) -> dict[str, Tensor]:
    """Copy the statistics of all BatchNorms, by the names of their buffers."""
    norms = batch_norms(module).items()
    return {f"{name}.{key}".lstrip("."): buffer.clone() for name, norm in norms for key, buffer in norm.named_buffers()}


def write_statistics(module: nn.Module, statistics: dict[str, Tensor]) -> None:
    """Write statistics that `read_statistics` has returned."""
    buffers = dict(module.named_buffers())
    for name, value in statistics.items():
        buffers[name].copy_(value)


@torch.no_grad()
def recalibrate(module: nn.Module, batches: Iterable[Any], forward: Callable[[Any], Any]) -> None:
    """Replace the statistics by the plain means over some batches, as torch's ``swa_utils.update_bn`` does.

    Modes, momenta and the generators of random numbers are afterwards as they were before.

    Args:
        module: with BatchNorms.
        batches: of the training.
        forward: takes one batch through the module.
    """
    norms = [*batch_norms(module).values()]
    modes, momenta = [(part, part.training) for part in module.modules()], [norm.momentum for norm in norms]
    state = random.getstate()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        random.seed(0)
        try:
            module.train()
            for norm in norms:
                norm.reset_running_stats()
                norm.momentum = None
            for batch in batches:
                forward(batch)
        finally:
            random.setstate(state)
            for norm, momentum in zip(norms, momenta, strict=True):
                norm.momentum = momentum
            for part, mode in modes:
                part.training = mode


def same_batches(loader: Any, count: int) -> Iterator[Any]:
    """Yield batches of a loader's data set, always the same ones; the loader itself is not touched.

    Args:
        loader: a DataLoader with a map-style data set.
        count: of the batches; fewer where the data set ends.

    Raises:
        ConfigError: for another loader.
    """
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset) or not loader.batch_size:
        raise ConfigError(
            "optim_callbacks.ema.recalibrate_batch_norm: needs one DataLoader with a map-style dataset and a "
            "batch_size; write 0, and call torch.optim.swa_utils.update_bn after the training"
        )
    order = torch.randperm(len(loader.dataset), generator=torch.Generator().manual_seed(0)).tolist()  # type: ignore[arg-type]  # Sized
    chosen = Subset(loader.dataset, order[: count * loader.batch_size])
    yield from DataLoader(chosen, loader.batch_size, collate_fn=loader.collate_fn)
