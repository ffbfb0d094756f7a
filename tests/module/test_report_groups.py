"""What a fit says of its param groups, and the file that it writes: only where there is something to say."""

import csv
import logging

import pytest
from lightning.pytorch.loggers import CSVLogger

from _support.net import Net, fit

HEAD = {"rules": {"head": {"match": {"module": "layer.2"}, "lr": "x10"}}}


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, logger="lightning.pytorch.utilities.rank_zero")
    return lambda: [record.message for record in caplog.records if record.message.startswith("param groups")]


def files(folder):
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("param_groups.csv"))


def test_one_group_says_nothing(tmp_path, lines):
    fit(tmp_path, Net("adamw", "cosine"), max_epochs=1)
    assert lines() == []
    assert list(tmp_path.iterdir()) == []


def test_several_groups_are_one_line_and_no_file(tmp_path, lines):
    fit(tmp_path, Net("adamw", "cosine", HEAD), max_epochs=1)
    assert lines() == ["param groups: default 56 lr 0.001 wd 0.01 AdamW; head 9 lr 0.01 wd 0.01 AdamW; state 544 B"]
    assert list(tmp_path.iterdir()) == []


def test_frozen_parameters_are_said(tmp_path, lines):
    module = Net("sgd")
    module.layer[0].requires_grad_(False)
    fit(tmp_path, module, max_epochs=1)
    assert lines() == ["param groups: default 25 lr 0.01 wd 0 SGD; frozen 2 tensors; state 0 B"]


def test_a_logger_with_a_folder_gets_the_file(tmp_path):
    fit(tmp_path, Net("adamw", "warmup_cosine", HEAD), max_epochs=1, logger=CSVLogger(tmp_path))
    assert files(tmp_path) == ["lightning_logs/version_0/optim/param_groups.csv"]
    with (tmp_path / files(tmp_path)[0]).open(newline="", encoding="utf-8") as file:
        rows = [(row["parameter"], row["group"], row["lr"], row["schedule"]) for row in csv.DictReader(file)]
    assert rows[-1] == ("layer.2.bias", "head", "0.01", "warmup + cosine")
    assert len(rows) == 6


def test_the_schedule_report_gets_the_file_beside_its_own(tmp_path):
    report = {"schedule_report": {"_target_": "lit_optim.callbacks.ScheduleReport", "folder": "mine"}}
    fit(tmp_path, Net("adamw", "cosine", HEAD, report), max_epochs=1)
    assert files(tmp_path) == ["mine/param_groups.csv"]


def test_a_trial_run_writes_nothing(tmp_path):
    fit(tmp_path, Net("adamw", "cosine", HEAD), fast_dev_run=True, logger=CSVLogger(tmp_path))
    assert files(tmp_path) == []
