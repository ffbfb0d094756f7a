"""Fits `adamw + warmup_cosine` and prints, as JSON, what of ours is called before the first training step."""

import collections
import json
import logging
import sys
import warnings
from pathlib import Path

import lightning as L
import torch
from torch.utils.data import DataLoader

import lit_optim
from lit_optim.callbacks import (  # noqa: F401  # imports are not counted
    OptimizerCallback,
    PlateauFeeder,
    ScheduleFree,
    SpecCheckpoint,
)

OURS = str(Path(lit_optim.__file__).parent)
calls = collections.Counter()


class Net(lit_optim.ConfigureOptimizersMixin, L.LightningModule):
    def __init__(self, optimizer="adamw", scheduler="warmup_cosine"):
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(4, 1)

    def training_step(self, batch, _):
        return self.layer(batch).square().mean()


class StopCounting(L.Callback):
    def on_train_start(self, *_):
        sys.setprofile(None)


def count(frame, event, _):
    if event == "call" and frame.f_code.co_filename.startswith(OURS):
        calls[frame.f_code.co_filename[len(OURS) + 1 :], frame.f_code.co_name] += 1


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    quiet = dict(logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)
    run = L.Trainer(max_epochs=2, accelerator="cpu", callbacks=[StopCounting()], **quiet)
    net, data = Net(), DataLoader(torch.ones(40, 4), batch_size=4)
    sys.setprofile(count)
    run.fit(net, data)
    by_name = collections.Counter()
    for (_, name), number in calls.items():
        by_name[name] += number
    files = sorted({file for file, _ in calls})
    print(json.dumps({"calls": calls.total(), "files": files, "by_name": by_name}))
