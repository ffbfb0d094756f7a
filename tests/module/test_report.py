"""``report: true`` beside the specs: a schedule report whatever ``optim_callbacks`` says, and one only."""

import lightning as L
import pytest
import torch

from _support.net import Net, loader, trainer
from lit_optim import ConfigError, ConfigureOptimizersMixin
from lit_optim.callbacks import ScheduleReport


class Reported(Net):
    def __init__(self, report=None, optimizer="adamw", optim_callbacks=None):
        super().__init__(optimizer, optim_callbacks=optim_callbacks)
        self.save_hyperparameters()


class BySpec(ConfigureOptimizersMixin, L.LightningModule):
    def __init__(self, **optim_spec):
        super().__init__()
        self.layer, self.optim_spec = torch.nn.Linear(4, 1), {"optimizer": "sgd", **optim_spec}

    def training_step(self, batch, batch_idx):
        return self.layer(batch[0]).square().mean()


def reports(tmp_path, module, **options):
    run = trainer(tmp_path, max_epochs=1, enable_checkpointing=False, **options)
    for epochs in (1, 2):  # a second fit of one Trainer adds none
        run.fit_loop.max_epochs = epochs
        run.fit(module, loader(8), loader(8) if isinstance(module, Net) else None)
    return [callback for callback in run.callbacks if isinstance(callback, ScheduleReport)]


@pytest.mark.parametrize(
    ("module", "count"),
    [
        (lambda: Reported(True, optim_callbacks={"swats": {"at": "50%"}}), 1),
        (lambda: Reported(True, optim_callbacks="schedule_report"), 1),
        (lambda: Reported(True), 1),
        (lambda: Reported(False), 0),
        (Reported, 0),
        (lambda: BySpec(report=True), 1),
        (BySpec, 0),
    ],
)
def test_the_report_is_beside_other_callbacks_and_there_once(tmp_path, module, count):
    assert len(reports(tmp_path, module())) == count
    assert (tmp_path / "optim" / "schedule.csv").is_file() == bool(count)


def test_one_of_the_trainer_is_enough(tmp_path):
    (report,) = reports(tmp_path, Reported(True), callbacks=[ScheduleReport("mine")])
    assert str(report.folder) == "mine"


def test_any_other_value_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="report='maybe': must be true or false"):
        reports(tmp_path, Reported("maybe"))
    with pytest.raises(ConfigError, match="report=1: must be true or false"):
        reports(tmp_path, Reported(1))
    with pytest.raises(ConfigError, match=r"optim_spec\['raport'\]: no such spec; did you mean 'report'"):
        reports(tmp_path, BySpec(raport=True))
