"""A plateau follows whatever Lightning lets a module or a callback log, as torch's plateau that is fed by hand."""

import lightning as L
import pytest
import torch
import torchmetrics
from lightning.pytorch.callbacks import ModelCheckpoint

from _support.fork import on_two_ranks
from _support.net import BATCHES, Net, fit, loader, trainer
from lit_optim import ConfigError

VALUES = [1.0, 2.0, 0.5, 0.75, 0.25, 0.5]
PLATEAU = {"main": {"shape": "plateau", "factor": 0.5, "patience": 0, "threshold": 0.0}}


def by_hand(values):
    """The lr of every epoch, by torch's own plateau; None: an epoch without a value."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0, threshold=0.0)
    lrs = []
    for value in values:
        lrs.append(optimizer.param_groups[0]["lr"])
        if value is not None:
            plateau.step(value)
    return lrs


class Quiet(Net):
    """Logs nothing but what a test adds; ``value`` is that of the present epoch."""

    @property
    def value(self):
        return VALUES[self.trainer.current_epoch]

    def training_step(self, batch, batch_idx):
        return self.loss(batch)

    def validation_step(self, batch, batch_idx, dataloader_idx=0):
        pass


class InTrainingStep(Quiet):
    def training_step(self, batch, batch_idx):
        self.log("coord_loss", self.value + (batch_idx - 3.5), on_step=False, on_epoch=True)  # its mean is `value`
        return self.loss(batch)


class OfTheLastStep(Quiet):
    def training_step(self, batch, batch_idx):
        self.log("coord_loss", self.value + (batch_idx - BATCHES + 1))
        return self.loss(batch)


class Forked(Quiet):
    def training_step(self, batch, batch_idx):
        self.log("a", self.value + (batch_idx - 3.5), on_step=True, on_epoch=True)
        self.log("b", self.value + (batch_idx - BATCHES + 1), on_step=True, on_epoch=True)
        return self.loss(batch)


class InOwnEpochEnd(Quiet):
    def on_train_epoch_end(self):
        self.log_dict({"coord_loss": self.value, "another": 7.0})


class InOwnValidationEnd(Quiet):
    def on_validation_epoch_end(self):
        self.log("train_like", self.value)


class OfTwoLoaders(Quiet):
    def validation_step(self, batch, batch_idx, dataloader_idx=0):
        self.log("val/loss", self.value if dataloader_idx == 0 else 3.0)

    def val_dataloader(self):
        return [loader(8), loader(8)]


class OfATorchmetric(Quiet):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.mean = torchmetrics.MeanMetric()

    def training_step(self, batch, batch_idx):
        self.mean.update(self.value + (batch_idx - 3.5))
        self.log("mean", self.mean, on_step=False, on_epoch=True)
        return self.loss(batch)


class NotInEveryEpoch(Quiet):
    def on_train_epoch_end(self):
        if self.trainer.current_epoch % 3 != 2:
            self.log("coord_loss", self.value)


class WrittenByHand(Quiet):
    def on_train_epoch_end(self):
        self.trainer.callback_metrics["by_hand"] = torch.tensor(self.value)


class InEpochEnd(L.Callback):
    def on_train_epoch_end(self, trainer, pl_module):
        pl_module.log("of_callback", pl_module.value)


class InBatchEnd(L.Callback):
    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        pl_module.log("of_callback", pl_module.value + (batch_idx - 3.5), on_step=False, on_epoch=True)


class InValidationEpochEnd(L.Callback):
    def on_validation_epoch_end(self, trainer, pl_module):
        pl_module.log("of_callback", pl_module.value)


PLACES = [
    (InTrainingStep, "coord_loss", None),
    (OfTheLastStep, "coord_loss", None),
    (Forked, "a", None),
    (Forked, "a_epoch", None),
    (Forked, "b_step", None),
    (InOwnEpochEnd, "coord_loss", None),
    (InOwnValidationEnd, "train_like", None),
    (OfTwoLoaders, "val/loss/dataloader_idx_0", None),
    (OfATorchmetric, "mean", None),
    (NotInEveryEpoch, "coord_loss", None),
    (WrittenByHand, "by_hand", None),
    (Quiet, "of_callback", InEpochEnd),
    (Quiet, "of_callback", InBatchEnd),
    (Quiet, "of_callback", InValidationEpochEnd),
]


KEPT = [place for place in PLACES if place[0] not in (WrittenByHand, NotInEveryEpoch)]  # over a resume


def lrs(module):
    return [used[0] for used in module.used[::BATCHES]]


def run_of(tmp_path, place, monitor, callback, *, saves=None, ckpt_path=None, **options):
    module = place("sgd", {**PLATEAU, "monitor": monitor})
    module.lr = 1.0
    callbacks = [*([callback()] if callback else []), *([saves] if saves else [])]
    val = None if place is not OfTwoLoaders else module.val_dataloader()
    return fit(tmp_path, module, ckpt_path, val=val, **{"max_epochs": 6, "callbacks": callbacks, **options})


def values_of(place):
    return [None if place is NotInEveryEpoch and i % 3 == 2 else value for i, value in enumerate(VALUES)]


@pytest.mark.parametrize(("place", "monitor", "callback"), PLACES)
def test_every_value_counts_once_wherever_it_is_logged(tmp_path, place, monitor, callback):
    sanity = 0 if place is InOwnValidationEnd else 1
    module, _ = run_of(tmp_path, place, monitor, callback, num_sanity_val_steps=sanity, enable_checkpointing=False)
    assert lrs(module) == by_hand(values_of(place))
    assert len(set(lrs(module))) > 1


@pytest.mark.parametrize("at_train_epoch_end", [False, True])
@pytest.mark.parametrize(("place", "monitor", "callback"), KEPT)
def test_a_resumed_run_misses_and_repeats_nothing(tmp_path, place, monitor, callback, at_train_epoch_end):
    saves = ModelCheckpoint(tmp_path, "last", save_on_train_epoch_end=at_train_epoch_end)
    run_of(tmp_path, place, monitor, callback, saves=saves, max_epochs=2)
    saved = tmp_path / "last.ckpt"
    resumed, run = run_of(tmp_path, place, monitor, callback, ckpt_path=saved, enable_checkpointing=False, max_epochs=4)
    assert lrs(resumed) == by_hand(VALUES)[2:4]
    assert run.lr_scheduler_configs[0].scheduler.plateau.best == 0.5


@pytest.mark.parametrize(
    "options", [{"check_val_every_n_epoch": 2}, {"limit_val_batches": 0}, {"val_check_interval": 4}]
)
def test_a_metric_of_training_has_the_rhythm_of_epochs(tmp_path, options):
    module, _ = run_of(tmp_path, InOwnEpochEnd, "coord_loss", None, enable_checkpointing=False, **options)
    assert lrs(module) == by_hand(VALUES)


def test_a_validation_of_every_second_epoch_is_waited_for(tmp_path):
    options = dict(check_val_every_n_epoch=2, num_sanity_val_steps=0, enable_checkpointing=False)
    module, _ = run_of(tmp_path, InOwnValidationEnd, "train_like", None, **options)
    assert lrs(module) == by_hand([None, 2.0, None, 0.75, None, 0.5])


def test_what_both_log_is_of_validation(tmp_path):
    class Both(InTrainingStep):
        def validation_step(self, batch, batch_idx):
            self.log("coord_loss", 1.0)

    module, _ = run_of(tmp_path, Both, "coord_loss", None, enable_checkpointing=False)
    assert lrs(module) == by_hand([1.0] * 6)


@pytest.mark.parametrize(("monitor", "epochs"), [("coord_los", 0), ("of_nothing", 0)])
def test_a_name_that_the_source_does_not_log_is_rejected_by_the_sanity_check(tmp_path, monitor, epochs):
    module = InOwnEpochEnd("sgd", {**PLATEAU, "monitor": monitor})
    rule = rf"scheduler.monitor='{monitor}': not among the logged metrics; (did you mean 'coord_loss'|there are)"
    with pytest.raises(ConfigError, match=rule):
        fit(tmp_path, module)
    assert len(module.used) == epochs * BATCHES


def test_a_name_that_a_helper_could_log_is_rejected_after_an_epoch(tmp_path):
    class Hidden(Quiet):
        def on_train_epoch_end(self):
            log = self.log
            log("hidden", self.value)

    with pytest.raises(
        ConfigError, match="scheduler.monitor='hiden': not among the logged metrics; did you mean 'hidden'"
    ):
        fit(tmp_path, module := Hidden("sgd", {**PLATEAU, "monitor": "hiden"}))
    assert len(module.used) == BATCHES
    assert lrs(run_of(tmp_path, Hidden, "hidden", None, enable_checkpointing=False)[0]) == by_hand(VALUES)


def test_a_metric_that_is_never_due_is_reported_in_the_end(tmp_path):
    class Late(Quiet):
        def on_train_epoch_end(self):
            if self.trainer.current_epoch > 10:
                self.log("late", self.value)

    with pytest.warns(
        UserWarning, match="scheduler.monitor='late': was never logged in this run, so the plateau had no"
    ):
        fit(tmp_path, Late("sgd", {**PLATEAU, "monitor": "late"}), max_epochs=2)


def test_a_failed_epoch_leaves_the_hook_of_the_module(tmp_path):
    class Fails(L.Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            raise RuntimeError("stop here")

    class Failing(InOwnEpochEnd):
        def configure_callbacks(self):
            return [*super().configure_callbacks(), Fails()]

    module = Failing("sgd", {**PLATEAU, "monitor": "coord_loss"})
    with pytest.raises(RuntimeError, match="stop here"):
        fit(tmp_path, module)
    assert "on_train_epoch_end" not in vars(module)


def test_swats_switches_on_a_metric_of_its_own_epoch_end(tmp_path):
    watch = {"monitor": "coord_loss", "patience": 0}
    module = InOwnEpochEnd(
        "adam", optim_callbacks={"swats": {"_target_": "lit_optim.callbacks.SWATS", "on_metric": watch}}
    )
    _, run = fit(tmp_path, module, max_epochs=3)
    assert run.optimizers[0].param_groups[0]["switched_at"] == 2 * BATCHES  # the second value is worse


def test_ranks_take_the_value_of_rank_0(tmp_path):
    class Main(Quiet):
        def on_train_epoch_end(self):
            if self.global_rank == 0:
                self.log("coord_loss", self.value, rank_zero_only=True)

    def work(rank):
        module = Main("sgd", {**PLATEAU, "monitor": "coord_loss"})
        module.lr = 1.0
        run = trainer(tmp_path, devices=2, strategy="ddp", max_epochs=6)
        run.fit(module, loader(), loader(8))
        return [used[0] for used in module.used[:: BATCHES // 2]]

    assert on_two_ranks(work) == [by_hand(VALUES)] * 2
