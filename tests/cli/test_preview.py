"""``lit-optim preview``: the curves are those of a training, its words, pictures and files are right, and torch stays out."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import lit_optim
from conftest import SCHEDULERS
from lit_optim.cli import preview as verb
from lit_optim.cli.main import main
from lit_optim.config.read.command_line import at_commas, choices
from lit_optim.preview.curves import preview
from lit_optim.preview.downsample import downsample, extrema

ROOT = Path(__file__).resolve().parents[2]
NO_FILES = ["--out", "none"]


def written(tmp_path, *words):
    """The csv of a command line: columns by name."""
    file = tmp_path / "curves.csv"
    assert main(["preview", *words, *NO_FILES, "--csv", str(file)]) == 0
    with file.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    return {name: [float(row[name]) for row in rows] for name in rows[0]}


def trained(optimizer, scheduler, param_groups, total_steps, keys, *, options=None, **overrides):
    """The values that each step of torch's own groups uses, by a real scheduler that is stepped."""
    net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.LayerNorm(2))
    built = lit_optim.build_optimizer(optimizer, net, param_groups=param_groups, **(options or {}))
    stepped = lit_optim.build_scheduler(scheduler, built, total_steps=total_steps, **overrides)
    found = {f"{key}/{group.get('name', 'default')}": [] for key in keys for group in built.param_groups}
    for _ in range(total_steps):
        for group in built.param_groups:
            for key in keys:
                value = group["betas"][0] if key == "betas[0]" else group[key]
                found[f"{key}/{group.get('name', 'default')}"].append(value)
        built.step()
        stepped.step()
    return found


DECAY = {"weight_decay": {"main": {"shape": "cosine"}, "values": [0.04, 0.4]}}
BETAS = {"momentum": {"main": {"shape": "one_cycle"}, "values": [0.95, 0.85]}}
PHASES = {
    "phases": {"up": {"steps": "10%", "shape": "linear", "start_factor": 0.1, "end_factor": 1.0}, "down": {"steps": "rest", "shape": "cosine"}},
    "order": ["up", "down"],
}  # fmt: skip
AS_TRAINED = [
    *(("adamw", name, "all", ["lr"], {}) for name in SCHEDULERS),
    ("adamw", "warmup_cosine", "no_decay", ["lr", "weight_decay"], {"drive": DECAY}),
    ("adamw", "one_cycle", "all", ["lr", "betas[0]"], {"drive": BETAS}),
    ("momentum", "triangular", "all", ["lr", "momentum"], {"drive": BETAS}),
    ("sgd", "cosine", "no_decay", ["lr"], {"groups": {"no_decay": "warmup_linear"}}),
    ("sgd", "step", "no_decay", ["lr", "weight_decay"], {"groups": {"default": {"main": {"shape": "rex"}}}, "drive": DECAY}),
    ("sgd", "warmup_wsd", "all", ["lr"], {"interval": "epoch", "steps_per_epoch": 50}),
    ("sgd", "cosine", "all", ["lr"], {"noise": {"std": 0.1, "limit": 0.3, "seed": 7}}),
    ("sgd", "none", "all", ["lr"], PHASES),
    ("sgd", "warmup_cosine", "all", ["lr"], {"warmup": "3ep", "steps_per_epoch": 10, "main": {"min_lr": 1e-4}}),
]  # fmt: skip


@pytest.mark.parametrize(("optimizer", "scheduler", "groups", "keys", "overrides"), AS_TRAINED)
def test_the_csv_is_the_training_point_for_point(optimizer, scheduler, groups, keys, overrides, tmp_path):
    epoch = {k: overrides[k] for k in ("steps_per_epoch",) if k in overrides}
    words = [f"{k}={v}" for k, v in epoch.items()]
    words += [f"scheduler.{name}={json.dumps(value)}" for name, value in overrides.items() if name not in epoch]
    drawn = written(tmp_path, f"optimizer={optimizer}", f"scheduler={scheduler}", f"param_groups={groups}", "total_steps=400", *words)  # fmt: skip
    assert drawn.pop("step") == list(range(400))
    assert drawn == trained(optimizer, scheduler, groups, 400, keys, **overrides)


def test_keys_that_only_the_class_knows_are_as_trained(tmp_path):
    drive = {"dampening": {"main": {"shape": "linear"}, "values": [0.0, 0.5]}}
    words = ["optimizer=sgd", "optimizer.momentum=0.9", "scheduler=none", "total_steps=20"]
    drawn = written(tmp_path, *words, f"scheduler.drive={json.dumps(drive)}")
    del drawn["step"]
    assert drawn == trained("sgd", "none", "all", 20, ["lr", "dampening"], options={"momentum": 0.9}, drive=drive)


def test_another_class_by_target_keeps_the_presets_values(tmp_path):
    words = ["optimizer=adamw", "optimizer._target_=torch.optim.RAdam", "scheduler=null", "total_steps=2"]
    assert written(tmp_path, *words, "optimizer.lr=0.5")["lr/default"] == [0.5, 0.5]


def test_rules_of_ones_own(tmp_path):
    rules = [{"name": "head", "match": {"type": "bias"}, "lr": 0.5}]
    drawn = written(tmp_path, "optimizer=sgd", "scheduler=linear", "total_steps=4", f"param_groups.rules={json.dumps(rules)}")  # fmt: skip
    assert drawn["lr/head"] == [0.5, 0.375, 0.25, 0.125]
    assert drawn["lr/default"] == [0.01, 0.0075, 0.005, 0.0025]


def test_every_second_step(tmp_path):
    file = tmp_path / "c.csv"
    words = ["optimizer.lr=1.0", "scheduler=linear", "total_steps=4"]
    assert main(["preview", *words, *NO_FILES, "--csv", str(file), "--every", "2"]) == 0
    assert file.read_text().split() == ["step,lr/default", "0,1.0", "2,0.5"]


LABELS = [
    (["scheduler=wsd"], [""]),
    (["scheduler=warmup_cosine,wsd,one_cycle"], ["warmup_cosine", "wsd", "one_cycle"]),
    (["scheduler=wsd,step", "optimizer.lr=0.1,0.01"], ["wsd, optimizer.lr=0.1", "wsd, optimizer.lr=0.01", "step, optimizer.lr=0.1", "step, optimizer.lr=0.01"]),
    (["optimizer=sgd,adamw", "optimizer.lr=1"], ["sgd", "adamw"]),
    (["+scheduler.main={a:1,b:[2,3]}"], [""]),
]  # fmt: skip


@pytest.mark.parametrize(("words", "labels"), LABELS)
def test_combinations(words, labels):
    assert [choice.label for choice in choices(words)] == labels


VALUES = [
    ("optimizer.lr=1e-3", {"optimizer": {"lr": 0.001}}),
    ("scheduler.warmup=5%", {"scheduler": {"warmup": "5%"}}),
    ("scheduler.warmup={steps:2ep,shape:linear}", {"scheduler": {"warmup": {"steps": "2ep", "shape": "linear"}}}),
    ("scheduler.drive.betas[0].values=[0.9,0.8]", {"scheduler": {"drive": {"betas[0]": {"values": [0.9, 0.8]}}}}),
    ("scheduler.drive=null", {"scheduler": {"drive": None}}),
]


@pytest.mark.parametrize(("word", "overrides"), VALUES)
def test_values_are_read_as_yaml(word, overrides):
    [choice] = choices([word])
    assert choice.overrides == overrides


def test_commas_inside_of_brackets_and_quotes_part_nothing():
    assert at_commas("[1,2],{a: 1, b: 2},'c,d',e") == ["[1,2]", "{a: 1, b: 2}", "'c,d'", "e"]


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
    (["param_groups.rule=1"], "the only key here is 'rules'"),
    (["total_step=10"], "total_step=10: no such key; did you mean 'total_steps'?"),
    (["trainer.max_steps=10"], "no such key; there are: optimizer, scheduler, param_groups, optim_callbacks, total_steps, steps_per_epoch"),
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


def test_comparison_in_one_csv(tmp_path):
    drawn = written(tmp_path, "scheduler=linear,none", "optimizer.lr=1.0,2.0", "total_steps=2")
    assert drawn == {
        "step": [0, 1],
        "linear, optimizer.lr=1.0:lr/default": [1.0, 0.5],
        "linear, optimizer.lr=2.0:lr/default": [2.0, 1.0],
        "none, optimizer.lr=1.0:lr/default": [1.0, 1.0],
        "none, optimizer.lr=2.0:lr/default": [2.0, 2.0],
    }


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


PICTURES = [
    ("one.png", [], b"\x89PNG"),
    ("one.svg", ["scheduler=warmup_wsd", "scheduler.drive={weight_decay: {main: {shape: cosine}}}", "param_groups=no_decay"], b"<?xml"),
    ("log.png", ["scheduler=wsd,cosine", "--log", "steps_per_epoch=7"], b"\x89PNG"),
    ("short.png", ["total_steps=1", "steps_per_epoch=1"], b"\x89PNG"),
    ("flat.png", ["scheduler=none", "scheduler.main.factor=0.0"], b"\x89PNG"),
    ("flatlog.png", ["scheduler=none", "scheduler.main.factor=0.0", "--log"], b"\x89PNG"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "words", "begins"), PICTURES)
def test_pictures(name, words, begins, tmp_path):
    file = tmp_path / name
    assert main(["preview", "scheduler=cosine", "total_steps=100", *words, "--out", str(file)]) == 0
    assert file.read_bytes().startswith(begins)


def test_without_matplotlib_there_is_a_note(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(verb, "find_spec", lambda name: None)
    assert main(["preview", "scheduler=cosine", "total_steps=100"]) == 0
    assert "pip install 'lit-optim[plot]'" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
    assert main(["preview", "scheduler=cosine", "total_steps=100", "--out", "a.png"]) == 2
    assert "pip install 'lit-optim[plot]'" in capsys.readouterr().err


def test_few_points_keep_extrema_and_edges():
    assert extrema([0, 3, 1, 2, 9, 2, 2, 2, 2, 0, 1, 1, 1], 2) == [0, 4, 7, 9]
    [choice] = choices(["scheduler=warmup_cosine_restarts", "optimizer.lr=1.0", "total_steps=100000"])
    curve = preview(choice).curves[0]
    every = [curve.value(step) for step in range(100000)]
    for most in (100_000, 7_777):
        thin = downsample(curve, 100_000, most)
        assert len(thin.steps) < 2000
        assert thin.values == [every[step] for step in thin.steps]
        assert (min(thin.values), max(thin.values)) == (min(every), max(every))
        assert {0, 4999, 5000, 99999} <= {*thin.steps}


NO_TORCH = [
    (["scheduler=wsd", "param_groups=no_decay", "optimizer.lr=0.1", "total_steps=1000", *NO_FILES], ""),
    (["optimizer=sgd", "scheduler=one_cycle,plateau,lambda", "scheduler.drive={momentum: {main: {shape: cosine}}}", "total_steps=1000", "--json"], "matplotlib"),
    (["scheduler=warmup_cosine", "total_steps=1000000", "steps_per_epoch=500"], "matplotlib"),
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
    assert "note" not in capsys.readouterr().out


def test_callbacks_are_taken_and_a_switch_is_noted(capsys):
    words = ["preview", "scheduler=cosine", "total_steps=100", "--out", "none"]
    assert main(words) == 0
    without = capsys.readouterr().out
    assert main([*words, "optim_callbacks=[swats,lookahead]", "optim_callbacks.swats.at=50%"]) == 0
    note = "note: SWATS: at its switch, which is not known before, all lrs are multiplied by one factor"
    assert capsys.readouterr().out.replace(note, "").split() == without.split()
