"""The curves, as the csv has them, are those of a training, point for point."""

import csv
import json

import pytest
import torch

import lit_optim
from conftest import SCHEDULERS
from lit_optim.cli.main import main
from lit_optim.config.read.command_line import choices
from lit_optim.errors import ConfigError
from lit_optim.preview.curves import preview

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


def test_comparison_in_one_csv(tmp_path):
    drawn = written(tmp_path, "scheduler=linear,none", "optimizer.lr=1.0,2.0", "total_steps=2")
    assert drawn == {
        "step": [0, 1],
        "linear, optimizer.lr=1.0:lr/default": [1.0, 0.5],
        "linear, optimizer.lr=2.0:lr/default": [2.0, 1.0],
        "none, optimizer.lr=1.0:lr/default": [1.0, 1.0],
        "none, optimizer.lr=2.0:lr/default": [2.0, 2.0],
    }


def test_several_optimizers_by_name():
    words = ["optimizer={g: adam, d: {_target_: sgd, of: critic}}", "scheduler={g: linear}", "optimizer.g.lr=0.5",
             "scheduler.g.warmup=2", "param_groups=no_decay", "total_steps=4"]  # fmt: skip
    [choice] = choices(words)
    found = {curve.name: [curve.value(step) for step in range(4)] for curve in preview(choice).curves}
    assert found["lr/g"] == found["lr/g/no_decay"] == [0.25, 0.5, 0.5, 0.25]
    assert found["lr/d"] == [0.01] * 4
    rarer = preview(choices([*words, "+scheduler.g.total_steps=3"])[0])
    assert [curve.value(3) for curve in rarer.curves if curve.group == "g"] == [0.0]
    assert rarer.total_steps == 4
    with pytest.raises(ConfigError, match=r"optimizer.gg: no optimizer of that name; did you mean 'g'\?"):
        preview(choices([*words, "optimizer.gg.lr=1"])[0])
    [for_all] = choices(["optimizer={g: adam, d: sgd}", "scheduler=linear", "scheduler.warmup=2", "total_steps=4"])
    assert [curve.value(1) for curve in preview(for_all).curves] == [1e-3, 0.01]


@pytest.mark.parametrize(
    ("words", "lrs"),
    [
        (["param_groups=[no_decay,head_x10]", "param_groups.rules.head.lr=x20"], [0.001, 0.001, 0.02]),
        (["param_groups=no_decay", "+param_groups.rules.stem={match: {module: stem}, lr: 0.5}"], [0.001, 0.001, 0.5]),
        (["param_groups=layer_decay", "param_groups.layers.decay=0.5"], [0.001]),
    ],
)
def test_overrides_are_merged_into_the_presets_of_param_groups(words, lrs):
    [choice] = choices([*words, "total_steps=10"])
    assert [curve.initial for curve in preview(choice).curves] == lrs


def test_factors_that_need_the_model_are_noted():
    [choice] = choices(["param_groups=layer_decay", "total_steps=10"])
    assert any("param_groups.layers multiplies the lr" in note for note in preview(choice).notes)


@pytest.mark.parametrize("optimizer", ["sgd", "muon_adamw"])
def test_the_schedules_of_rules_are_drawn(optimizer):
    rules = "{h: {match: {module: head}, schedule: constant}, z: {match: {module: z}, schedule: linear, freeze: true}}"
    [choice] = choices(
        [f"optimizer={optimizer}", "scheduler=linear", f"param_groups={{rules: {rules}}}", "total_steps=4"]
    )
    halves = {curve.group: curve.value(2) / curve.value(0) for curve in preview(choice).curves}
    assert {name.endswith("h") for name, half in halves.items() if half == 1.0} == {True}
    assert {half for name, half in halves.items() if not name.endswith("h")} == {0.5}
