"""``lit-optim preview``: its words, its pages and its files are right, and torch stays out."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lit_optim.cli import preview as verb
from lit_optim.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
NO_FILES = ["--out", "none"]
APP = ROOT / "examples" / "train.py"


WRONG = [
    (["scheduler=wsdd"], "scheduler='wsdd': no preset of that name; did you mean 'wsd'?"),
    (["optimizer=adamx"], "optimizer='adamx': no preset of that name; did you mean 'adamax'?"),
    (["scheduler=cosine", "optimizer.lrr=1"], "AdamW has no argument 'lrr'; did you mean 'lr'?"),
    (["optimizer=null"], "optimizer=None: not a spec"),
    (["optimizer.lr=-1"], "optimizer.lr=-1"),
    (["optimizer.lr=abc"], "optimizer.lr='abc'"),
    (["scheduler=cosine", "scheduler.warmpu=5"], "scheduler.warmpu=5: ScheduleLR has no argument 'warmpu'; did you mean 'warmup'?"),
    (["scheduler=cosine", "scheduler.main.shape=cosin"], "did you mean 'cosine'?"),
    (["scheduler=cosine", "scheduler.warmup=1.5"], "scheduler.warmup=1.5: neither a share below 1"),
    (["scheduler=cosine", "scheduler.warmup=200"], "longer than the run, which has 100 optimizer steps"),
    (["scheduler=cosine", "scheduler.warmup=2ep"], "the length of an epoch is unknown"),
    (["scheduler=cosine", "scheduler.interval=steps"], "did you mean 'step'?"),
    (["scheduler._target_=torch.optim.lr_scheduler.StepLR"], "only schedules of lit_optim.ScheduleLR"),
    (["scheduler=cosine", "scheduler.groups={head: constant}"], "scheduler.groups.head: no group of that name"),
    (["scheduler=cosine", "scheduler.drive={momentun: {main: {shape: cosine}}}", "optimizer=momentum"], "did you mean 'momentum'?"),
    (["param_groups.rules=[{name: head, match: {type: bias}, lr: 0.1}]", "optimizer=lbfgs"], "LBFGS takes one group only"),
    (["param_groups.rule=1"], "param_groups.rule=1: no such key; did you mean 'rules'?"),
    (["total_step=10"], "total_step=10: no such key; did you mean 'total_steps'?"),
    (["trainer=gpu"], "no such key; there are: optimizer, scheduler, param_groups, optim_callbacks, resume, recipe, total_steps, steps_per_epoch"),
    (["steps_per_epoch=0"], "steps_per_epoch=0: must be a whole number of at least 1"),
    (["cosine"], "'cosine': not an override"),
    (["scheduler=wsd,wsd"], "each value must be there, and once"),
    (["scheduler.main={shape: [}"], "not a value"),
    (["scheduler.main=1", "scheduler.main.shape=cosine"], "given a value besides"),
    (["--out", "picture.gif"], "must end in .png or .svg"),
    (["--out", "no/such/a.png"], "--out='no/such/a.png': there is no such folder; make it first"),
    (["--csv", "no/such/a.csv"], "--csv='no/such/a.csv': there is no such folder; make it first"),
    (["--every", "0"], "must be at least 1"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "message"), WRONG)
def test_errors_exit_2(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["preview", "total_steps=100", *words]) == 2
    out, err = capsys.readouterr()
    assert (out, list(tmp_path.iterdir())) == ("", [])
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize("scheduler", ["cosine", "plateau", "constant", "noam"])
def test_an_unknown_length_is_an_error(scheduler, capsys):
    assert main(["preview", f"scheduler={scheduler}", *NO_FILES]) == 2
    assert "total_steps is unknown; write total_steps=10000" in capsys.readouterr().err


def test_a_schedule_with_lengths_of_its_own_needs_no_total(capsys):
    words = ["scheduler=linear", "scheduler.main.steps=30", "scheduler.warmup=10"]
    assert main(["preview", *words, *NO_FILES]) == 0
    assert "40 optimizer steps: warmup 0..9, main 10..39" in capsys.readouterr().out


def test_the_page(capsys):
    words = ["optimizer=sgd", "optimizer.lr=1.0", "scheduler=linear", "total_steps=8"]
    assert main(["preview", *words, *NO_FILES]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "curve       over the run  min    max  first  last",
        "lr/default  ██▇▆▅▄▃▂      0.125  1    1      0.125",
        "8 optimizer steps: main 0..7",
        "",
    ]


def test_words_may_stand_behind_options(capsys):
    assert main(["preview", "--log", "scheduler=linear", *NO_FILES, "total_steps=8"]) == 0
    assert "8 optimizer steps" in capsys.readouterr().out


def test_blocks_become_ascii_where_the_output_takes_no_others(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
    words = ["optimizer=sgd", "optimizer.lr=1.0", "scheduler=linear", "total_steps=8", *NO_FILES]
    done = subprocess.run([sys.executable, "-m", "lit_optim", "preview", *words], env=environment, capture_output=True, text=True, check=True)  # fmt: skip
    assert "lr/default  ##%*+=-." in done.stdout


def test_a_plateau_says_what_it_is_drawn_at(capsys):
    assert main(["preview", "scheduler=warmup_plateau", "total_steps=100", *NO_FILES]) == 0
    assert (
        "note: a plateau follows its metric, which is not known here: it is drawn at scale 1" in capsys.readouterr().out
    )
    assert main(["preview", "optimizer=rprop", "scheduler=cosine", "total_steps=100", *NO_FILES]) == 0
    assert "note: Rprop reads its lr once: a schedule has no effect on it" in capsys.readouterr().out


def test_json(capsys, tmp_path):
    file = tmp_path / "c.csv"
    words = ["optimizer.lr=1.0", "scheduler=linear", "total_steps=4", "steps_per_epoch=2"]
    assert main(["preview", *words, *NO_FILES, "--csv", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "configs": [
            {
                "label": "",
                "total_steps": 4,
                "steps_per_epoch": 2,
                "phases": [{"name": "main", "start": 0, "stop": 4}],
                "curves": [
                    {"key": "lr", "group": "default", "min": 0.25, "max": 1.0, "first": 1.0, "last": 0.25, "steps": [0, 1, 2, 3], "values": [1.0, 0.75, 0.5, 0.25]}
                ],
            }
        ],
        "files": {"csv": str(file)},
        "notes": [],
    }  # fmt: skip


def test_a_picture_is_drawn_when_asked_for(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(["preview", "scheduler=cosine", "total_steps=100"]) == 0
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(verb, "find_spec", lambda name: None)
    assert main(["preview", "scheduler=cosine", "total_steps=100", "--out", "a.png"]) == 2
    assert "pip install 'lit-optim[plot]'" in capsys.readouterr().err


NO_TORCH = [
    (["scheduler=wsd", "param_groups=no_decay", "optimizer.lr=0.1", "total_steps=1000", *NO_FILES], ""),
    (["optimizer=sgd", "scheduler=one_cycle,plateau,lambda", "scheduler.drive={momentum: {main: {shape: cosine}}}", "total_steps=1000", "--json", "--out", "a.png"], "matplotlib"),
    (["scheduler=warmup_cosine", "total_steps=1000000", "steps_per_epoch=500", "--out", "a.png"], "matplotlib"),
]  # fmt: skip


CALLS = """
import contextlib, io, sys
from lit_optim.cli.main import main

calls = 0
def count(frame, event, _):
    global calls
    calls += event == "call" and frame.f_globals.get("__name__", "").startswith("lit_optim.")

sys.setprofile(count)
with contextlib.redirect_stdout(io.StringIO()):
    assert main(["preview", *sys.argv[1:]]) == 0
sys.setprofile(None)
print(calls, *[name for name in ("torch", "lightning", "hydra", "matplotlib") if name in sys.modules])
"""


@pytest.mark.parametrize(("words", "also"), NO_TORCH)
def test_no_torch_and_no_call_a_step(words, also, tmp_path):
    """Two seconds at most; our calls are counted, because times depend on the machine."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", CALLS, *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=tmp_path)
    calls, *imported = done.stdout.split()
    assert imported == ([also] if also else [])
    assert int(calls) < 500_000, "half a call a step of the longest run"


def test_a_second_ramp_behind_the_warmup_is_noted(capsys):
    assert main(["preview", "scheduler=noam", "scheduler.warmup_steps=100", "total_steps=1000", "--out", "none"]) == 0
    assert (
        "note: after the warmup it begins at 0.02 again; is a preset with warmup_ in front meant?"
        in capsys.readouterr().out
    )
    assert (
        main(["preview", "scheduler=warmup_noam", "scheduler.warmup_steps=100", "total_steps=1000", "--out", "none"])
        == 0
    )
    assert "begins at" not in capsys.readouterr().out


def test_callbacks_are_taken_and_a_switch_is_noted(capsys):
    words = ["preview", "scheduler=cosine", "total_steps=100", "--out", "none"]
    assert main(words) == 0
    without = capsys.readouterr().out
    assert main([*words, "optim_callbacks=[swats,lookahead]", "optim_callbacks.swats.at=50%"]) == 0
    note = "note: SWATS: at its switch, which is not known before, all lrs are multiplied by one factor"
    assert capsys.readouterr().out.replace(note, "").split() == without.split()


OF_APPS = [
    ([str(APP), "scheduler=wsd", "trainer.max_epochs=3", "steps_per_epoch=10"], "30 optimizer steps: main 0..29"),
    ([str(APP), "+trainer.max_steps=40"], "40 optimizer steps: warmup 0..1, main 2..39"),
    (["--config-dir", str(APP.parent / "conf"), "total_steps=20", "~scheduler.warmup"], "20 optimizer steps: main 0..19"),
    ([str(APP), "scheduler=cosine,linear", "total_steps=20"], "scheduler=linear"),
    (["scheduler=warmup_cosine", "~scheduler.warmup", "total_steps=20"], "20 optimizer steps: main 0..19"),
    (["scheduler=cosine", "trainer.max_epochs=2", "steps_per_epoch=5"], "10 optimizer steps"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "line"), OF_APPS)
def test_the_users_own_app(words, line, capsys):
    assert main(["preview", *words]) == 0
    assert line in capsys.readouterr().out


WRONG_APPS = [
    ([str(APP)], "total_steps is unknown; trainer.max_epochs=10 needs steps_per_epoch=500"),
    ([str(APP), "scheduler.main.min_lr=1e-5", "total_steps=9"], "scheduler.main.min_lr=1e-5: no such key; to add it write +scheduler.main.min_lr"),
    ([str(APP), "scheduler=wsdd"], "scheduler=wsdd: the group has no such name; did you mean 'wsd'?"),
    ([str(APP), "--config-dir", "conf"], "--config-dir names an app too; keep one of them"),
    (["nowhere.py"], "nowhere.py: cannot be read"),
    ([__file__], "no @hydra.main(config_path=..., config_name=...) with plain texts in it; give --config-dir"),
    (["--config-name", "train"], "--config-name train: give --config-dir too"),
    (["scheduler=cosine", "total_steps=1e12", "--csv", os.devnull], "more than 10000000 rows; give --every"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "message"), WRONG_APPS)
def test_wrong_apps(words, message, capsys):
    assert main(["preview", *words]) == 2
    assert message in capsys.readouterr().err


TO_ADD = [
    (["scheduler=cosine", "scheduler.main.min_lr=1e-5"], ["scheduler.main.min_lr=1e-5"]),
    (["scheduler=cosine", "+scheduler.main.min_lr=1e-5"], []),
    (["scheduler=cosine,rex", "scheduler.main.end_factor=0.1", "optimizer.amsgrad=true"], ["optimizer.amsgrad=true"]),
    (["scheduler=warmup_cosine", "scheduler.warmup=5", "optimizer.lr=1", "optimizer.betas=[.9,.99]"], []),
]


@pytest.mark.parametrize(("words", "noted"), TO_ADD)
def test_a_key_that_an_app_has_to_add_is_noted(words, noted, capsys):
    assert main(["preview", *words, "total_steps=10"]) == 0
    notes = [line for line in capsys.readouterr().out.splitlines() if "in an app" in line]
    assert notes == [f"note: {word}: in an app write +{word}, for the preset has no such key" for word in noted]


@pytest.mark.parametrize("option", ["--csv", "--html", "--out"])
@pytest.mark.parametrize("path", ["", ".png", "gone/x.png"])
def test_where_no_file_can_be_written(option, path, tmp_path, monkeypatch, capsys):
    (tmp_path / ".png").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["preview", "scheduler=cosine", "total_steps=9", option, path]) == 2
    assert f"{option}={path!r}: " in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == [".png"]


def test_the_longest_run_ends(capsys):
    assert (
        main(["preview", "optimizer=sgd", "scheduler=one_cycle", "scheduler.main.max_lr=0.5", "total_steps=1e12"]) == 0
    )
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("lr/"))
    assert row.split()[-3] == "0.5"
