"""A fit begins with warnings of the mistakes that the doctor finds."""

import warnings

import pytest
from lightning.pytorch.strategies import SingleDeviceStrategy

from _support.net import Net, fit
from lit_optim import ConfigError

TORCH = "torch.optim.lr_scheduler."
MOMENTUM = {"_target_": "torch.optim.SGD", "lr": 0.1, "momentum": 0.9}
CASES = [
    # 8 optimizer steps an epoch, 2 epochs
    ({"_target_": TORCH + "OneCycleLR", "max_lr": 0.1, "total_steps": 16}, MOMENTUM, "scheduler.total_steps=16: OneCycleLR is stepped once an epoch, 2 times in the run, and plans 16 steps; set scheduler.interval=step"),
    ({"_target_": TORCH + "CosineAnnealingLR", "T_max": 16}, MOMENTUM, "scheduler.T_max=16: stepped once an epoch it gets 2 calls, so the lr never gets down to eta_min"),
    ({"_target_": TORCH + "CosineAnnealingLR", "T_max": 2, "eta_min": 0.5}, MOMENTUM, "scheduler.eta_min=0.5"),
    ({"_target_": TORCH + "CyclicLR", "base_lr": 0.1, "max_lr": 0.2, "step_size_up": 4, "interval": "step"}, "sgd", "scheduler.cycle_momentum=True: optimizer.momentum is 0, and CyclicLR turns it on"),
]  # fmt: skip


@pytest.mark.parametrize(("scheduler", "optimizer", "message"), CASES, ids=[case[2][:40] for case in CASES])
def test_it_is_warned_about(tmp_path, scheduler, optimizer, message):
    with warnings.catch_warnings(record=True) as caught:  # Lightning has a word to say about one-cycle as well
        warnings.simplefilter("always")
        fit(tmp_path, Net(optimizer, scheduler=scheduler), max_epochs=2)
    assert [str(w.message) for w in caught if str(w.message).startswith(message)]


def test_right_ones_are_quiet(tmp_path):
    scheduler = {"_target_": TORCH + "OneCycleLR", "max_lr": 0.1, "total_steps": 16, "interval": "step"}
    fit(tmp_path, Net(MOMENTUM, scheduler=scheduler), max_epochs=2)


class Owner(SingleDeviceStrategy):
    def __init__(self):
        super().__init__("cpu")
        self.config = {"scheduler": {"type": "WarmupLR"}}


Owner.__name__ = "DeepSpeedStrategy"


def test_two_owners_of_the_schedule_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="trainer.strategy.config.scheduler: DeepSpeed builds this one"):
        fit(tmp_path, Net(scheduler="cosine"), max_epochs=1, strategy=Owner(), accelerator="auto")
    fit(tmp_path, Net(), max_epochs=1, strategy=Owner(), accelerator="auto")
