"""``lit-optim card``: models by path and of an app, their own specs and overrides, and what cannot be built."""

import csv
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import lit_optim
from lit_optim.cli.main import main

MODELS = """
import torch
from torch import nn
import lightning as L
import lit_optim

class Net(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.body, self.norm, self.head = nn.Linear(4, width), nn.LayerNorm(width), nn.Linear(width, 2)

class Wide(Net):
    def __init__(self, width, depth, *, dropout=0.1):
        super().__init__(width)

class ReadsValues(Net):
    def __init__(self):
        super().__init__()
        self.first = self.body.bias[0].item()

class Task(lit_optim.ConfigureOptimizersMixin, L.LightningModule):
    def __init__(self, optimizer={"_target_": "sgd", "lr": 0.5}, scheduler="cosine", param_groups="no_decay"):
        super().__init__()
        self.save_hyperparameters()
        self.net = Net()

made = Net()
number = 3

def large():
    return nn.Linear(100_000, 100_000, bias=False)

def fails():
    raise OSError("no weights\\nin this folder")

def other():
    return 3
"""


@pytest.fixture(autouse=True)
def models(tmp_path, monkeypatch):
    """A module of its own name for each test, as modules are imported once."""
    name = f"models_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(textwrap.dedent(MODELS))
    monkeypatch.chdir(tmp_path)
    return name


def groups(capsys, *words):
    assert main(["card", *words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    return [
        (row["group"], row["tensors"], row["lr"], row["weight_decay"], row["optimizer"], row["schedule"])
        for row in found["groups"]
    ]


@pytest.mark.parametrize("name", ["Net", "made", "ReadsValues"])
def test_a_class_and_an_instance(name, models, capsys):
    words = ["param_groups=[no_decay,head_x10]", "optimizer.lr=0.5", "scheduler=warmup_cosine"]
    assert groups(capsys, f"{models}:{name}", *words) == [
        ("default", 1, 0.5, 0.01, "AdamW", "warmup + cosine"),
        ("no_decay", 3, 0.5, 0.0, "AdamW", "warmup + cosine"),
        ("head/no_decay", 1, 5.0, 0.0, "AdamW", "warmup + cosine"),
        ("head", 1, 5.0, 0.01, "AdamW", "warmup + cosine"),
    ]


def test_a_model_larger_than_memory(models, capsys):
    assert main(["card", f"{models}:large", "optimizer=adamw"]) == 0
    assert capsys.readouterr().out.splitlines()[1:5] == [
        "group    tensors  parameters  lr     decay  optimizer  state  schedule",
        "default  1        10B         0.001  0.01   AdamW      80 GB  constant",
        "",
        "memory  weights 40 GB + gradients 40 GB + optimizer state 80 GB = 160 GB, before activations",
    ]


OVERRIDES = [
    ([], [("default", 2, 0.5, "SGD", "cosine"), ("no_decay", 4, 0.5, "SGD", "cosine")]),
    (["optimizer.lr=2"], [("default", 2, 2.0, "SGD", "cosine"), ("no_decay", 4, 2.0, "SGD", "cosine")]),
    (["optimizer=adam", "param_groups=all", "scheduler.warmup=5"], [("default", 6, 0.001, "Adam", "warmup + cosine")]),
    (
        ["param_groups.rules.no_decay=null", "param_groups.rules.head={match: {role: output}, lr: x3}"],
        [("default", 4, 0.5, "SGD", "cosine"), ("head", 2, 1.5, "SGD", "cosine")],
    ),
]


@pytest.mark.parametrize(("words", "rows"), OVERRIDES)
def test_overrides_beat_the_specs_of_a_module(words, rows, models, capsys):
    found = groups(capsys, f"{models}:Task", *words)
    assert [(name, tensors, lr, cls, schedule) for name, tensors, lr, _, cls, schedule in found] == rows


def test_what_is_out_of_the_ordinary_is_listed(models, capsys):
    rules = "{body: {match: {module: [body, boddy]}, freeze: true}}"
    words = [f"param_groups.rules={rules}", "param_groups.unmatched_rule=warn"]
    with pytest.warns(UserWarning, match="boddy"):
        assert main(["card", f"{models}:Net", *words]) == 0
    out = capsys.readouterr().out
    assert "frozen     body.weight, body.bias (by the rule body)\n" in out
    assert "unmatched  param_groups.rules.body.match.module='boddy': matches no parameter" in out


def test_csv_has_one_row_a_parameter(models, capsys, tmp_path):
    assert main(["card", f"{models}:Net", "param_groups=no_decay", "--csv", "groups.csv"]) == 0
    with (tmp_path / "groups.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["parameter"]: (row["group"], row["weight_decay"]) for row in csv.DictReader(file)}
    assert len(rows) == 6
    assert (rows["head.weight"], rows["norm.bias"]) == (("default", "0.01"), ("no_decay", "0.0"))


WRONG = [
    ([], "MODEL: missing; write e.g. lit-optim card my.models:ViT"),
    (["optimizer=adamw"], "MODEL: missing"),
    (["no_such_package:Net"], "MODEL=no_such_package.Net: there is no package 'no_such_package'"),
    (["{}:Nett"], "has no 'Nett'; did you mean {}.Net?"),
    (["{}:Wide"], "needs the arguments width, depth; give a function that builds it, e.g. def build(): return Wide(width=..., depth=...)"),
    (["{}:fails"], "{}:fails: building it failed with OSError: no weights in this folder"),
    (["{}:other"], "{}:other: it returned an int, not an nn.Module"),
    (["{}:number"], "{}:number: an int; give an nn.Module class, or a function that builds one"),
    (["{}:Net", "optimizer.lrr=1"], "optimizer.lrr=1: AdamW has no argument 'lrr'; did you mean 'lr'?"),
    (["{}:Net", "optimzer=sgd"], "did you mean 'optimizer'?"),
    (["{}:Net", "optimizer=sgd,adam"], "sgd or adam: a card is of one configuration; give one value"),
    (["{}:Net", "param_groups.rules={{a: {{match: {{module: hed}}, lr: 1}}}}"], "did you mean 'head'?"),
    (["{}:Net", "--config-dir", "."], "{}:Net: with an app the model is the app's own"),
    (["--config-dir", ".", "--config-name", "nothing"], "--config-name nothing: no nothing.yaml in"),
    (["--config-name", "train"], "give --config-dir too"),
    (["{}:Net", "--csv", "no/such/file.csv"], "there is no such folder"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "text"), WRONG)
def test_wrong_words(words, text, models, capsys):
    assert main(["card", *(word.format(models) for word in words)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert text.format(models) in err


APP = """
defaults:
  - optimizer: adamw
  - scheduler: none
  - param_groups: all
  - _self_
model:
  _target_: {}.Task
  optimizer: ${{optimizer}}
  scheduler: ${{scheduler}}
  param_groups: ${{param_groups}}
"""
NET_ALONE = APP.partition("  optimizer: ${{")[0].replace("Task", "Net")


@pytest.mark.parametrize("config", [APP, NET_ALONE])
def test_the_model_of_an_app_and_the_doctor(config, models, capsys, tmp_path):
    (tmp_path / "train.yaml").write_text(config.format(models))
    words = ["--config-dir", ".", "optimizer.lr=0.25", "param_groups=no_decay", "scheduler=warmup_cosine"]
    assert groups(capsys, *words) == [
        ("default", 2, 0.25, 0.01, "AdamW", "warmup + cosine"),
        ("no_decay", 4, 0.25, 0.0, "AdamW", "warmup + cosine"),
    ]
    if "Net" in config:
        return  # which the doctor rejects: it is no LightningModule
    assert main(["doctor", *words, "--json"]) == 0
    assert [row["group"] for row in json.loads(capsys.readouterr().out)["card"]["groups"]] == ["default", "no_decay"]
    assert main(["doctor", *words]) == 0
    assert capsys.readouterr().out.startswith("Param groups\ngroup ")


def test_the_doctor_says_why_there_is_no_card(models, capsys, tmp_path):
    (tmp_path / "train.yaml").write_text(f"model: {{_target_: {models}.Task, unknown: 1}}\n")
    assert main(["doctor", "--config-dir", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert f"the param groups are not shown: model._target_={models}.Task: building it failed with" in out
    (tmp_path / "train.yaml").write_text("seed: 1\n")
    assert main(["card", "--config-dir", str(tmp_path)]) == 2
    assert "model._target_: missing, so the config names no model" in capsys.readouterr().err


def test_parameters_that_no_named_optimizer_trains_are_warned_of_without_lightning(tmp_path):
    """A process of its own: Lightning, once imported, sets the rank that its warnings ask for."""
    (tmp_path / "nets.py").write_text(
        "from torch import nn\ndef net():\n    return nn.ModuleDict({'body': nn.Linear(2, 2), 'head': nn.Linear(2, 2)})\n"
    )
    words = [sys.executable, "-m", "lit_optim", "card", "nets:net", "optimizer={body: adamw}"]
    environment = {**os.environ, "PYTHONPATH": str(Path(lit_optim.__file__).parents[1])}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "none of body trains head.weight" in done.stderr
    assert "not taken" in done.stdout


def test_schedules_of_groups_that_there_are_not(tmp_path, monkeypatch, capsys):
    (tmp_path / "nets_of_groups.py").write_text("from torch import nn\ndef net():\n    return nn.Linear(2, 2)\n")
    monkeypatch.chdir(tmp_path)
    words = ["nets_of_groups:net", "param_groups=no_decay", "scheduler=cosine", "scheduler.groups.no_deca=constant"]
    assert main(["card", *words]) == 2
    assert "scheduler.groups.no_deca: no group of that name; did you mean 'no_decay'?" in capsys.readouterr().err


def test_the_lr_is_scaled_where_the_batch_size_is_known(tmp_path, monkeypatch, capsys):
    (tmp_path / "nets_of_batches.py").write_text("from torch import nn\ndef net():\n    return nn.Linear(2, 2)\n")
    monkeypatch.chdir(tmp_path)
    scaling = "optimizer.lr_scaling={base_batch_size: 256, batch_size: 1024}"
    assert main(["card", "nets_of_batches:net", "optimizer=sgd", "optimizer.lr=0.1", scaling, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["groups"][0]["lr"] == 0.4
