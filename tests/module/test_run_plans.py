"""What changes the length of a run after its schedule was built, and short trials of a longer run."""

from __future__ import annotations

import warnings
from datetime import timedelta
from typing import Any

import lightning as L
import pytest
from lightning.pytorch.callbacks import BatchSizeFinder, GradientAccumulationScheduler, Timer
from torch.utils.data import DataLoader

from _support.net import Net, data, fit, loader
from lit_optim import ConfigError, ConfigureOptimizersMixin

LINEAR = {"main": {"shape": "linear"}}


def net(scheduler: Any = None, **specs: Any) -> Net:
    return Net({"_target_": "sgd", "lr": 0.1}, scheduler=scheduler or LINEAR, **specs)


def lrs(module: Net) -> list[float]:
    return [used[0] for used in module.used]


class Growing(L.LightningDataModule):
    """Two batches more in each epoch."""

    def train_dataloader(self) -> Any:
        return loader(4 * (2 + 2 * self.trainer.current_epoch))

    def val_dataloader(self) -> Any:
        return loader(8)


def test_data_that_grows_is_planned_anew_at_each_epoch(tmp_path):
    module = net()
    run = L.Trainer(
        max_epochs=3, reload_dataloaders_every_n_epochs=1, logger=False, enable_checkpointing=False, accelerator="cpu",
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path, use_distributed_sampler=False,
    )  # fmt: skip
    with pytest.warns(UserWarning, match=r"the run has now \d+ optimizer steps in place of \d+") as caught:
        run.fit(module, datamodule=Growing())
    first = [0.1 * (1 - t / 6) for t in (0, 1)]  # planned for 3 epochs of 2
    second = [0.1 * (1 - t / 10) for t in (2, 3, 4, 5)]  # 2 done, and 2 epochs of 4
    third = [0.1 * (1 - t / 12) for t in range(6, 12)]
    assert lrs(module) == pytest.approx(first + second + third)
    assert sum("optimizer steps in place of" in str(each.message) for each in caught) == 2


def test_a_batch_size_that_is_found_is_counted(tmp_path):
    class Sized(Net):
        batch_size = 2

        def train_dataloader(self) -> Any:
            return DataLoader(data(16), batch_size=self.batch_size)

        def val_dataloader(self) -> Any:
            return DataLoader(data(8), batch_size=4)

    module = Sized({"_target_": "sgd", "lr": 0.1}, scheduler=LINEAR)
    finder = BatchSizeFinder(max_trials=1, steps_per_trial=1)  # doubles it once
    run = L.Trainer(
        max_epochs=2, callbacks=[finder], logger=False, enable_checkpointing=False, accelerator="cpu",
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run.fit(module)
    steps = run.global_step
    assert lrs(module)[-steps:] == pytest.approx([0.1 * (1 - t / steps) for t in range(steps)])
    assert steps == 2 * (16 // module.batch_size)


def test_an_accumulation_that_changes_is_counted(tmp_path):
    module = net()
    fit(tmp_path, module, train=loader(16), max_epochs=3, callbacks=[GradientAccumulationScheduler({1: 2})],
        enable_checkpointing=False)  # fmt: skip
    assert lrs(module) == pytest.approx([0.1 * (1 - t / 8) for t in range(8)])


def test_a_time_limit_that_cuts_the_schedule_off_is_said(tmp_path):
    class Ends(Timer):
        def time_elapsed(self, stage: Any = "train") -> float:
            return 9_999.0 if self.steps >= 5 else 0.0

        def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
            self.steps = trainer.global_step
            super().on_train_batch_end(trainer, *args)

    timer = Ends(duration=timedelta(hours=1), verbose=False)
    timer.steps = 0
    module = net()
    text = r"scheduler: the run has ended after 5 of the 12 optimizer steps of its schedule, at lr 0.0583"
    with pytest.warns(UserWarning, match=text):
        fit(tmp_path, module, train=loader(16), max_epochs=3, callbacks=[timer], enable_checkpointing=False)
    assert len(lrs(module)) == 5


TRIALS: dict[str, tuple[dict[str, Any], int]] = {
    "fast_dev_run": ({"fast_dev_run": 4}, 4),
    "limit_train_batches": ({"limit_train_batches": 2, "max_epochs": 2}, 4),
    "a share of the batches": ({"limit_train_batches": 0.5, "max_epochs": 2}, 4),
    "overfit_batches": ({"overfit_batches": 1, "max_epochs": 4}, 4),
}


@pytest.mark.filterwarnings("ignore:You requested to overfit", "ignore:The .* does not have many workers")
@pytest.mark.parametrize("trial", TRIALS)
def test_a_trial_of_a_longer_run_shortens_its_lengths(tmp_path, trial):
    options, steps = TRIALS[trial]
    module = net({"warmup": 500, "main": {"shape": "constant"}})
    text = f"scheduler: its lengths need 500 optimizer steps, and this run has {steps} .trainer.{next(iter(options))}="
    with pytest.warns(UserWarning, match=text):
        fit(tmp_path, module, train=loader(16), **options)
    begun = [501 * t / steps for t in range(steps)]
    assert lrs(module) == pytest.approx([0.1 * min((t + 1) / 500, 1) for t in begun])


def test_a_run_that_is_too_short_is_rejected_where_it_is_no_trial(tmp_path):
    with pytest.raises(ConfigError, match=r"scheduler.warmup=500: longer than the run, which has 4 optimizer steps"):
        fit(tmp_path, net({"warmup": 500, "main": {"shape": "constant"}}), train=loader(16), max_epochs=1)


def test_an_overridden_hook_that_stops_the_schedule_is_named():
    with pytest.warns(
        UserWarning, match=r"Stuck.lr_scheduler_step does not call super.*, so the schedule does not move"
    ):

        class Stuck(ConfigureOptimizersMixin, L.LightningModule):
            def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
                pass

    with warnings.catch_warnings():
        warnings.simplefilter("error")

        class Moved(ConfigureOptimizersMixin, L.LightningModule):
            def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
                scheduler.step()
