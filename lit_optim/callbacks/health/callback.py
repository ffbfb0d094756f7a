from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor
from torch.optim import Optimizer

from lit_optim.callbacks.health.judge import Judge, Reading, is_due
from lit_optim.callbacks.health.quantities import Sums, quantities, total
from lit_optim.callbacks.health.step_probe import StepProbe
from lit_optim.callbacks.schedule_report import table
from lit_optim.errors import ConfigError, wrong
from lit_optim.lightning_api import (
    Callback,
    LightningModule,
    Trainer,
    has_gradient_scaler,
    is_instance,
    rank_zero_warn,
)
from lit_optim.plots.health import draw_health
from lit_optim.plots.report_files import write_report
from lit_optim.plots.run_facts import run_facts
from lit_optim.run_folder import may_be_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "optim_callbacks.health"


def group_names(optimizers: Sequence[Optimizer]) -> list[list[str]]:
    """Name the param groups of each optimizer; one group alone needs no name, equal ones get their optimizer's number.

    Example:
        >>> import torch
        >>> group_names([torch.optim.SGD([{"params": torch.zeros(1), "name": n} for n in ("body", "head")])])
        [['body', 'head']]
    """
    named = [[g.get("name") or f"pg{i + 1}" for i, g in enumerate(o.param_groups)] for o in optimizers]
    every = [name for names in named for name in names]
    if len(every) == 1:
        return [[""]]
    return [[f"{o}/{n}" if every.count(n) > 1 else n for n in names] for o, names in enumerate(named)]


class Health(Callback):
    """Measures how healthy the training of each param group is, and warns in words that say what to try.

    In every n-th optimizer step, and in the 2nd, 5th, 10th and 20th: the gradient's norm before and after clipping,
    update / weight, effective lr, cosine of update and descent, second moments below eps (`quantities`), and the steps
    that a gradient scaler has skipped since. A warning comes once per kind and group: of NaN and infinity at once, of
    the rest when two measured steps in a row agree. Values go to the loggers as ``health/<quantity>/<group>``, the
    whole model's without a group; ``health.csv`` and, with matplotlib, ``health.png`` are written by rank 0 when a fit
    ends or fails.

    The weights are those that are trained, not those of an average or of `Lookahead`, whose interpolation is no part
    of the update. Sharded sums are added up in one all-reduce; in other steps nothing is read and the host does not
    wait. A measured step takes the memory of the weights once more. Steps that evaluate their closure more than once,
    as LBFGS does, are not measured; a warning says so.

    Args:
        every_n_steps: optimizer steps between two that are measured.
        folder: where to write; a relative one lies in the Trainer's ``default_root_dir``.

    Raises:
        ConfigError: for values outside of their range; at the start of a fit, for DeepSpeed and FSDP1.

    Example:
        >>> Health(every_n_steps=0)
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: every_n_steps=0: must be a whole number, at least 1; write e.g. 50
    """

    single: ClassVar[bool] = True
    # Lightning takes a dozen function calls for each hook of a step, but none for what it cannot call
    on_train_batch_start = on_train_batch_end = on_before_zero_grad = on_before_backward = None  # type: ignore[assignment]
    on_after_backward = None  # type: ignore[assignment]

    def __init__(self, every_n_steps: int = 50, folder: str | Path = "optim") -> None:
        if type(every_n_steps) is not int or every_n_steps < 1:
            raise ConfigError(
                wrong("every_n_steps", every_n_steps, "must be a whole number, at least 1; write e.g. 50")
            )
        if not may_be_folder(folder):
            raise ConfigError(wrong("folder", folder, "must be the path of a folder"))
        self.every_n_steps, self.folder = every_n_steps, Path(folder)
        self._probes: dict[int, StepProbe] = {}  # by the optimizer's id
        self._forget()

    def _forget(self) -> None:
        self._judge = Judge()
        self._steps: list[int] = []
        self._rows: list[dict[tuple[str, str], float]] = []  # by quantity and group
        self._warned: list[str] = []

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin anew, before all other callbacks, so that gradients are read before any of them changes them.

        Raises:
            ConfigError: for a strategy that hides parameters or gradients.
        """
        if is_instance(trainer.strategy, "strategies.FSDPStrategy", "strategies.DeepSpeedStrategy"):
            rule = f"{type(trainer.strategy).__name__} flattens parameters, so that none has a gradient"
            raise ConfigError(f"{NAME}: {rule} to look at; use ModelParallelStrategy (FSDP2) or ddp, or leave it out")
        trainer.callbacks = [self, *(other for other in trainer.callbacks if other is not self)]  # type: ignore[attr-defined]
        self._forget()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Attach to all optimizers, at the checkpoint's step if there is one."""
        self._detach()
        for optimizer in trainer.optimizers:
            found = functools.partial(self._measured, trainer, optimizer)
            probe = StepProbe(optimizer, found, functools.partial(self._refused, optimizer))
            probe.steps = probe.reported = trainer.global_step // len(trainer.optimizers)
            if has_gradient_scaler(trainer):
                probe.count_steps_taken()
            if is_due(probe.steps + 1, self.every_n_steps):
                probe.arm()
            self._probes[id(optimizer)] = probe

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Count the step, and read the gradients before they are clipped if it is measured."""
        probe = self._probes.get(id(getattr(optimizer, "optimizer", optimizer)))
        if probe is not None:
            armed = probe.begin(trainer.global_step, self.every_n_steps)
            if armed:
                probe.read_gradients()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the files."""
        self._detach()
        if self._steps:
            columns = {"/".join(filter(None, key)): self._column(key) for key in self._keys()}
            write_report(trainer, self.folder, "health", table(self._steps, columns), lambda: self._draw(trainer))

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Write the steps so far."""
        self.on_fit_end(trainer, pl_module)

    def _measured(self, trainer: Trainer, optimizer: Optimizer, sums: list[Sums | None]) -> None:
        """Log the quantities of a step, and warn."""
        o = [*map(id, trainer.optimizers)].index(id(optimizer))
        names, row = group_names(trainer.optimizers)[o], dict[tuple[str, str], float]()
        self._steps.append(trainer.global_step)
        self._rows.append(row)
        for name, group, found in zip(names, optimizer.param_groups, sums, strict=True):
            trained = [p for p in group["params"] if p.requires_grad]
            if trained:
                self._judged(row, name, group, found, trained[0])
        measured = [each for each in sums if each is not None]
        if len(measured) > 1 and len(trainer.optimizers) == 1:
            maximize = optimizer.param_groups[0].get("maximize", False)
            row |= {(key, ""): value for key, value in quantities(total(measured), maximize=maximize).items()}
        probe = self._probes[id(optimizer)]
        if has_gradient_scaler(trainer):
            steps, skipped = probe.steps_and_skips()
            row["amp_skips", str(o) if len(trainer.optimizers) > 1 else ""] = skipped
            self._warn(self._judge.skipped(steps, skipped))
        logged = {"/".join(filter(None, ("health", *key))): value for key, value in row.items()}
        for logger in trainer.loggers:
            logger.log_metrics(logged, step=trainer.fit_loop.epoch_loop._batches_that_stepped)

    def _judged(
        self, row: dict[tuple[str, str], float], name: str, group: dict[str, Any], found: Sums | None, p: Tensor
    ) -> None:
        """Add the quantities of a group to a row, and warn of them."""
        values = None if found is None else quantities(found, maximize=group.get("maximize", False))
        row |= {(key, name): value for key, value in (values or {}).items()}
        rms = 0.0 if found is None else math.sqrt(found.weight / max(found.size, 1))
        dtype = str(p.dtype).removeprefix("torch.")
        lr = math.nan if group.get("lr") is None else float(group["lr"])  # of an optimizer that finds its own
        for text in self._judge.warnings(Reading(name, lr, values, rms, dtype, step=self._steps[-1])):
            self._warn(text)

    def _refused(self, optimizer: Optimizer, evaluations: int) -> None:
        name = type(optimizer).__name__
        text = f"{name} evaluates its closure {evaluations} times in a step, so that no gradient belongs to its update"
        if not any(name in warned for warned in self._warned):
            self._warn(f"{text}: not measured")

    def _warn(self, text: str | None) -> None:
        if text is not None:
            self._warned.append(text)
            rank_zero_warn(f"{NAME}: {text}")

    def _keys(self) -> list[tuple[str, str]]:
        return [*dict.fromkeys(key for row in self._rows for key in row)]

    def _column(self, key: tuple[str, str]) -> list[float]:
        return [row.get(key, math.nan) for row in self._rows]

    def _draw(self, trainer: Trainer) -> Figure:
        values: dict[str, dict[str, list[float]]] = {}
        for key in self._keys():
            values.setdefault(key[0], {})[key[1] or "all"] = self._column(key)
        return draw_health(self._steps, values, run_facts(trainer).title, self._warned)

    def _detach(self) -> None:
        while self._probes:
            self._probes.popitem()[1].detach()
