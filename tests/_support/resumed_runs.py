"""Runs that write checkpoints, runs that are resumed from them, and the lrs of a run that nothing has interrupted."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from lightning.pytorch.callbacks import ModelCheckpoint

import lit_optim
from _support.net import Net, fit, loader

LR = 0.1
BATCHES, EPOCHS = 4, 4  # of the run that writes the checkpoints: 16 steps


def module(scheduler: Any, **specs: Any) -> Net:
    given = {"_target_": f"{__name__}.identity"}
    scheduler = {"main": {"shape": "lambda", "function": given["_target_"]}} if scheduler == "lambda" else scheduler
    optimizer = specs.pop("optimizer", {"_target_": "sgd", "lr": LR, "momentum": 0.9})
    return Net(optimizer=optimizer, scheduler=scheduler, val_losses=[0.5**i for i in range(9)], **specs)


def identity(step: int) -> float:
    return 1 / (1 + step)


def spec_of(name: str) -> Any:
    """Return the spec of a preset, with the function that `lambda` lacks."""
    if "lambda" not in name:
        return name
    return lit_optim.compose([f"scheduler={name}", f"scheduler.main.function={__name__}.identity"]).scheduler


def data(batch_size: int = 4) -> Any:
    return loader(16, batch_size)


def saved(tmp_path: Any, spec: Any, **options: Any) -> dict[int, str]:
    """Train, and return the checkpoints by their step."""
    each = ModelCheckpoint(tmp_path, "{step}", save_top_k=-1, every_n_train_steps=2)
    fit(tmp_path, module(spec), train=data(), max_epochs=EPOCHS, callbacks=[each], **options)
    return {step: str(tmp_path / f"step={step}.ckpt") for step in (6, 8)}


def resumed(tmp_path: Any, net: Net, path: str, batch_size: int = 4, **options: Any) -> tuple[list[float], list[str]]:
    """Resume, and return the lrs of all steps, and the tables of what differs."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(tmp_path, net, path, train=data(batch_size), **{"max_epochs": EPOCHS, **options})
    tables = [str(w.message) for w in caught if "this run is not the one" in str(w.message)]
    return [lrs[0] for lrs in net.used], tables


def lrs_of(spec: Any, total: int, per_epoch: int = BATCHES) -> list[float]:
    """The lrs of a run of some length that nothing has interrupted, without a module or a Trainer."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=LR)
    scheduler = lit_optim.build_scheduler(spec, optimizer, total_steps=total, steps_per_epoch=per_epoch)
    lrs = []
    for _ in range(total):
        lrs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return lrs
