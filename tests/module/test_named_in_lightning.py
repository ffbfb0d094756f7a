"""Several optimizers beside what else drives them in a fit: scaler, callbacks, finders, two processes."""

import csv

import pytest
import torch
from lightning.pytorch.callbacks import Callback, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.plugins import MixedPrecision
from lightning.pytorch.tuner import Tuner
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict

from _support.fork import on_two_ranks
from _support.net import BATCHES, fit, loader, trainer, weights
from _support.several import NAMES, Gan
from lit_optim.errors import ConfigError

PLATEAU = {"main": {"shape": "plateau", "factor": 0.5, "patience": 0}, "monitor": "val/loss"}


def counters(run):
    return [config.scheduler.last_epoch for config in run.lr_scheduler_configs]


@pytest.mark.filterwarnings("ignore:scheduler.generator. made for")
def test_a_step_that_a_scaler_skips_moves_no_schedule(tmp_path):
    """float16 overflows in the generator's first steps only, as its loss is scaled up there."""

    class Overflows(Gan):
        def losses(self, x):
            for name, loss in super().losses(x):
                yield (
                    name,
                    loss * 1e6 if name == "generator" and self.trainer.fit_loop.epoch_loop.batch_idx < 3 else loss,
                )

    plugin = MixedPrecision(
        "16-mixed",
        "cpu",
        scaler=torch.amp.GradScaler("cpu", init_scale=2.0**40, backoff_factor=1e-9, growth_interval=10**6),
    )
    module, run = fit(tmp_path, Overflows(scheduler="linear"), plugins=[plugin], max_epochs=1)
    moved = [optimizer.state[optimizer.param_groups[0]["params"][0]].get("step") for optimizer in run.optimizers]
    assert counters(run)[0] == int(moved[0]) < BATCHES
    lr = module.used["generator"]
    assert lr[-1] == pytest.approx(lr[0] * (1 - (counters(run)[0] - 1) / BATCHES))


def test_each_plateau_follows_its_metric(tmp_path):
    class Watched(Gan):
        def validation_step(self, batch, batch_idx):
            self.log("val/loss", torch.tensor(1.0))
            self.log("val/falls", -torch.tensor(float(self.current_epoch)))

    names = {"generator": PLATEAU, "discriminator": {**PLATEAU, "monitor": "val/falls"}}
    _, run = fit(tmp_path, Watched(scheduler=names))
    assert [optimizer.param_groups[0]["lr"] for optimizer in run.optimizers] == pytest.approx([2e-2 / 4, 0.05])
    with pytest.raises(ConfigError, match=r"scheduler.discriminator.monitor='val/rises': not among the logged metrics"):
        fit(tmp_path, Watched(scheduler={**names, "discriminator": {**PLATEAU, "monitor": "val/rises"}}))


def test_a_plateau_of_torch_is_left_to_the_training_step(tmp_path):
    class ByHand(Gan):
        def on_validation_epoch_end(self):
            if not self.trainer.sanity_checking:
                self.lr_schedulers()[0].step(1.0)

    plateau = {
        "_target_": "torch.optim.lr_scheduler.ReduceLROnPlateau",
        "patience": 0,
        "factor": 0.5,
        "monitor": "val/loss",
    }
    _, run = fit(tmp_path, ByHand(scheduler={"generator": plateau}))
    assert run.optimizers[0].param_groups[0]["lr"] == pytest.approx(2e-2 / 4)


@pytest.mark.parametrize("calls", [True, False])
def test_a_scheduler_of_torch_that_does_not_say_when_is_left_to_the_training_step(tmp_path, calls):
    class ByHand(Gan):
        def on_train_epoch_end(self):
            if calls:
                self.lr_schedulers()[0].step()

    halves = {"generator": {"_target_": "torch.optim.lr_scheduler.ExponentialLR", "gamma": 0.5}}
    if calls:
        _, run = fit(tmp_path, ByHand(scheduler=halves))
        assert run.optimizers[0].param_groups[0]["lr"] == pytest.approx(2e-2 / 8)
    else:
        with pytest.warns(
            UserWarning,
            match=r"scheduler.generator: ExponentialLR never moved; .*write scheduler.generator.interval=step",
        ):
            fit(tmp_path, ByHand(scheduler=halves))


@pytest.mark.filterwarnings("ignore:.*does not call super")
def test_optimizers_of_the_modules_own_are_left_alone(tmp_path):
    def two():
        return torch.optim.SGD(module.generator.parameters(), 0.1), torch.optim.SGD(module.critic.parameters(), 0.1)

    class Own(Gan):
        def configure_optimizers(self):
            self.halves = torch.optim.lr_scheduler.ExponentialLR(two()[0], 0.5)
            return [self.halves.optimizer, two()[1]], [self.halves]

        def training_step(self, batch, batch_idx):
            optimizer = self.optimizers()[0]
            optimizer.zero_grad()
            self.manual_backward(self.critic(self.generator(batch[0])).mean())
            optimizer.step()
            if batch_idx == 0:
                self.lr_schedulers().step()

    module = Own(optimizer="adam", scheduler="none")
    _, run = fit(tmp_path, module, max_epochs=2)
    assert run.optimizers[0].param_groups[0]["lr"] == 0.1 / 4


def test_the_step_that_only_creates_state_moves_no_schedule(tmp_path):
    class Saves(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            if batch_idx == 0:
                get_optimizer_state_dict(pl_module, trainer.optimizers[0])

    module, run = fit(tmp_path, Gan(scheduler="linear"), callbacks=[Saves()], max_epochs=1, enable_checkpointing=False)
    assert counters(run) == [BATCHES, BATCHES]
    assert module.used["generator"] == pytest.approx([2e-2 * (1 - t / BATCHES) for t in range(BATCHES)])


def test_an_absolute_length_that_does_not_fit_names_its_optimizer(tmp_path):
    with pytest.raises(ConfigError, match=r"^scheduler.discriminator.warmup=500: longer than the run"):
        fit(tmp_path, Gan(scheduler={"discriminator": {"warmup": 500}}))


def test_the_lr_of_several_is_none_and_cannot_be_assigned(tmp_path):
    module = Gan()
    assert module.lr is None
    with pytest.raises(ConfigError, match=r"lr=0.1: there are several .*; write e.g. optimizer.generator.lr=0.1"):
        module.lr = 0.1

    class Early(Gan):
        def save_hyperparameters(self, *args, **kwargs):
            self.lr = 0.1

    early = Early()
    early.optim_spec = {"optimizer": NAMES}
    with pytest.raises(ConfigError, match=r"lr=0.1: there are several"):
        early.configure_optimizers()
    with pytest.raises(Exception, match="learning rate finder only works with single optimizer"):
        Tuner(trainer(tmp_path)).lr_find(module, loader(), loader(8))


def test_without_a_trainer_they_are_built_in_order():
    built = Gan(param_groups="no_decay", scheduler="constant").configure_optimizers()
    assert [type(entry["optimizer"]).__name__ for entry in built] == ["Adam", "SGD"]


@pytest.mark.filterwarnings("ignore:The number of training batches")
def test_the_lrs_of_all_are_logged_and_reported(tmp_path):
    monitor = LearningRateMonitor("step")
    module = Gan(optim_callbacks="schedule_report", param_groups="no_decay", scheduler="linear")
    fit(tmp_path, module, callbacks=[monitor], logger=CSVLogger(tmp_path), max_epochs=1)
    columns = [f"lr/{name}{group}" for name in ("generator", "discriminator") for group in ("", "/no_decay")]
    assert sorted(monitor.lrs) == sorted(columns)
    with (tmp_path / "optim" / "schedule.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [*rows[0]] == ["step", *columns]
    assert len(rows) == 2 * BATCHES
    assert [float(row["lr/generator"]) for row in rows[1::2]] == pytest.approx(module.used["generator"])


@pytest.mark.parametrize("callback", ["lookahead", "ema"])
def test_averages_of_all_are_evaluated_and_saved(tmp_path, callback):
    saves = ModelCheckpoint(tmp_path, "{epoch}", monitor="val/loss", save_top_k=-1)
    module, _ = fit(tmp_path, Gan(optim_callbacks=callback), callbacks=[saves], max_epochs=1)
    saved = torch.load(saves.best_model_path, weights_only=True)
    live = [
        key
        for state in saved["optimizer_states"]
        for entry in state["state"].values()
        for key in entry
        if "live" in key
    ]
    assert len(live) == len([*module.parameters()])
    assert torch.equal(weights(module), torch.cat([w.flatten() for w in saved["state_dict"].values()]))


def test_dropped_callbacks_are_warned_of(tmp_path):
    class Drops(Gan):
        def configure_callbacks(self):
            super().configure_callbacks()
            return []

    with pytest.warns(UserWarning, match="drops what super.. returned: no schedule moves"):
        fit(tmp_path, Drops(), max_epochs=1)


@pytest.mark.slow
def test_two_processes(tmp_path):
    """Both ranks end with the same weights, those of a resumed run too; a rank with other specs stops both."""

    def run(module, **options):
        fitting = trainer(tmp_path, devices=2, strategy="ddp_find_unused_parameters_true", max_epochs=2, **options)
        fitting.fit(module, loader(), loader(8), ckpt_path=options.pop("ckpt_path", None))
        return weights(module), counters(fitting)

    def work(rank):
        whole = run(Gan(scheduler="linear"))
        optimizer = {**NAMES, "generator": {**NAMES["generator"], "lr": 0.5 + rank}}
        try:
            run(Gan(optimizer=optimizer))
        except ConfigError as error:
            return whole, str(error)

    (one, error), (other, _) = on_two_ranks(work)
    assert torch.equal(one[0], other[0])
    assert one[1] == other[1] == [8, 8]
    assert "optimizer.generator.lr=1.5: of rank 1, but rank 0 has 0.5" in error


def test_the_batch_size_scales_the_lr_of_the_optimizer_that_asks_for_it(tmp_path):
    """A batch has four samples."""
    scaled = {
        **NAMES,
        "generator": {"_target_": "sgd", "lr": 0.01, "lr_scaling": {"base_batch_size": 2, "rule": "linear"}},
    }
    module, run = fit(tmp_path, Gan(optimizer=scaled, scheduler="constant"), max_epochs=1)
    assert [optimizer.param_groups[0]["lr"] for optimizer in run.optimizers] == [0.02, 0.05]
    assert module.lr is None
