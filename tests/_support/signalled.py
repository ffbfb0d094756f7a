"""A small module that sends its own process a signal at a chosen moment, and is the same module in every process."""

from __future__ import annotations

import os
import signal
from typing import Any

import torch

from _support.net import Net

PLATEAU = {"main": {"shape": "plateau", "factor": 0.5, "patience": 0, "threshold": 0.5}, "monitor": "val/loss"}


class SignalledNet(Net):
    at: int | None = None
    moment, rank = "training", 0
    signals: Any = (signal.SIGTERM,)

    def __init__(self, optimizer: Any = "adamw", scheduler: Any = PLATEAU, param_groups: Any = None, optim_callbacks: Any = None):  # fmt: skip
        torch.manual_seed(3)
        super().__init__(optimizer, scheduler, param_groups, optim_callbacks)

    def send(self, moment):
        if (moment, self.trainer.global_step, self.trainer.global_rank) == (self.moment, self.at, self.rank):
            self.at = None
            for number in self.signals:
                os.kill(os.getpid(), number)

    def training_step(self, batch, batch_idx):
        self.send("training")
        return super().training_step(batch, batch_idx)

    def validation_step(self, batch, batch_idx):
        if not self.trainer.sanity_checking:
            self.send("validation")
        super().validation_step(batch, batch_idx)


def signalled(at: int | None = None, moment: str = "training", signals: Any = (signal.SIGTERM,), rank: int = 0, **specs: Any):  # fmt: skip
    """A module that sends its process signals.

    Args:
        at: optimizer steps before the moment; None: no signal is sent.
        moment: in which step, ``training`` or ``validation``.
        signals: what is sent, one after the other.
        rank: the rank that gets them.
    """
    net = SignalledNet(**specs)
    net.at, net.moment, net.signals, net.rank = at, moment, signals, rank
    return net
