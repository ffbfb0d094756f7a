"""Runs whose optimizer has changed its class in mid-run, SWATS and planned ones: every policy finds its lr and its state."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from _support.net import Net, fit, weights

pytestmark = pytest.mark.filterwarnings("ignore:ckpt_path. this run is not the one")
BIASES = {"rules": [{"match": {"type": "bias"}, "lr": "x0.5", "weight_decay": 0.0}]}
SWATS = {"swats": {"at": 10}}
SWITCH = {"switch": {"to": "momentum", "at": 10, "lr": 0.02}}


def net(optimizer: Any, callbacks: Any, **specs: Any) -> Net:
    torch.manual_seed(1)
    return Net(optimizer, scheduler="warmup_cosine", optim_callbacks=callbacks, **specs)


def saved(tmp_path: Any, optimizer: Any, callbacks: Any, **specs: Any) -> tuple[Net, Any]:
    every = ModelCheckpoint(tmp_path / "saved", "s{step}", every_n_train_steps=1, save_top_k=-1, auto_insert_metric_name=False)  # fmt: skip
    whole, _ = fit(tmp_path, net(optimizer, callbacks, **specs), callbacks=[every])
    return whole, lambda step: tmp_path / "saved" / f"s{step}.ckpt"


def lrs(module: Net) -> list[float]:
    return [used[0] for used in module.used]


@pytest.mark.parametrize("resume", ["lr_from_config", {"optimizer": "config"}])
@pytest.mark.parametrize(("optimizer", "callbacks"), [("swats", SWATS), ("adamw", SWITCH)])
def test_an_unchanged_configuration_keeps_phase_and_lr(tmp_path, optimizer, callbacks, resume):
    """The configured values of the first class are not those of the second."""
    whole, at = saved(tmp_path, optimizer, callbacks)
    again, _ = fit(tmp_path, net(optimizer, callbacks, resume=resume), at(12))
    assert lrs(again) == pytest.approx(lrs(whole)[12:], rel=1e-9)
    torch.testing.assert_close(weights(again), weights(whole))


@pytest.mark.parametrize(("optimizer", "callbacks"), [("swats", SWATS), ("adamw", SWITCH)])
def test_a_new_group_has_its_share_of_the_lr_after_the_change(tmp_path, optimizer, callbacks):
    whole, at = saved(tmp_path, optimizer, callbacks)
    again, _ = fit(tmp_path, net(optimizer, callbacks, param_groups=BIASES), at(12))
    for used, before in zip(again.used, lrs(whole)[12:], strict=True):
        assert used == pytest.approx([before, before / 2], rel=1e-9)


def test_swats_restarts_its_schedule_at_the_lr_of_sgd(tmp_path):
    _, at = saved(tmp_path, "swats", SWATS)
    again, run = fit(tmp_path, net("swats", SWATS, resume="restart"), at(12))
    group = run.optimizers[0].param_groups[0]
    assert group["phase"] == "sgd"
    assert max(lrs(again)) == pytest.approx(1e-3 / group["decay_lr"])


def test_swats_goes_on_from_a_plain_adam(tmp_path):
    whole, at = saved(tmp_path, "adam", None)
    again, run = fit(tmp_path, net("swats", SWATS, resume={"optimizer": "config"}, param_groups=BIASES), at(6))
    assert lrs(again)[:4] == pytest.approx(lrs(whole)[6:10])
    assert float(next(iter(run.optimizers[0].state.values()))["step"]) == 24


def test_reset_after_the_change_begins_with_the_class_of_this_time(tmp_path):
    whole, at = saved(tmp_path, "adamw", SWITCH)
    again, _ = fit(tmp_path, net("adamw", SWITCH, resume="reset_optimizer"), at(12))
    assert lrs(again) == pytest.approx(lrs(whole)[12:], rel=1e-9)


def test_a_change_that_is_added_too_late_takes_place_at_once(tmp_path):
    whole, at = saved(tmp_path, "adamw", None)
    again, _ = fit(tmp_path, net("adamw", SWITCH), at(12))
    assert lrs(again) == pytest.approx([20 * lr for lr in lrs(whole)[12:]], rel=1e-9)


@pytest.mark.parametrize(
    ("optimizer", "callbacks", "step"), [("nadam", SWITCH, 6), ("nadam", None, 6), ("sgdw", None, 12)]
)
def test_state_goes_on_in_another_class_although_a_change_was_planned(tmp_path, optimizer, callbacks, step):
    _, at = saved(tmp_path, "adamw", SWITCH)
    with pytest.warns(UserWarning, match="the state of (AdamW goes on in NAdam|SGD goes on in SGDW)"):
        _, run = fit(tmp_path, net(optimizer, callbacks, resume={"optimizer": "config"}), at(step))
    entry = next(iter(run.optimizers[0].state.values()))
    assert optimizer == "sgdw" or callbacks or float(entry["step"]) == 24


def test_amsgrad_can_be_turned_on(tmp_path):
    """The maximum begins as the present average, as for a class of another name."""
    _, at = saved(tmp_path, "adam", None)
    _, run = fit(tmp_path, net("amsgrad", None, resume={"optimizer": "config"}), at(6))
    entry = next(iter(run.optimizers[0].state.values()))
    assert float(entry["step"]) == 24
    assert bool((entry["max_exp_avg_sq"] >= entry["exp_avg_sq"]).all())


def test_how_a_class_computes_may_be_set_or_left(tmp_path):
    whole, at = saved(tmp_path, "adamw", None)
    again, run = fit(tmp_path, net({"_target_": "adamw", "foreach": True}, None), at(6))
    assert run.optimizers[0].param_groups[0]["foreach"] is True
    torch.testing.assert_close(weights(again), weights(whole))
