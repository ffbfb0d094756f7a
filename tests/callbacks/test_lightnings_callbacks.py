"""Lightning's own callbacks that write lrs, add groups or swap weights, with every scheduler preset."""

import csv
import warnings

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import (
    BaseFinetuning,
    LearningRateMonitor,
    ModelCheckpoint,
    StochasticWeightAveraging,
)
from lightning.pytorch.loggers import CSVLogger

from _support.by_version import NO_WEIGHT_AVERAGING, needs_weight_averaging
from _support.net import Net, fit, weights
from conftest import SCHEDULERS
from lit_optim.config.read.presets import load_preset

if not NO_WEIGHT_AVERAGING:
    from lightning.pytorch.callbacks import WeightAveraging


class Unfreezes(BaseFinetuning):
    """The first layer joins in the second epoch, at a tenth of the lr, as BackboneFinetuning does it."""

    def freeze_before_training(self, module):
        self.freeze(module.layer[0])

    def finetune_function(self, module, epoch, optimizer):
        if epoch == 1:
            lr = optimizer.param_groups[0]["lr"]
            self.unfreeze_and_add_param_group(module.layer[0], optimizer, lr=max(lr, 1e-8) / 10, initial_denom_lr=1)


def spec(name):
    """The preset, following a metric that Net logs."""
    return {**load_preset("scheduler", name), "monitor": "val/loss"} if "plateau" in name else name


@pytest.mark.parametrize("name", SCHEDULERS)
def test_finetuning_and_the_monitor(tmp_path, name):
    logger = CSVLogger(tmp_path)
    module = Net("adamw", scheduler=spec(name))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*was written where the schedule stands at factor.*")
        _, run = fit(tmp_path, module, max_epochs=3, logger=logger, callbacks=[Unfreezes(), LearningRateMonitor("step")], enable_checkpointing=False, log_every_n_steps=1)  # fmt: skip
    scheduler = run.lr_scheduler_configs[0].scheduler
    first, late = run.optimizers[0].param_groups
    assert len(module.used) == 24
    assert [len(lrs) for lrs in module.used] == [1] * 8 + [2] * 16
    factor = scheduler.factor(scheduler.last_epoch) * scheduler.plateau.scale
    for group in (first, late):
        assert group["lr"] == pytest.approx(group["initial_lr"] * factor, rel=1e-12, abs=1e-300)
    with open(f"{logger.log_dir}/metrics.csv") as file:
        keys = {key for key in csv.DictReader(file).fieldnames if key.startswith("lr")}
    assert keys == {"lr", "lr/pg1", "lr/pg2"}, "as Lightning names groups without names"


class StaysUnfrozen(Unfreezes):
    """Lightning's restores the groups of a resumed run, and leaves their parameters frozen."""

    def on_train_start(self, trainer, module):
        if len(trainer.optimizers[0].param_groups) > 1:
            self.make_trainable(module.layer[0])


# before 2.5 Lightning begins the epoch again in which a run is resumed, and finds the layers unfrozen already
@pytest.mark.filterwarnings("ignore:The provided params to be frozen already exist:UserWarning")
@pytest.mark.parametrize("chosen", [None, ["lookahead", "ema", "gradient_noise", "agc"]])
def test_a_run_that_has_unfrozen_layers_is_resumed_to_the_bit(tmp_path, chosen):
    def run(ckpt_path=None):
        torch.manual_seed(0)
        module = Net("adamw", scheduler="warmup_cosine", optim_callbacks=chosen)
        saves = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1)
        return fit(
            tmp_path,
            module,
            ckpt_path,
            max_epochs=3,
            callbacks=[StaysUnfrozen(), *([saves] if ckpt_path is None else [])],
        )[0]

    unbroken = run()
    for step in (5, 10, 16, 21):
        assert torch.equal(weights(run(tmp_path / f"step={step}.ckpt")), weights(unbroken)), step


@needs_weight_averaging
@pytest.mark.parametrize("name", SCHEDULERS)
def test_averages_of_weights(tmp_path, name):
    _, run = fit(tmp_path, Net(scheduler=spec(name)), max_epochs=2, callbacks=[WeightAveraging(avg_fn=lambda a, m, n: 0.9 * a + 0.1 * m)], enable_checkpointing=False)  # fmt: skip
    assert run.lr_scheduler_configs[0].scheduler.last_epoch == 16


@pytest.mark.parametrize("name", SCHEDULERS)
def test_stochastic_weight_averaging_takes_the_schedule_over(tmp_path, name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that it swaps the scheduler
        module, run = fit(tmp_path, Net("momentum", scheduler=spec(name)), max_epochs=4, callbacks=[StochasticWeightAveraging(swa_lrs=0.05, swa_epoch_start=2, annealing_epochs=1)], enable_checkpointing=False)  # fmt: skip
    assert run.current_epoch == 4
    assert run.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.05)
    assert all(torch.isfinite(p).all() for p in module.parameters())
    assert isinstance(run.lightning_module, L.LightningModule)
