"""The example's last.ckpt holds the weights that the run ended with, whatever became of the metric."""

from typing import NamedTuple

import lightning as L
import pytest
import torch
from hydra import compose, initialize_config_dir

from _support.app_process import TRAIN
from _support.net import weights
from train import build, fit

# the lr is so small that the accuracy of the first epoch is never surpassed, though each step moves the weights
STUCK = (
    "model=mlp",
    "optimizer=sgd",
    "optimizer.lr=1e-7",
    "scheduler=constant",
    "logger=none",
    "+trainer.limit_train_batches=10",
)
THREE = ("trainer.max_epochs=3", "optim_callbacks=none")


class Run(NamedTuple):
    trainer: L.Trainer
    model: L.LightningModule
    data: L.LightningDataModule


def assembled(folder, overrides):
    """A run of the app in this process, so that its module can be looked at."""
    with initialize_config_dir(str(TRAIN.parent / "conf"), version_base="1.3"):
        return Run(*build(compose("train", [*STUCK, *overrides, f"output_dir='{folder}'"])))


def saved(path):
    return torch.load(path, weights_only=True)


@pytest.mark.parametrize(
    "overrides",
    [
        THREE,
        ("trainer.max_epochs=3", "optim_callbacks=ema"),
        ("trainer.max_epochs=3", "optim_callbacks=lookahead"),
        (*THREE, "+trainer.check_val_every_n_epoch=2"),
        (*THREE, "+trainer.val_check_interval=0.5"),
        (*THREE, "+trainer.limit_val_batches=0", "monitor=train/loss", "monitor_mode=max"),
        ("trainer.max_epochs=-1", "+trainer.max_steps=13", "optim_callbacks=none"),
    ],
    ids=" ".join,
)
def test_last_is_the_end_of_the_run_though_the_metric_never_improves(tmp_path, overrides):
    run = assembled(tmp_path, overrides)
    initial = weights(run.model)
    fit(*run)
    checkpoints = tmp_path / "checkpoints"
    _best, *others = sorted(path.name for path in checkpoints.iterdir())
    assert others == ["last.ckpt"], "two files: the best and the last"
    last, module = saved(checkpoints / "last.ckpt"), run.model.state_dict()
    assert last["global_step"] == run.trainer.global_step > 0
    assert last["state_dict"].keys() == module.keys()
    assert all(torch.equal(last["state_dict"][name], module[name]) for name in module)
    assert not torch.equal(weights(run.model), initial)


def test_best_stays_the_best(tmp_path):
    run = assembled(tmp_path, THREE)
    fit(*run)
    monitored = run.trainer.checkpoint_callback
    assert monitored.monitor == "val/acc"
    assert monitored.best_model_path == str(tmp_path / "checkpoints" / "epoch_000.ckpt")
    best, last = saved(monitored.best_model_path), saved(tmp_path / "checkpoints" / "last.ckpt")
    assert last["global_step"] == 3 * best["global_step"]
    assert any(not torch.equal(best["state_dict"][name], value) for name, value in last["state_dict"].items())


def test_a_run_that_is_killed_within_an_epoch_leaves_a_recent_last(tmp_path):
    run = assembled(tmp_path, (*THREE, "callbacks.last_within_epoch.every_n_train_steps=4"))
    step = run.model.training_step
    found = []

    def killed(batch, batch_idx):
        if run.trainer.global_step == 6:
            found.append(saved(tmp_path / "checkpoints" / "last.ckpt")["global_step"])
            raise KeyboardInterrupt
        return step(batch, batch_idx)

    run.model.training_step = killed
    with pytest.raises(SystemExit):
        fit(*run)
    assert found == [4]


def test_a_resumed_run_goes_on_with_the_same_last(tmp_path):
    fit(*assembled(tmp_path, ("trainer.max_epochs=1", "optim_callbacks=none")))
    last = tmp_path / "checkpoints" / "last.ckpt"
    first = saved(last)["global_step"]
    run = assembled(tmp_path, THREE)
    fit(*run, str(last))
    assert saved(last)["global_step"] == run.trainer.global_step == 3 * first
    assert [path.name for path in sorted((tmp_path / "checkpoints").iterdir())] == ["epoch_000.ckpt", "last.ckpt"]
