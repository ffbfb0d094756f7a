"""A module of every preset that meets numbers which are not finite, at batches of choice."""

from __future__ import annotations

import warnings
from typing import Any

import lightning as L
import torch

import lit_optim
from _support.net import trainer
from _support.problem import Problem

FAULTS = ("loss", "one gradient", "all gradients")


class Numbers:
    """Batches that are numbers: of the noise on the targets."""

    def __init__(self, *numbers: int):
        self.numbers = numbers

    def __len__(self):
        return len(self.numbers)

    def __iter__(self):
        return iter([torch.tensor(number) for number in self.numbers])


class Faulty(lit_optim.ConfigureOptimizersMixin, L.LightningModule):
    """Computes NaN at some batches: in the loss, in one gradient or in all, on all ranks or on one."""

    def __init__(self, name: str, fault: str = "loss", at: Any = (), rank: int | None = None, **specs: Any):
        super().__init__()
        torch.manual_seed(0)
        self.optim_spec = {"optimizer": name, **specs}
        self.problem, self.fault, self.at, self.only = Problem(name), fault, at, rank
        self.used, self.after = [], []

    def is_bad(self):
        return self.number in self.at and self.only in (None, self.global_rank)

    def training_step(self, batch, batch_idx):
        self.number = int(batch)
        torch.manual_seed(self.number)  # some optimizers draw numbers
        loss = self.problem.loss(noise=self.number)
        return loss * float("nan") if self.fault == "loss" and self.is_bad() else loss

    def backward(self, loss):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Using backward\\(\\) with create_graph=True")
            loss.backward(create_graph=self.problem.needs.second_order)

    def on_after_backward(self):
        if self.fault.endswith(("gradient", "gradients")) and self.is_bad():
            gradients = [p.grad for p in self.parameters() if p.grad is not None]
            with torch.no_grad():
                for grad in gradients[-1:] if self.fault == "one gradient" else gradients:
                    (grad._values() if grad.is_sparse else grad).view(-1)[-1:].fill_(float("nan"))

    def optimizer_step(self, epoch, batch_idx, optimizer, optimizer_closure=None):
        self.used.append(optimizer.param_groups[0].get("lr"))
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)

    def on_train_batch_end(self, *_):
        self.after.append(parameters(self))


def parameters(module: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def guard(policy: str = "skip", **options: Any) -> dict[str, Any]:
    """The spec of a guard."""
    return {"finite": {"_target_": "lit_optim.callbacks.FiniteGuard", "policy": policy, **options}}


def guard_of(run: L.Trainer) -> Any:
    return next(callback for callback in run.callbacks if type(callback).__name__ == "FiniteGuard")


def run_over(
    tmp_path: Any, module: L.LightningModule, *numbers: int, val: Any = None, ckpt_path: Any = None, **options: Any
) -> L.Trainer:
    """Fits a module on these batches."""
    run = trainer(tmp_path, **{"max_epochs": 1, **options})
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "optim_callbacks.finite|.*no `val_dataloader`")
        run.fit(module, Numbers(*numbers), val, ckpt_path=ckpt_path)
    return run


def equal(one: Any, other: Any) -> bool:
    """Whether two state dicts are the same to the bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(equal, one, other))
    return one == other
