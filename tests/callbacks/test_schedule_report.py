import csv
import logging

import lightning as L
import pytest
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.loggers import CSVLogger

import lit_optim
from _support.net import BATCHES, Net, fit
from lit_optim import ConfigError
from lit_optim.callbacks import ScheduleReport, schedule_report
from lit_optim.plots import report_files


def read(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_the_csv_is_what_every_step_used(tmp_path):
    module, _ = fit(tmp_path, Net(scheduler="warmup_cosine", optim_callbacks="schedule_report"), max_epochs=2)
    rows = read(tmp_path / "optim" / "schedule.csv")
    assert [int(row["step"]) for row in rows] == list(range(2 * BATCHES))
    assert [[float(row["lr"])] for row in rows] == module.used
    assert (tmp_path / "optim" / "schedule.png").read_bytes().startswith(b"\x89PNG")


def test_a_column_a_group_and_steps_under_accumulation(tmp_path):
    callback = ScheduleReport(folder=str(tmp_path / "elsewhere"))
    module = Net(scheduler="linear", param_groups="no_decay")
    module, run = fit(tmp_path, module, callbacks=[callback], accumulate_grad_batches=3, max_epochs=2)
    rows = read(tmp_path / "elsewhere" / "schedule.csv")
    assert set(rows[0]) == {"step", "lr/default", "lr/no_decay"}
    assert len(rows) == run.global_step == 6
    assert [[float(row["lr/default"]), float(row["lr/no_decay"])] for row in rows] == module.used


LINEAR = {"main": {"shape": "linear"}}
DRIVE = {"main": {"shape": "cosine"}, "drive": {"momentum": {**LINEAR, "values": [0.5, 0.9]}, "weight_decay": LINEAR}}


def test_all_driven_values_have_columns_and_are_logged_by_the_names_of_the_monitor(tmp_path):
    monitor, logger = LearningRateMonitor("step"), CSVLogger(tmp_path, name="", version="")
    module = Net("adamw", DRIVE, "no_decay")
    options = {"callbacks": [ScheduleReport(), monitor], "logger": logger, "log_every_n_steps": 1}
    fit(tmp_path, module, max_epochs=1, enable_checkpointing=False, **options)
    names = [f"{key}/{group}" for key in ("lr", "momentum", "weight_decay") for group in ("default", "no_decay")]
    rows = read(tmp_path / "optim" / "schedule.csv")
    assert [*rows[0]] == ["step", *names]
    assert [float(row["momentum/default"]) for row in rows] == pytest.approx([0.5 + 0.05 * i for i in range(BATCHES)])
    assert [float(row["weight_decay/default"]) for row in rows] == pytest.approx([0.01 * (1 - i / 8) for i in range(8)])
    logged = read(tmp_path / "metrics.csv")
    assert {name for name in logged[0] if name.startswith(("lr", "momentum", "weight_decay"))} == {*names}
    for name in names:
        values = [float(row[name]) for row in logged if row[name]]
        assert values == pytest.approx([float(row[name]) for row in rows], rel=1e-6)


def test_one_group_without_a_name_needs_none(tmp_path):
    fit(tmp_path, Net("momentum", DRIVE), max_epochs=1, callbacks=[ScheduleReport()])
    assert [*read(tmp_path / "optim" / "schedule.csv")[0]] == ["step", "lr", "momentum", "weight_decay"]


def test_lbfgs_is_noted_once_a_step(tmp_path):
    fit(tmp_path, Net(optimizer="lbfgs", optim_callbacks="schedule_report"), max_epochs=1)
    assert len(read(tmp_path / "optim" / "schedule.csv")) == BATCHES


def test_written_when_the_fit_fails_and_begun_anew_by_the_next(tmp_path):
    class Fails(L.Callback):
        def on_train_batch_end(self, trainer, *_):
            if trainer.global_step == 3:
                raise KeyboardInterrupt if trainer.current_epoch else RuntimeError("out of luck")

    report = ScheduleReport()
    with pytest.raises(RuntimeError, match="out of luck"):
        fit(tmp_path, Net(), callbacks=[report, Fails()])
    assert len(read(tmp_path / "optim" / "schedule.csv")) == 3
    fit(tmp_path, Net(), callbacks=[report], max_epochs=1)
    assert len(read(tmp_path / "optim" / "schedule.csv")) == BATCHES


def test_fast_dev_run_writes_nothing(tmp_path):
    fit(tmp_path, Net(optim_callbacks="schedule_report"), fast_dev_run=True)
    assert not (tmp_path / "optim").exists()


def test_without_matplotlib_there_is_the_pip_line(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(report_files, "find_spec", lambda name: None)
    monkeypatch.setattr(logging.getLogger("lightning.pytorch"), "propagate", True)
    with caplog.at_level(logging.INFO):
        fit(tmp_path, Net(optim_callbacks="schedule_report"), max_epochs=1)
    assert "pip install 'lit-optim[plot]'" in caplog.text
    assert (tmp_path / "optim" / "schedule.csv").is_file()
    assert not (tmp_path / "optim" / "schedule.png").exists()


def test_the_picture_has_phases_and_a_line_for_groups_that_are_alike(tmp_path):
    plan = lit_optim.build_scheduler("warmup_cosine", lit_optim.build_optimizer("sgd", Net(), lr=1.0), total_steps=20)
    lrs = {"a": [0.1] * 20, "b": [0.2] * 20, "c": [0.1] * 20}
    axes = schedule_report.draw_report(range(20), lrs, plan.phases).axes[0]
    assert [line.get_label() for line in axes.lines] == ["a, c", "b"]
    assert {text.get_text() for text in axes.texts} == {"warmup", "main"}
    assert axes.get_title(loc="left") == "learning rate over 20 optimizer steps"


@pytest.mark.parametrize("folder", ["", "  ", 3, None])
def test_a_folder_that_is_no_path(folder):
    with pytest.raises(ConfigError, match="folder="):
        ScheduleReport(folder=folder)


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="is a file"):
        ScheduleReport(folder=tmp_path / "file")


def test_names_of_the_package_are_the_files():
    assert lit_optim.callbacks.PlateauFeeder.__module__ == "lit_optim.callbacks.plateau_feeder"
    with pytest.raises(AttributeError, match="no attribute 'Lokahead'"):
        _ = lit_optim.callbacks.Lokahead
