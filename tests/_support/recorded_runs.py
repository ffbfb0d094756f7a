"""Runs with a record, what they measure without it, and their files without times."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor

from _support.net import Net

TIMES = ("seconds",)
N = 5  # optimizer steps between two rows


class Seeded(Net):
    """The same weights in every run."""

    def __init__(
        self, optimizer: Any = "adamw", scheduler: Any = "warmup_cosine", param_groups: Any = None,
        optim_callbacks: Any = None, val_losses: Any = None,
    ):  # fmt: skip
        torch.manual_seed(11)
        super().__init__(optimizer, scheduler, param_groups, optim_callbacks, val_losses)


def recorded(cls: type[Net] = Seeded, every: int = N, others: Any = None, settings: Any = None, **specs: Any) -> Net:
    """A module whose record has a row every few steps."""
    record = {"_target_": "lit_optim.callbacks.Record", "every_n_steps": every, **(settings or {})}
    return cls(optim_callbacks={"record": record, **(others or {})}, **specs)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def run_json(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "record" / "run.json").read_text(encoding="utf-8"))
    return found


def without_times(folder: Path) -> dict[str, Any]:
    """The contents of a record, but for times and memory."""
    run = {key: value for key, value in run_json(folder).items() if key != "measured"}
    found: dict[str, Any] = {"run.json": run}
    for name in ("steps.csv", "metrics.csv"):
        found[name] = [{k: v for k, v in row.items() if k not in TIMES} for row in rows(folder / "record" / name)]
    return found


class Reference(L.Callback):
    """What each optimizer step does, in float64: loss, norms of gradient and update, lrs; whatever clipping does later."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.gradients: list[float] = []
        self.updates: list[float] = []
        self._before: list[Tensor] = []

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        self._before = [p.detach().double().clone() for p in pl_module.parameters()]
        self.gradients.append(_norm([p.grad.double() for p in pl_module.parameters()]))

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.losses.append(float(outputs["loss"]) * trainer.accumulate_grad_batches)
        if len(self.updates) < len(self.gradients):
            after = [p.detach().double() for p in pl_module.parameters()]
            self.updates.append(_norm([a - b for a, b in zip(after, self._before, strict=True)]))


def _norm(tensors: list[Tensor]) -> float:
    return float(torch.cat([tensor.flatten() for tensor in tensors]).norm())


class At(L.Callback):
    """Acts once at the end of the batch of an optimizer step."""

    def __init__(self, step: int, act: Callable[[Any], None]) -> None:
        self.step, self.act = step, act

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        if trainer.global_step == self.step:
            self.step = -1
            self.act(trainer)


def raising(error: BaseException) -> Callable[[Any], None]:
    def act(trainer: Any) -> None:
        raise error

    return act
