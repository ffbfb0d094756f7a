"""Recipes: in Hydra apps of every kind and in Python, their numbers, their schedules, five steps of each."""

import re

import pytest
import torch
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

import lit_optim
from _support.app_process import TRAIN
from _support.by_version import needs_muon
from _support.net import trainer, weights
from _support.recipe_tasks import KINDS, RecipeTask, loader_of
from conftest import CONF, preset_names
from lit_optim import ConfigError
from lit_optim.config.read.app_config import app_config, own_config
from lit_optim.config.read.command_line import choices
from lit_optim.config.read.preset_header import header
from lit_optim.config.read.presets import load_preset
from lit_optim.config.read.unused_groups import replaced_by_recipe, unused_groups

RECIPES = preset_names("recipe")
STEPS, PER_EPOCH = 10_000, 100
# lr of the first group: in the first step, at its highest, and where the schedule ends; by hand, from the sources
LRS = {
    "cnn": (0.1 / 500, 0.1, 0.0),
    "cnn_modern": (5e-3 / 500, 5e-3, 0.0),
    "vit": (1e-6, 5e-4, 1e-5),
    "vit_finetune": (5e-4 / 500, 5e-4, 1e-6),
    "lm": (6e-4 / 2000, 6e-4, 6e-5),
    "lm_tuned": (1e-3 / 2000, 1e-3, 1e-5),
    "lm_muon": (1e-3 / 2000, 1e-3, 1e-5),
    "bert_finetune": (2e-5 / 1000, 2e-5, 0.0),
    "qlora": (2e-4, 2e-4, 2e-4),
    "rnn": (30.0, 30.0, 30.0),
    "char_rnn": (1e-3, 1e-3, 1e-5),
    "ppo": (2.5e-4, 2.5e-4, 0.0),
    "diffusion": (1e-4, 1e-4, 1e-4),
    "gnn": (0.01, 0.01, 0.01),
    "tabular": (2e-3, 2e-3, 2e-3),
    "segmentation": (0.01, 0.01, 0.0),
    "segmentation_transformer": (6e-5 * 1e-6, 6e-5, 0.0),
}
NAMED = {"gan": {"generator": 2.5e-3, "discriminator": 2e-3}, "sac": {"actor": 3e-4, "critic": 1e-3}}


def specs_of(name, **overrides):
    """The specs for batches of the size that the lr is meant for, and without a warmup that is longer than a test."""
    scaling = load_preset("recipe", name)["optimizer"].get("lr_scaling")
    optimizer = {"lr_scaling": {"batch_size": scaling["base_batch_size"]}} if scaling else {}
    specs = lit_optim.recipe(name, optimizer=optimizer, **overrides)
    target = specs["optimizer"].get("_target_", "torch.optim.Adam")
    if target.startswith("pytorch_optimizer"):
        pytest.importorskip("pytorch_optimizer")
    return specs


def marked(names):
    return [pytest.param(name, marks=needs_muon) if name == "lm_muon" else name for name in names]


def test_the_tables_are_complete():
    assert sorted(KINDS) == sorted([*LRS, *NAMED]) == list(RECIPES)


@pytest.mark.parametrize("name", RECIPES)
def test_every_number_says_where_it_comes_from(name):
    text = (CONF / "recipe" / f"{name}.yaml").read_text(encoding="utf-8")
    assert text.startswith("# @package _global_\n# ")
    head = header("recipe", name)
    assert head.source
    assert head.checked
    assert head.second
    assert head.clip == "none" or re.fullmatch(r"trainer\.gradient_clip_val=[\d.]+", head.clip)
    assert 10 < len(lit_optim.presets("recipe")[name]) <= 120
    _, _, own = text.partition("  - _self_\n")
    values = [line for line in own.splitlines() if re.search(r":\s+[^\s#]", line)]
    assert values
    assert [line for line in values if "  # " not in line] == []


@pytest.mark.parametrize("name", marked(RECIPES))
def test_an_app_without_the_groups_gets_what_python_gets(name):
    with initialize_config_module("lit_optim.conf", version_base="1.3"):
        found = OmegaConf.to_container(compose(overrides=[f"+recipe={name}"]), resolve=True)
    assert found == lit_optim.recipe(name)
    lit_optim.validate(found)


@pytest.mark.parametrize("name", ["gan", "vit_finetune"])
def test_an_app_with_the_groups_gets_the_same(name):
    words = ["optimizer=momentum", "scheduler=wsd", "param_groups=head_x10", f"recipe={name}"]
    found, specs = own_config(words).values, lit_optim.recipe(name)
    assert {group: found[group] for group in specs} == specs


def test_the_command_line_wins_and_callbacks_of_the_app_stay():
    words = ["optimizer.lr=0.3", "scheduler.warmup.steps=7", "optim_callbacks=schedule_report", "recipe=vit"]
    found = own_config(words).values
    assert found["optimizer"]["lr"] == 0.3
    assert found["scheduler"]["warmup"] == {"steps": 7, "shape": "linear", "start_factor": 0.002}
    assert list(found["optim_callbacks"]) == ["schedule_report", "ema"]


def test_a_recipe_goes_where_the_groups_are_mounted():
    with initialize_config_module("lit_optim.conf", version_base="1.3"):
        for name in ("gan", "vit_finetune"):
            found = compose(overrides=["+optimizer@model.optimizer=sgd", f"+recipe@model={name}"])
            assert OmegaConf.to_container(found, resolve=True) == {"model": lit_optim.recipe(name)}


def test_the_example_app_takes_one():
    found = app_config(TRAIN.parent / "conf", "train", ["recipe=cnn", "optimizer.lr=0.2"]).values
    assert found["model"]["optimizer"] == found["optimizer"] == {**lit_optim.recipe("cnn")["optimizer"], "lr": 0.2}


@pytest.mark.parametrize("name", marked(LRS))
def test_its_schedule_begins_and_ends_where_the_source_says(name):
    specs = specs_of(name)
    net = KINDS[name][0]()
    optimizer = lit_optim.build_optimizer(specs["optimizer"], net, param_groups={})
    schedule = lit_optim.build_scheduler(specs["scheduler"], optimizer, total_steps=STEPS, steps_per_epoch=PER_EPOCH)
    lr = optimizer.defaults["lr"]
    used = [lr * schedule.factor(step) for step in range(STEPS + 1)]
    assert (used[0], max(used), used[-1]) == pytest.approx(LRS[name], rel=1e-9, abs=1e-15)


def test_a_char_rnn_is_divided_at_the_shares_of_the_source():
    optimizer = lit_optim.build_optimizer("adam", KINDS["char_rnn"][0]())
    schedule = lit_optim.build_scheduler(lit_optim.recipe("char_rnn")["scheduler"], optimizer, total_steps=50)
    assert [schedule.factor(step) for step in (24, 25, 34, 35)] == pytest.approx([1.0, 0.1, 0.1, 0.01])


def test_a_unet_follows_the_power_of_the_source():
    optimizer = lit_optim.build_optimizer("sgd", KINDS["segmentation"][0]())
    schedule = lit_optim.build_scheduler(lit_optim.recipe("segmentation")["scheduler"], optimizer, total_steps=100)
    assert [schedule.factor(step) for step in (25, 75)] == pytest.approx([0.75**0.9, 0.25**0.9])


@pytest.mark.parametrize("name", marked(RECIPES))
def test_five_steps(tmp_path, name):
    warm = lit_optim.recipe(name)["scheduler"]["warmup"]["steps"] != 0
    specs = specs_of(name, **({"scheduler": {"warmup": 1}} if warm else {}))
    module = RecipeTask(KINDS[name][0](), **specs)
    before = weights(module).clone()
    clip = header("recipe", name).clip.partition("=")[2]
    run = trainer(tmp_path, max_epochs=1, gradient_clip_val=float(clip) if clip else None)
    run.fit(module, loader_of(name), loader_of(name, 1))
    assert torch.isfinite(weights(module)).all()
    assert not torch.equal(weights(module), before)
    if name in NAMED:
        assert module.used == pytest.approx([*NAMED[name].values()] * 5)
    else:
        assert len(module.used) == 5
        assert max(module.used) <= LRS[name][1] * 10 * 1.000001  # of the head


def test_values_of_the_groups_are_those_of_the_source():
    def groups(name):
        specs = specs_of(name)
        optimizer = lit_optim.build_optimizer(specs["optimizer"], KINDS[name][0](), param_groups=specs["param_groups"])
        return {group.get("name"): group for group in optimizer.param_groups}

    head = groups("segmentation_transformer")
    assert {name: (group["lr"], group["weight_decay"]) for name, group in head.items()} == {
        "default": (6e-5, 0.01), "no_decay": (6e-5, 0.0), "head": (pytest.approx(6e-4), 0.01),
    }  # fmt: skip
    layers = {group["lr"] for group in groups("vit_finetune").values()}
    assert sorted(layers) == pytest.approx([5e-4 * 0.65**depth for depth in (3, 2, 1, 0)])
    assert {(group["momentum"], group["nesterov"]) for group in groups("segmentation").values()} == {(0.99, True)}


def test_python_merges_and_replaces():
    specs = lit_optim.recipe("lm", optimizer={"lr": 3e-4}, scheduler="constant", resume="stretch")
    assert specs["optimizer"] == {**lit_optim.recipe("lm")["optimizer"], "lr": 3e-4}
    assert (specs["scheduler"], specs["resume"]) == ("constant", "stretch")
    assert lit_optim.recipe("lm")["optimizer"]["lr"] == 6e-4


WRONG = [
    (lambda: lit_optim.recipe("vitt"), r"recipe='vitt': no preset of that name; did you mean 'vit'\?"),
    (
        lambda: lit_optim.recipe("vit", optimiser={}),
        r"recipe\('vit', optimiser=...\): no such group; did you mean 'opt",
    ),
    (lambda: choices(["recipe=vitt"]), r"recipe='vitt': no preset of that name; did you mean 'vit'\?"),
    (lambda: choices(["recipe.lr=1"]), r"recipe.lr=1: no such key"),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_what_is_wrong(call, message):
    with pytest.raises(ConfigError, match=message):
        call()


def test_a_group_that_a_recipe_replaces_is_not_lost_in_silence():
    words = ["optimizer=sgd", "optimizer.lr=1", "+recipe=vit"]
    assert unused_groups(words, lit_optim.recipe("vit"), "Net") == []
    assert (
        replaced_by_recipe(words)
        == replaced_by_recipe(words[:2], words[2:])
        == ["optimizer=sgd has no effect: recipe=vit sets all of it; write optimizer.<key>=, or leave the recipe out"]
    )
    assert replaced_by_recipe(["optimizer=sgd", "recipe=null"]) == []


def test_command_lines_without_hydra_read_recipes():
    first, second = choices(["recipe=vit,lm", "optimizer.lr=0.1"])
    assert (first.label, second.label) == ("vit", "lm")
    assert first.chosen == lit_optim.recipe("vit")
    assert second.overrides == {"optimizer": {"lr": 0.1}}
