"""Resolve the specs of one optimizer, or of several by name; build several, each over parameters of a module."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lit_optim.config.build.callbacks import callbacks_from_spec
from lit_optim.config.build.named_parameters import parameters_by_name, read_of
from lit_optim.config.build.optimizer import trained_by
from lit_optim.config.read.named_specs import schedules_by_name, specs_by_name, split_of
from lit_optim.config.resolve import Resolved, resolve_specs
from lit_optim.errors import ConfigError, Problems
from lit_optim.param_groups import NamedModel

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from lit_optim.duration import RunLength
    from lit_optim.lightning_api import Callback


@dataclass(frozen=True)
class ResolvedByName:
    """The specs of several optimizers, checked.

    Args:
        parts: of each optimizer, in the order of the mapping.
        callbacks: those of ``optim_callbacks``.
    """

    parts: tuple[Resolved, ...]
    callbacks: list[Callback]

    def build_optimizers(self, module: nn.Module) -> list[Optimizer]:
        """Build the optimizers, each over the parameters that its ``of`` names."""
        trained_by(NamedModel(module), self.parts[0].param_groups)  # freezes what rules freeze
        owned = parameters_by_name({part.name: (part.of, part.optimizer.spec.key) for part in self.parts}, module)
        return [part.build_optimizer(module, owned[part.name]) for part in self.parts]


def resolve(
    specs: Mapping[str, Any],
    *,
    overrides: Mapping[str, Any] | None = None,
    callbacks: Iterable[Any] = (),
    prefix: str = "",
    settled: Container[str] = (),
) -> Resolved | ResolvedByName:
    """Read, check and coerce the specs of one optimizer, or of several by name.

    Args:
        specs: by group.
        overrides: beat the optimizer's keys; of several there is none that they could mean.
        callbacks: others beside those of ``optim_callbacks`` that may replace the optimizer's spec.
        prefix: of the groups' dotted names.
        settled: groups whose problems are known from elsewhere, and not raised again.

    Raises:
        ConfigError: one, with the problems of all groups.

    Example:
        >>> specs = {"optimizer": {"actor": "adam", "critic": "sgd"}, "scheduler": "cosine"}
        >>> [(part.name, part.optimizer.spec.path) for part in resolve(specs).parts]
        [('actor', 'torch.optim.Adam'), ('critic', 'torch.optim.SGD')]
    """
    named = specs_by_name(specs.get("optimizer"), f"{prefix}optimizer")
    if named is None:
        return resolve_specs(specs, overrides=overrides, callbacks=callbacks, prefix=prefix, settled=settled)
    problems, parts, chosen = Problems(), [], []
    try:
        chosen = callbacks_from_spec(specs.get("optim_callbacks"), f"{prefix}optim_callbacks")
    except ConfigError as error:
        problems.extend(error.problems if "optim_callbacks" not in settled else ())
    replaced = {type(callback) for callback in chosen}  # Lightning lets those of the module win
    replacing = [*(other for other in callbacks if type(other) not in replaced), *chosen]
    for callback in [callback for callback in replacing if getattr(callback, "one_optimizer", False)]:
        text = f"{type(callback).__name__} works with one optimizer, and there are several ({', '.join(named)})"
        problems.append(f"{prefix}optim_callbacks: {text}; remove it")
        replacing.remove(callback)
    for key, value in [(key, value) for key, value in (overrides or {}).items() if value is not None]:
        example = f"{prefix}optimizer.{next(iter(named))}.{key}={value}"
        problems.append(f"{key}={value}: there are several optimizers ({', '.join(named)}); write e.g. {example}")
    try:
        schedules = schedules_by_name(specs.get("scheduler"), named, f"{prefix}scheduler")
    except ConfigError as error:
        problems.extend(error.problems if "scheduler" not in settled else ())
        schedules = dict.fromkeys(named, (None, f"{prefix}scheduler"))
    for name, given in named.items():
        spec, of = split_of(given, name)
        schedule, schedule_key = schedules[name]
        own = {**specs, "optimizer": spec, "scheduler": schedule, "optim_callbacks": None}
        keys = {"optimizer": f"{prefix}optimizer.{name}", "scheduler": schedule_key}
        try:
            read_of(of, f"{keys['optimizer']}.of")
            part = resolve_specs(own, callbacks=replacing, prefix=prefix, settled=settled, keys=keys)
        except ConfigError as error:
            problems.take(error)
        else:
            parts.append(replace(part, name=name, of=of))
    problems.raise_if_any()
    return ResolvedByName(tuple(parts), chosen)


def build_schedulers(
    parts: Sequence[Resolved],
    optimizers: Sequence[Optimizer],
    run: RunLength,
    build: Callable[[Optimizer, Callable[[], LRScheduler]], LRScheduler],
    *,
    by_hand: bool,
) -> list[LRScheduler]:
    """Build the scheduler of each optimizer.

    Args:
        parts: the specs of each optimizer.
        optimizers: as they are built.
        run: of optimizers that take a step in every batch.
        build: calls the function that builds the scheduler of an optimizer.
        by_hand: the training step takes the optimizers' steps.

    Raises:
        ConfigError: where the phases do not fit the run, or need a length that is not known.
    """
    built = []
    for part, optimizer in zip(parts, optimizers, strict=True):
        try:
            length = part.length_of(run, by_hand=by_hand)
            built.append(build(optimizer, functools.partial(part.build_scheduler, optimizer, length)))
        except ConfigError as error:  # whose texts begin with the key of one schedule
            found = [re.sub(r"^scheduler\b", part.scheduler.spec.key, problem) for problem in error.problems]
            raise type(error)(*found) from error
    return built


def for_lightning(
    parts: Sequence[Resolved], optimizers: Sequence[Optimizer], schedulers: Sequence[LRScheduler], *, by_hand: bool
) -> Any:
    """Return what a module's ``configure_optimizers`` returns.

    Args:
        parts: the specs of each optimizer.
        optimizers: as they are built.
        schedulers: likewise.
        by_hand: the training step takes the optimizers' steps, so that Lightning feeds no metric to a scheduler.
    """
    ignored = ("monitor", "strict") if by_hand else ()
    entries = [{k: v for k, v in part.scheduler.lr_scheduler_entry.items() if k not in ignored} for part in parts]
    pairs = zip(optimizers, schedulers, entries, strict=True)
    found = [{"optimizer": one, "lr_scheduler": {"scheduler": schedule, **entry}} for one, schedule, entry in pairs]
    return found if parts[0].name else found[0]
