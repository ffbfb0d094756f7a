"""Factors of the lr by depth and by width, in built optimizers: with every schedule, and crossed with rules."""

import math

import pytest
import torch
from torch import nn

import lit_optim
from _support.zoo import ZOO, ViT, mlp
from conftest import SCHEDULERS
from lit_optim import ConfigError
from lit_optim.config.resolve import resolve_specs
from lit_optim.param_groups.depth import layer_ids

LAYERS = {"layers": {"decay": 0.5}}
HEAD = {"head": {"match": {"module": "head"}, "lr": "x10"}}
NO_DECAY = {"no_decay": {"match": {"ndim": "<2"}, "weight_decay": 0.0}}


def lrs(module, optimizer):
    names = {p: name for name, p in module.named_parameters()}
    return {names[p]: group["lr"] for group in optimizer.param_groups for p in group["params"]}


@pytest.mark.parametrize("name", ZOO)
def test_the_lr_of_every_parameter_at_every_step_of_every_schedule(name):
    module = ZOO[name][0]()
    ids, last = layer_ids(module)
    for scheduler in SCHEDULERS:
        optimizer = lit_optim.build_optimizer("sgd", module, param_groups=LAYERS, lr=0.1)
        schedule = lit_optim.build_scheduler(scheduler, optimizer, total_steps=12)
        alone = torch.optim.SGD([torch.zeros(1)], lr=0.1)  # the same schedule on one group
        reference = lit_optim.build_scheduler(scheduler, alone, total_steps=12)
        for step in range(14):
            expected = {i: alone.param_groups[0]["lr"] * 0.5 ** (last - i) for i in range(last + 1)}
            for parameter, lr in lrs(module, optimizer).items():
                assert math.isclose(lr, expected[ids[parameter]], rel_tol=1e-12), (scheduler, step, parameter)
            optimizer.step()
            schedule.step()
            alone.step()
            reference.step()


def test_factors_cross_rules():
    module = ViT()
    spec = {**LAYERS, "rules": {**HEAD, **NO_DECAY, "late": {"match": {"module": "blocks.1.mlp"}, "lr": 0.4}}}
    optimizer = lit_optim.build_optimizer("adamw", module, param_groups=spec, lr=0.1, weight_decay=0.3)
    found = lrs(module, optimizer)
    expected = {
        "cls_token": 0.0125, "blocks.0.norm1.bias": 0.025, "blocks.1.attn.qkv.weight": 0.05, "blocks.1.mlp.fc1.weight": 0.2,
        "norm.weight": 0.1, "head.weight": 1.0, "head.bias": 1.0,
    }  # fmt: skip
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    groups = {group["name"]: group for group in optimizer.param_groups}
    assert {*groups} == {
        "layer_0", "layer_1", "layer_2", "head", "late/layer_2", "no_decay", "no_decay/layer_0", "no_decay/layer_1",
        "no_decay/layer_2", "head/no_decay", "late/no_decay/layer_2",
    }  # fmt: skip
    assert groups["late/no_decay/layer_2"]["weight_decay"] == 0.0


def test_a_floor_merges_layers():
    optimizer = lit_optim.build_optimizer("sgd", ViT(), param_groups={"layers": {"decay": 0.5, "min": 0.5}}, lr=0.1)
    assert [(group["name"], group["lr"]) for group in optimizer.param_groups] == [
        ("layer_0/layer_1/layer_2", 0.05), ("default", 0.1),
    ]  # fmt: skip


def test_the_schedule_of_a_layer_is_for_that_layer_alone():
    specs = {
        "optimizer": {"_target_": "sgd", "lr": 0.1},
        "scheduler": {"_target_": "cosine", "groups": {"layer_0": "constant"}},
        "param_groups": {"layers": {"decay": 0.5, "min": 0.5}},
    }
    optimizer = resolve_specs(specs).build_optimizer(ViT())
    assert [group["name"] for group in optimizer.param_groups] == ["layer_0", "layer_1/layer_2", "default"]


def test_frozen_layers_do_not_shift_the_others():
    module = ViT()
    spec = {**LAYERS, "rules": {"stem": {"match": {"module": "blocks.0"}, "freeze": True}}}
    found = lrs(module, lit_optim.build_optimizer("sgd", module, param_groups=spec, lr=0.1))
    assert found["cls_token"] == pytest.approx(0.0125)
    assert "blocks.0.norm1.bias" not in found


def test_the_presets():
    module = ViT()
    found = lrs(module, lit_optim.build_optimizer("adamw", module, param_groups=["no_decay", "layer_decay"], lr=1.0))
    assert found["blocks.1.norm1.bias"] == 0.75
    spec = {"mup": {"base_width": 8, "width": 32}}
    assert (
        lrs(module, lit_optim.build_optimizer("adamw", module, param_groups=spec, lr=1.0))["blocks.1.mlp.fc2.weight"]
        == 0.25
    )
    assert lrs(module, lit_optim.build_optimizer("sgd", module, param_groups=spec, lr=1.0))["cls_token"] == 4.0


def test_depth_and_width_multiply():
    spec = {
        "layers": {"decay": 0.5},
        "mup": {"base_width": 8, "width": 16},
        "rules": {"r": {"match": {"module": "2"}, "lr": "x3"}},
    }
    module = mlp()
    optimizer = lit_optim.build_optimizer("adamw", module, param_groups=spec, lr=1.0)
    found = lrs(module, optimizer)
    assert [found[f"{i}.weight"] for i in (0, 2, 3, 5)] == [0.25, 3 * 0.5 * 0.5, 0.5, 0.5]
    assert {group["name"] for group in optimizer.param_groups} == {
        "layer_0",
        "r/layer_1/mup_hidden",
        "r/layer_1",
        "layer_1/mup_output",
        "default",
    }


@pytest.mark.parametrize(
    ("spec", "optimizer", "message"),
    [
        ("mup", "adamw", "param_groups.mup.base_width: missing; write e.g. {base_width: 256, width: 1024}"),
        ({"layers": {"decay": 2}}, "sgd", "param_groups.layers.decay=2: a number above 0, at most 1"),
        ({"layers": {"decay": 0.5, "of": "blocs"}}, "sgd", "param_groups.layers.of='blocs': no such module with parameters; "
         "did you mean 'blocks'?"),
        (LAYERS, "lbfgs", "LBFGS"),
        ({**LAYERS, "rules": {"layer_0": HEAD["head"]}}, "sgd", "param_groups.rules.layer_0='layer_0': a name that groups"),
    ],
)  # fmt: skip
def test_errors(spec, optimizer, message):
    with pytest.raises(ConfigError) as error:
        lit_optim.build_optimizer(optimizer, ViT(), param_groups=spec)
    assert message in str(error.value)


def test_errors_without_a_model():
    with pytest.raises(ConfigError, match=r"model.param_groups.layers.off='x': no such key; did you mean 'of'\?"):
        lit_optim.validate({"model": {"optimizer": "sgd", "param_groups": {"layers": {"decay": 0.5, "off": "x"}}}})
    with pytest.raises(ConfigError, match=r"param_groups.mup: LBFGS sets the length of its steps"):
        lit_optim.validate({"optimizer": "lbfgs", "param_groups": {"mup": {"base_width": 1, "width": 2}}})
    with pytest.raises(ConfigError, match=r"rules need the module"):
        lit_optim.build_optimizer("sgd", nn.Linear(2, 2).parameters(), param_groups=LAYERS)
