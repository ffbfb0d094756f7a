"""Pairs of optimizer classes by policy: which class goes on, and whether its state does."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch

from _support.net import fit
from _support.resumed_runs import data, module, resumed

MOMENTS = ("adam", "adamw", "amsgrad", "nadam", "radam", "adabound")  # averages of the gradient and of its square
MOMENTUM = ("momentum", "nesterov", "sgdw")  # a decaying sum of gradients
OTHERS = ("rmsprop", "adagrad", "adadelta", "sgd")
ALL = (*MOMENTS, *MOMENTUM, *OTHERS)
QUICK = [("adam", "adamw"), ("adamw", "nadam"), ("momentum", "sgdw"), ("sgdw", "adam"), ("adam", "rmsprop")]
PAIRS = [
    pytest.param(before, now, marks=[] if (before, now) in QUICK else pytest.mark.slow)
    for before, now in product(ALL, ALL)
    if before != now
]
CLASSES = {"adam": "Adam", "amsgrad": "Adam", "momentum": "SGD", "nesterov": "SGD", "sgd": "SGD"}


def go_on(tmp_path: Any, before: str, now: str, policy: Any) -> tuple[Any, str, Any]:
    """Resume after 8 steps with another class, for one step; return the net, the table and the saved state."""
    _, run = fit(tmp_path, module("constant", optimizer={"_target_": before, "lr": 0.01}), train=data(), max_epochs=2)
    saved = run.optimizers[0].state_dict()["state"]
    run.save_checkpoint(tmp_path / "first.ckpt")
    net = module("constant", optimizer={"_target_": now, "lr": 0.02, "weight_decay": 0.0}, resume=policy)
    path = str(tmp_path / "first.ckpt")
    _, (table,) = resumed(tmp_path, net, path, max_steps=9, max_epochs=-1)
    return net, table, saved


def steps_of(entry: dict[str, Any]) -> Any:
    return float(entry["step"]) if "step" in entry else None


@pytest.mark.parametrize(("before", "now"), PAIRS)
def test_the_configured_class_takes_state_that_means_the_same(tmp_path, before, now):
    net, table, saved = go_on(tmp_path, before, now, {"optimizer": "config"})
    optimizer = net.trainer.optimizers[0]
    same = any(before in family and now in family for family in (MOMENTS, MOMENTUM))
    same |= {before, now} <= {"sgd", *MOMENTUM} and before != "sgd"
    entry = next(iter(optimizer.state.values()), {})
    if "step" in entry and now != "sgdw":
        assert steps_of(entry) == (9 if same else 1)
    if now in MOMENTUM:
        p = next(net.parameters())
        assert torch.equal(entry["momentum_buffer"], p.grad) is (not same)
    if same and entry:
        assert "goes on in" in table or CLASSES.get(before) == CLASSES.get(now), table
    elif saved and saved[0]:
        assert "has no meaning in" in table or not entry, table


@pytest.mark.parametrize(("before", "now"), QUICK)
def test_reset_begins_without_state(tmp_path, before, now):
    net, table, _ = go_on(tmp_path, before, now, "reset_optimizer")
    optimizer = net.trainer.optimizers[0]
    entry = next(iter(optimizer.state.values()), {})
    assert steps_of(entry) in (None, 1)
    assert optimizer.param_groups[0]["lr"] == 0.02
    assert "begins without the checkpoint's state" in table


@pytest.mark.parametrize(("before", "now"), QUICK)
def test_the_checkpoints_class_goes_on_by_default(tmp_path, before, now):
    net, table, saved = go_on(tmp_path, before, now, None)
    optimizer = net.trainer.optimizers[0]
    entry = next(iter(optimizer.state.values()))
    assert {*entry} == {*saved[0]}
    assert optimizer.param_groups[0]["lr"] == 0.01
    assert "write resume.optimizer=config to take" in table


@pytest.mark.parametrize("name", ["adamw", "momentum", "rmsprop", "adagrad"])
def test_reset_of_one_class_is_a_fresh_optimizer_from_the_weights(tmp_path, name):
    """Every later step is that of a new optimizer at the schedule's lr, to the bit."""
    spec = {"_target_": name, "lr": 0.01}
    _, run = fit(tmp_path, module("warmup_cosine", optimizer=spec), train=data(), max_epochs=2)
    run.save_checkpoint(tmp_path / "first.ckpt")
    net = module("warmup_cosine", optimizer=spec, resume="reset_optimizer")
    lrs, _ = resumed(tmp_path, net, str(tmp_path / "first.ckpt"))
    again = module("constant", optimizer=spec)
    again.load_state_dict(torch.load(tmp_path / "first.ckpt", weights_only=True)["state_dict"])
    optimizer = again.configure_optimizers()["optimizer"]
    loader = data()
    position = iter(lrs)
    for epoch in (2, 3):
        loader.sampler.set_epoch(epoch)
        for batch in loader:
            for group in optimizer.param_groups:
                group["lr"] = next(position)
            optimizer.zero_grad()
            again.loss(batch).backward()
            optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), again.parameters(), strict=True))
