"""The run length that is read from a Trainer is the number of optimizer steps that it takes."""

import pytest
import torch
from lightning.pytorch.callbacks import GradientAccumulationScheduler
from torch.utils.data import IterableDataset

from _support.fork import on_two_ranks
from _support.net import Net, fit, loader, trainer
from lit_optim import ConfigError
from lit_optim.scheduler.run_length import run_length


class Stream(IterableDataset):
    def __init__(self, n=32):
        self.n = n

    def __iter__(self):
        return iter([(torch.zeros(4), torch.zeros(1))] * self.n)


def stream():
    return torch.utils.data.DataLoader(Stream(), batch_size=4)


class Asks(Net):
    """Keeps the run length that is known when optimizers are configured."""

    def configure_optimizers(self):
        self.length = run_length(self.trainer)
        return super().configure_optimizers()


CASES = {
    "epochs": ({"max_epochs": 2}, 16, 8),
    "epochs and fewer steps": ({"max_epochs": 2, "max_steps": 5}, 5, 8),
    "epochs and more steps": ({"max_epochs": 2, "max_steps": 100}, 16, 8),
    "steps only": ({"max_epochs": -1, "max_steps": 11}, 11, 8),
    "no epochs, steps": ({"max_epochs": None, "max_steps": 11}, 11, 8),
    "accumulation with a rest": ({"max_epochs": 2, "accumulate_grad_batches": 3}, 6, 3),
    "accumulation longer than the epoch": ({"max_epochs": 2, "accumulate_grad_batches": 20}, 2, 1),
    "limited batches": ({"max_epochs": 2, "limit_train_batches": 3}, 6, 3),
    "limited share": ({"max_epochs": 2, "limit_train_batches": 0.5}, 8, 4),
    "overfit": ({"max_epochs": 2, "overfit_batches": 3}, 6, 3),
    "fast_dev_run": ({"fast_dev_run": True}, 1, 1),
    "fast_dev_run 3": ({"fast_dev_run": 3}, 3, 3),
    "accumulation schedule of one": ({"max_epochs": 2, "callbacks": [GradientAccumulationScheduler({0: 2})]}, 8, 4),
    "accumulation schedule": ({"max_epochs": 3, "callbacks": [GradientAccumulationScheduler({0: 1, 1: 4})]}, 12, None),
    "accumulation schedule from epoch 2": ({"max_epochs": 4, "callbacks": [GradientAccumulationScheduler({2: 3})]}, 22, None),
    "accumulation schedule, steps": ({"max_epochs": 3, "max_steps": 9, "callbacks": [GradientAccumulationScheduler({1: 4})]}, 9, None),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_counts_what_the_trainer_does(tmp_path, case):
    options, total, per_epoch = CASES[case]
    module, run = fit(tmp_path, Asks(), **options)
    assert (module.length.total_steps, module.length.steps_per_epoch) == (total, per_epoch)
    assert run.global_step == total


@pytest.mark.parametrize(
    ("options", "total"), [({"max_epochs": 2, "max_steps": 5}, 5), ({"max_epochs": 2, "limit_train_batches": 3}, 6)]
)
def test_data_without_a_length(tmp_path, options, total):
    module, run = fit(tmp_path, Asks(), train=stream(), **options)
    assert module.length.total_steps == total == run.global_step


UNKNOWN = {
    "endless": ({"max_epochs": -1, "limit_train_batches": 2}, loader, "because max_epochs=-1"),
    "time only": ({"max_epochs": -1, "max_time": "00:00:00:01"}, loader, "because only max_time ends the run"),
    "no length": ({"max_epochs": 2}, stream, "because the train dataloader has no length"),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_unknown_is_refused_by_name_where_it_is_needed(tmp_path, case):
    options, data, reason = UNKNOWN[case]
    with pytest.raises(ConfigError) as caught:
        fit(tmp_path, Net(scheduler="cosine"), train=data(), **options)
    expected = f"scheduler: total_steps is unknown {reason}; set trainer.max_steps, or scheduler.total_steps"
    assert str(caught.value) == expected
    with pytest.raises(ConfigError, match=reason):
        fit(tmp_path, Net(scheduler="warmup_constant"), train=data(), **options)


def test_the_message_of_the_contract(tmp_path):
    with pytest.raises(ConfigError) as caught:
        fit(tmp_path, Net(scheduler="cosine"), max_epochs=-1)
    expected = (
        "scheduler: total_steps is unknown because max_epochs=-1; set trainer.max_steps, or scheduler.total_steps"
    )
    assert str(caught.value) == expected


def test_what_needs_no_total_runs_endlessly(tmp_path):
    for scheduler in ("none", "constant", "plateau", {"warmup": 5, "main": {"shape": "step", "step_size": 3}}):
        options = {"max_epochs": -1, "max_time": {"seconds": 1}}
        fit(tmp_path, Net(scheduler=scheduler), train=stream(), **options)


def test_scheduler_total_steps_is_the_way_out(tmp_path):
    scheduler = {"main": {"shape": "linear"}, "total_steps": 10}
    module, _ = fit(tmp_path, Net(scheduler=scheduler), train=stream(), max_epochs=2)
    assert [used[0] for used in module.used] == pytest.approx([1e-3 * (1 - t / 10) for t in range(10)] + [0] * 6)


@pytest.mark.parametrize("name", ["max_epochs", "max_steps", "limit_train_batches"])
def test_a_run_of_no_steps_is_refused(tmp_path, name):
    for scheduler in ("cosine", None):
        with pytest.raises(ConfigError, match=rf"trainer.{name}=0: nothing to train"):
            fit(tmp_path, Net(scheduler=scheduler), **{name: 0})


def test_no_data_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no training batch"):
        fit(tmp_path, Net(), train=torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.zeros(0, 4))))


def test_a_warmup_longer_than_the_run(tmp_path):
    with pytest.raises(ConfigError, match=r"scheduler.warmup=25: longer than the run, which has 24 optimizer steps"):
        fit(tmp_path, Net(scheduler={"warmup": 25}))
    with pytest.warns(UserWarning, match="a warmup of 24 optimizer steps fills the whole run of 24"):
        fit(tmp_path, Net(scheduler={"warmup": 24}))


def test_two_devices(tmp_path):
    def work(rank):
        module = Asks(scheduler="linear")
        run = trainer(tmp_path, devices=2, strategy="ddp", max_epochs=2)
        run.fit(module, loader(), loader(8))
        return module.length.total_steps, module.length.steps_per_epoch, run.global_step, module.used

    first, second = on_two_ranks(work)
    assert first == second
    assert first[:3] == (8, 4, 8)
    assert [used[0] for used in first[3]] == pytest.approx([1e-3 * (1 - t / 8) for t in range(8)])
