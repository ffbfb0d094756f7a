"""Read from a Trainer how many samples an optimizer step takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lit_optim.errors import ConfigError
from lit_optim.lightning_api import Trainer
from lit_optim.scheduler.run_length import accumulated_batches, training_data


@dataclass(frozen=True)
class BatchSize:
    """The samples of an optimizer step.

    Args:
        loader: samples of a batch of the dataloader.
        accumulation: batches of an optimizer step on one device.
        devices: on which different batches are taken, over all nodes.
        given: whether the number is the configuration's, and not the Trainer's.

    Example:
        >>> batch = BatchSize(256, accumulation=2, devices=2)
        >>> batch.samples, str(batch), str(BatchSize(64))
        (1024, '1024 = 2 devices x 2 accumulated x 256', '64')
    """

    loader: int
    accumulation: int = 1
    devices: int = 1
    given: bool = False

    @property
    def samples(self) -> int:
        """Return the samples of an optimizer step."""
        return self.devices * self.accumulation * self.loader

    def __str__(self) -> str:
        """Write the product and its factors."""
        counts = {"devices": self.devices, "accumulated": self.accumulation}
        factors = [f"{count} {name}" for name, count in counts.items() if count > 1]
        return f"{self.samples} = {' x '.join([*factors, str(self.loader)])}" if factors else str(self.samples)


def read_batch_size(trainer: Trainer, key: str) -> BatchSize:
    """Read the samples of an optimizer step from a Trainer that is fitting.

    Args:
        trainer: its train dataloader is set up if it was not yet.
        key: dotted name of the setting that gives the number in its place.

    Raises:
        ConfigError: where the number is not known, or not the same at every step.
    """
    with training_data(trainer):
        size, problem = _loader_batch(trainer.train_dataloader)
    accumulation = {*accumulated_batches(trainer).values()}
    if len(accumulation) > 1:
        problem = problem or "accumulation changes during the run"
    if problem:
        raise ConfigError(f"{key}: unknown, because {problem}; give the samples of an optimizer step, {key}=1024")
    sampler = (
        getattr(trainer.strategy, "distributed_sampler_kwargs", None) or {}
    )  # fewer than ranks if a model is split
    return BatchSize(size, accumulation.pop(), sampler.get("num_replicas", 1))


def _loader_batch(loaders: Any) -> tuple[int, str]:
    """Return the batch size of the train dataloader, or the reason why it is unknown as the second item."""
    if isinstance(loaders, (Mapping, list, tuple)):
        if len(loaders) > 1:
            return 0, "several train dataloaders give a batch each at every step"
        [loaders] = loaders.values() if isinstance(loaders, Mapping) else loaders
    for holder in (loaders, getattr(loaders, "batch_sampler", None)):
        size = getattr(holder, "batch_size", None)
        if isinstance(size, int) and size >= 1:
            return size, ""
    return 0, "the train dataloader does not say its batch size (batch_size=None, or a batch sampler without one)"
