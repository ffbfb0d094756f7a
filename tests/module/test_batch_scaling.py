"""`lr_scaling` under a Trainer: the batch size is read, the lr scaled once, kept on resume, and printed."""

import logging

import pytest
import torch
from lightning.pytorch.callbacks import (
    BatchSizeFinder,
    GradientAccumulationScheduler,
    LearningRateFinder,
    ModelCheckpoint,
)  # fmt: skip
from lightning.pytorch.utilities import CombinedLoader
from torch.utils.data import BatchSampler, DataLoader, IterableDataset, RandomSampler

from _support.fork import on_two_ranks
from _support.net import BATCHES, Net, data, fit, loader, trainer, weights
from lit_optim import ConfigError

SGD = {"_target_": "sgd", "lr": 0.1, "lr_scaling": {"base_batch_size": 2}}  # the loader's batches are of 4


def scaled(**changes):
    return {**SGD, "lr_scaling": {**SGD["lr_scaling"], **changes}}


@pytest.mark.parametrize(("accumulate", "lr"), [(1, 0.2), (4, 0.8)])
def test_devices_accumulation_and_the_loaders_batch_size_are_counted(tmp_path, caplog, accumulate, lr):
    with caplog.at_level(logging.INFO):
        module, run = fit(tmp_path, Net(SGD, "constant"), max_epochs=1, accumulate_grad_batches=accumulate)
    assert {tuple(used) for used in module.used} == {(lr,)}
    assert run.optimizers[0].defaults["lr"] == lr == module.lr
    batch = {1: "batch 4, base 2", 4: "batch 16 = 4 accumulated x 4, base 2"}[accumulate]
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("lr 0.1")]
    assert lines == [f"lr 0.1 x {lr / 0.1:g} (linear: {batch}) = {lr:g}"]


def test_schedule_and_groups_scale_along(tmp_path):
    plain, expected = (
        Net({"_target_": "sgd", "lr": 0.2}, "warmup_cosine", "no_decay"),
        Net(SGD, "warmup_cosine", "no_decay"),
    )
    fit(tmp_path, plain)
    fit(tmp_path, expected)
    assert plain.used == expected.used


@pytest.mark.slow
def test_two_ranks(tmp_path):
    def rank(_):
        module, _ = fit(tmp_path, Net(SGD), max_epochs=1, devices=2, strategy="ddp")
        return module.used[0], str(module._run_state.scaled_lr)

    text = "lr 0.1 x 4 (linear: batch 8 = 2 devices x 4, base 2) = 0.4"
    assert on_two_ranks(rank) == [([0.4], text)] * 2


class Stream(IterableDataset):
    def __iter__(self):
        return iter(data())


def batched(size):
    return DataLoader(data(), batch_sampler=BatchSampler(RandomSampler(data()), size, drop_last=False))


LOADERS = {
    "a batch sampler": (batched(8), 0.4),
    "without a length": (DataLoader(Stream(), batch_size=8), 0.4),
    "the only one of a mapping": ({"a": loader()}, 0.2),
    "combined": (CombinedLoader({"a": loader(), "b": loader(batch_size=2)}, "max_size"), "several train dataloaders"),
    "several": ([loader(), loader()], "several train dataloaders give a batch each at every step"),
    "no batching": (DataLoader([data()[i : i + 4] for i in (0, 4)], batch_size=None), "does not say its batch size"),
}  # fmt: skip


@pytest.mark.parametrize("name", LOADERS)
def test_the_batch_size_is_read_or_asked_for(tmp_path, name):
    class Any(Net):
        def training_step(self, batch, batch_idx):
            batch = batch["a"] if isinstance(batch, dict) else batch
            return self.loss(batch[0] if isinstance(batch[0], list) else batch)

    train, expected = LOADERS[name]
    if isinstance(expected, float):
        module, _ = fit(tmp_path, Any(SGD), train=train, max_epochs=1, max_steps=2)
        assert module.used[0] == [expected]
        return
    with pytest.raises(ConfigError) as error:
        fit(tmp_path, Any(SGD), train=train, max_epochs=1)
    assert expected in str(error.value)
    assert "give the samples of an optimizer step, optimizer.lr_scaling.batch_size=1024" in str(error.value)
    module, _ = fit(tmp_path, Any(scaled(batch_size=6)), train=train, max_epochs=1, max_steps=1)
    assert module.used[0] == [0.1 * 3]


def test_accumulation_that_changes_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match=r"batch_size: unknown, because accumulation changes during the run; give"):
        fit(tmp_path, Net(SGD), callbacks=[GradientAccumulationScheduler({1: 2})])


def test_without_a_trainer_it_is_an_error():
    with pytest.raises(ConfigError, match=r"optimizer.lr_scaling.batch_size: missing; without a Trainer"):
        Net(SGD).configure_optimizers()
    assert Net(scaled(batch_size=2)).configure_optimizers()["optimizer"].defaults["lr"] == 0.1


def save(tmp_path):
    saves = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=12, save_top_k=-1)
    return fit(tmp_path, Net(SGD, "warmup_cosine"), callbacks=[saves])[0]


def test_a_resumed_run_keeps_its_lr(tmp_path):
    torch.manual_seed(0)
    whole = save(tmp_path)
    resumed, _ = fit(tmp_path, Net(SGD, "warmup_cosine"), tmp_path / "step=12.ckpt")
    assert torch.equal(weights(resumed), weights(whole))


def test_a_resumed_run_with_another_batch_size_keeps_its_lr_and_says_so(tmp_path):
    whole = save(tmp_path)
    message = r"checkpoint was written with batch 4, this run has batch 8 = 2 accumulated x 4: it keeps its lr"
    with pytest.warns(UserWarning, match=message):
        resumed, run = fit(
            tmp_path, Net(SGD, "constant"), tmp_path / "step=12.ckpt", accumulate_grad_batches=2, max_epochs=5
        )
    assert resumed.used[-1] == [0.2]
    assert run.optimizers[0].defaults["lr"] == 0.2 == resumed.lr
    assert whole.lr == 0.2


def test_another_rule_has_no_effect_on_a_resumed_run(tmp_path):
    save(tmp_path)
    with pytest.warns(UserWarning, match=r"\noptimizer.lr_scaling +{.* +- +{"):
        resumed, _ = fit(tmp_path, Net({"_target_": "sgd", "lr": 0.1}, "constant"), tmp_path / "step=12.ckpt")
    assert resumed.used[-1] == [0.2]


def test_an_assigned_lr_is_absolute_and_stays_so_in_checkpoints(tmp_path):
    module = Net(SGD)
    module.lr = 0.3
    module, run = fit(tmp_path, module, max_epochs=1)
    assert module.used[0] == [0.3]
    run.save_checkpoint(tmp_path / "assigned.ckpt")
    again = Net.load_from_checkpoint(tmp_path / "assigned.ckpt")
    again, _ = fit(tmp_path, again, max_epochs=1)
    assert again.used[0] == [0.3]


def test_an_lr_assigned_within_a_fit_scales_the_groups_in_force(tmp_path):
    class Halves(Net):
        def on_train_epoch_end(self):
            self.lr = self.lr / 2

    module, _ = fit(tmp_path, Halves(SGD), max_epochs=3)
    assert [module.used[epoch * BATCHES][0] for epoch in range(3)] == [0.2, 0.1, 0.05]


def test_the_lr_that_a_finder_finds_is_not_scaled_again(tmp_path):
    finder = LearningRateFinder(num_training_steps=30)
    torch.manual_seed(0)
    module, run = fit(tmp_path, Net({**SGD, "_target_": "adamw"}), callbacks=[finder], max_epochs=6)
    found = finder.optimal_lr.suggestion()
    assert found is not None
    assert module.used[-1] == [found] == [module.lr]
    run.save_checkpoint(tmp_path / "found.ckpt")
    again, _ = fit(tmp_path, Net.load_from_checkpoint(tmp_path / "found.ckpt"), max_epochs=1)
    assert again.used[0] == [found]


def test_a_batch_size_finder_scales_the_lr_again(tmp_path):
    class Sized(Net):
        batch_size = 8

        def train_dataloader(self):
            return DataLoader(data(), batch_size=self.batch_size)

    module = Sized(SGD, "constant")
    run = trainer(
        tmp_path, max_epochs=1, limit_val_batches=0, callbacks=[BatchSizeFinder(max_trials=1, steps_per_trial=1)]
    )
    run.fit(module, val_dataloaders=loader(8))
    assert module.batch_size in (2, 4)  # by the version of Lightning
    assert module.used[-1] == [pytest.approx(0.1 * module.batch_size / 2)]
    assert module.lr == module.used[-1][0]
