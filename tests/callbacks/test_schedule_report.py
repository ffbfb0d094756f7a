import csv
import logging
from types import SimpleNamespace

import lightning as L
import pytest
import torch
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


def test_values_are_logged_as_often_as_the_trainer_logs_and_each_step_has_its_row(tmp_path):
    logger = CSVLogger(tmp_path, name="", version="")
    options = {"callbacks": [ScheduleReport()], "logger": logger, "log_every_n_steps": 3, "max_epochs": 2}
    _, run = fit(tmp_path, Net("momentum", DRIVE), enable_checkpointing=False, **options)
    rows = read(tmp_path / "optim" / "schedule.csv")
    assert [int(row["step"]) for row in rows] == list(range(2 * BATCHES))
    logged = {int(row["step"]): float(row["momentum"]) for row in read(tmp_path / "metrics.csv") if row["momentum"]}
    assert logged == {step: pytest.approx(float(rows[step]["momentum"])) for step in (2, 5, 8, 11, 14)}
    assert float(run.callback_metrics["momentum"]) == pytest.approx(float(rows[-1]["momentum"]))


def test_the_host_does_not_wait_for_an_lr_that_is_a_tensor(tmp_path, monkeypatch):
    lr, read_at = torch.tensor(0.25), []
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    report, steps = ScheduleReport(), Trainer(optimizers=[optimizer])
    monkeypatch.setattr(torch.Tensor, "__float__", lambda self: read_at.append(steps.global_step) or self.item())
    for step in range(7):
        steps.global_step = step
        report.on_before_optimizer_step(steps, None, optimizer)
        report.on_train_batch_end(steps, None, None, None, step)
        lr.mul_(2)
        steps.fit_loop.epoch_loop._batches_that_stepped += 1
    assert read_at == [3, 3, 3, 3]
    monkeypatch.setattr(schedule_report, "write_report", lambda *args: written.extend(args[3]))
    written = []
    report.on_fit_end(steps, None)
    assert written == [["step", "lr"], *([step, 0.25 * 2**step] for step in range(7))]


class Trainer:
    """As much of a Trainer as the report reads at each step; every fourth one is logged."""

    def __init__(self, **values):
        self.lr_scheduler_configs, self.loggers, self.callback_metrics = [], [], {}
        self.global_step, self.log_every_n_steps, self.should_stop = 0, 4, False
        progress = SimpleNamespace(is_last_batch=False)
        self.fit_loop = SimpleNamespace(epoch_loop=SimpleNamespace(_batches_that_stepped=0, batch_progress=progress))
        vars(self).update(values)


def test_a_group_that_is_renamed_left_out_or_put_in_place_of_another_is_seen_at_once(tmp_path, monkeypatch):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5, momentum=0.5)
    plan = lit_optim.build_scheduler({"drive": {"momentum": {"main": {"shape": "constant"}}}}, optimizer, total_steps=9)
    steps, report, written = Trainer(optimizers=[optimizer]), ScheduleReport(), []
    steps.lr_scheduler_configs = [SimpleNamespace(scheduler=plan)]
    changes = {
        1: lambda: optimizer.param_groups[0].update(name="body"),
        2: lambda: optimizer.param_groups[0].update(scheduled=False),
        3: lambda: optimizer.load_state_dict(optimizer.state_dict()),
    }
    for step in range(5):
        steps.global_step = step
        changes.get(step, dict)()
        optimizer.param_groups[0]["lr"] = float(step)
        report.on_before_optimizer_step(steps, None, optimizer)
    monkeypatch.setattr(schedule_report, "write_report", lambda *args: written.extend(args[3]))
    report.on_fit_end(steps, None)
    assert written == [
        ["step", "lr/pg1", "momentum/pg1", "lr/body", "momentum/body"],
        [0, 0.0, 0.5, "", ""],
        [1, "", "", 1.0, 0.5],
        [2, "", "", 2.0, ""],
        [3, "", "", 3.0, ""],
        [4, "", "", 4.0, ""],
    ]


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
