"""A run that is resumed as it was: no table, and the same lrs to the bit; what counts is what the run was planned by."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import BatchSizeFinder, Callback, ModelCheckpoint
from torch.utils.data import DataLoader

from _support.net import Net, data, fit, loader, trainer
from _support.several import Gan
from lit_optim import ConfigError
from lit_optim.config.resume_policy import read_policy

LINEAR = {"main": {"shape": "linear"}}
SGD = {"_target_": "sgd", "lr": 0.1}


class Accumulates(Net):
    """Steps by hand in every second batch."""

    def __init__(self, *args: Any, **specs: Any) -> None:
        super().__init__(*args, **specs)
        self.automatic_optimization = False

    def training_step(self, batch: Any, batch_idx: int) -> None:
        optimizer = self.optimizers()
        self.manual_backward(self.loss(batch))
        if batch_idx % 2:
            self.used.append([optimizer.param_groups[0]["lr"]])
            optimizer.step()
            optimizer.zero_grad()


def run(folder: Path, module: Any, path: Any = None, batch_size: int = 4, **options: Any) -> list[str]:
    """Train, keep a checkpoint of each batch, and return the tables of what differs."""
    each = ModelCheckpoint(folder, "{step}", save_top_k=-1, every_n_train_steps=1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(folder, module, path, train=loader(16, batch_size), callbacks=[each], **{"max_epochs": 4, **options})
    return [str(w.message) for w in caught if "this run is not the one" in str(w.message)]


@pytest.mark.parametrize("given", [{}, {"total_steps": 8}, {"total_steps": 20}])
@pytest.mark.parametrize("step", [3, 4])
def test_steps_that_a_training_step_leaves_out_are_no_other_run(tmp_path, step, given):
    whole, again = (Accumulates(SGD, {**LINEAR, **given}) for _ in range(2))
    run(tmp_path, whole)
    assert not run(tmp_path / "again", again, tmp_path / f"step={step}.ckpt")
    assert again.used == whole.used[step:]


def test_optimizers_that_step_at_times_of_their_own_are_no_other_run(tmp_path):
    whole, again = Gan(n_critic=2), Gan(n_critic=2)
    run(tmp_path, whole)
    assert not run(tmp_path / "again", again, tmp_path / "step=12.ckpt")
    assert again.used == {name: lrs[-len(again.used[name]) :] for name, lrs in whole.used.items()}


@pytest.mark.parametrize("resume", ["continue", "stretch"])
def test_a_stretched_run_in_other_epochs_goes_on(tmp_path, resume):
    run(tmp_path, Net(SGD, LINEAR))
    stretched, again = Net(SGD, LINEAR, resume="stretch"), Net(SGD, LINEAR, resume=resume)
    options = {"batch_size": 2, "max_epochs": 6}
    assert run(tmp_path / "longer", stretched, tmp_path / "step=8.ckpt", **options)
    assert not run(tmp_path / "again", again, tmp_path / "longer" / "step=16.ckpt", **options)
    assert again.used == stretched.used[8:]


def test_a_given_length_that_is_taken_away_counts_no_more(tmp_path):
    run(tmp_path, Net(SGD, {**LINEAR, "total_steps": 100}))
    again = Net(SGD, LINEAR)
    (table,) = run(tmp_path / "again", again, tmp_path / "step=8.ckpt")
    assert [lrs[0] for lrs in again.used] == pytest.approx([0.1 * (1 - t / 16) for t in range(8, 16)])
    assert "lr at step 8" in table


@pytest.mark.parametrize("moment", ["on_train_batch_end", "on_validation_end", "on_train_epoch_end"])
def test_epochs_of_more_batches_begin_whole(tmp_path, moment):
    class Saves(Callback):
        pass

    def save(fitting: Any, *_: Any) -> None:
        if fitting.global_step == 8:
            fitting.save_checkpoint(tmp_path / "end.ckpt")

    setattr(saves := Saves(), moment, save)
    fit(tmp_path, Net(SGD, LINEAR), train=loader(16), max_epochs=4, callbacks=[saves])
    again = Net(SGD, LINEAR)
    assert len(run(tmp_path / "again", again, tmp_path / "end.ckpt", batch_size=2)) == 1
    assert [lrs[0] for lrs in again.used] == pytest.approx([0.1 * (1 - t / 24) for t in range(8, 24)])


@pytest.mark.parametrize("scheduler", [None, LINEAR])
def test_an_lr_that_is_a_tensor_stays_one(tmp_path, scheduler):
    run(tmp_path, Net({"_target_": "adam", "lr": torch.tensor(0.1)}, scheduler))
    again = Net({"_target_": "adam", "lr": torch.tensor(0.2)}, scheduler, resume="lr_from_config")
    run(tmp_path / "again", again, tmp_path / "step=8.ckpt")
    lr = again.optimizers().param_groups[0]["lr"]
    assert isinstance(lr, torch.Tensor)
    assert again.used[0][0] == pytest.approx(0.2 if scheduler is None else 0.1)


def test_a_finder_that_makes_a_run_begin_anew_is_named(tmp_path):
    class Sized(Net):
        batch_size = 2

    plain = DataLoader(data(16), batch_size=4)  # whose place in an epoch is not saved
    _, first = fit(tmp_path, Net(SGD, LINEAR), train=plain, val=plain)
    first.save_checkpoint(tmp_path / "end.ckpt")
    finder = BatchSizeFinder(max_trials=1, steps_per_trial=1, batch_arg_name="batch_size")
    fitting = trainer(tmp_path, callbacks=[finder], max_epochs=6)
    module = Sized(SGD, LINEAR)
    module.train_dataloader = lambda: DataLoader(data(16), batch_size=module.batch_size)
    module.val_dataloader = lambda: DataLoader(data(8), batch_size=4)
    with pytest.warns(UserWarning, match="only the weights are restored, and the run begins at step 0"):
        fitting.fit(module, ckpt_path=tmp_path / "end.ckpt")


def test_a_cooldown_that_another_schedule_would_leave_out_is_an_error():
    with pytest.raises(
        ConfigError, match=r"resume.cooldown=5: counts with resume.schedule=cooldown only; write resume=cooldown"
    ):
        read_policy({"cooldown": 5})


@pytest.mark.parametrize("resume", ["reset_optimizer", {"optimizer": "config"}])
def test_a_driven_beta_begins_from_the_configured_one(tmp_path, resume):
    drive = {"momentum": {"main": {"shape": "linear"}, "values": [0.95, 0.85]}}
    specs = {"optimizer": {"_target_": "adamw", "lr": 0.1}, "scheduler": {**LINEAR, "drive": drive}}

    class Betas(Net):
        def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
            self.betas = [*getattr(self, "betas", []), self.trainer.optimizers[0].param_groups[0]["betas"][0]]

    run(tmp_path, Net(**specs))
    again = Betas(**specs, resume=resume)
    run(tmp_path / "again", again, tmp_path / "step=8.ckpt")
    assert again.betas == pytest.approx([0.95 - 0.1 * t / 16 for t in range(8, 16)])
