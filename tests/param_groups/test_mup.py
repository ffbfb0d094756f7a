"""Width multipliers: the kind of every parameter of the zoo by hand, the paper's table, and its coordinate check."""

import math

import pytest
import torch
from torch import nn

from _support.by_version import needs_muon
from _support.zoo import GPT, LSTM, Bert, Llama, ResNet, UNet, ViT, lazy_mlp, mlp
from lit_optim import ConfigError
from lit_optim.param_groups import NamedModel
from lit_optim.param_groups.mup import POWERS, Mup, update_rule, width_factor, width_labels


def factors(module, width, update="adam", base_width=4):
    model = NamedModel(module)
    found = width_labels(model, Mup(base_width, width), update)
    return {p.name: next(iter(found.get(p.name, {"": 1.0}).values())) for p in model.parameters}


# width, then what is hidden, output, and fixed; all else is input
BERT = "in_proj_weight out_proj.weight linear1.weight linear2.weight pooler.weight"
KINDS = {
    ViT: (32, "attn.qkv.weight attn.proj.weight fc1.weight fc2.weight", "head.weight", "head.bias"),
    GPT: (32, "attn.qkv.weight attn.proj.weight fc1.weight fc2.weight", "-", "-"),
    Llama: (32, "_proj.weight", "lm_head.weight", "-"),
    ResNet: (16, "0.conv1.weight 1.conv1.weight conv2.weight downsample.0.weight", "fc.weight", "fc.bias"),
    LSTM: (24, "weight_ih_l0 weight_hh_l0 weight_ih_l1 weight_hh_l1", "decoder.weight", "decoder.bias"),
    Bert: (32, BERT, "classifier.weight", "classifier.bias"),
    mlp: (16, "2.weight", "5.weight", "5.bias"),
}
SGD = {"input": lambda r: r, "hidden": lambda r: 1, "output": lambda r: 1 / r, "fixed": lambda r: 1}
ADAM = {"input": lambda r: 1, "hidden": lambda r: 1 / r, "output": lambda r: 1 / r, "fixed": lambda r: 1}


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
@pytest.mark.parametrize(("update", "table"), [("sgd", SGD), ("adam", ADAM)])
def test_the_kinds_of_the_zoo(make, update, table):
    width, *ends = KINDS[make]
    ends = dict(zip(("hidden", "output", "fixed"), (tuple(names.split()) for names in ends), strict=True))
    found = factors(make(), width, update)
    kinds = {name: next((k for k, ends_ in ends.items() if name.endswith(ends_)), "input") for name in found}
    assert found == {name: table[kind](width / 4) for name, kind in kinds.items()}


class Odd(nn.Module):
    """What has no obvious shape: many patches, experts in one tensor, as many pixels as the width."""

    def __init__(self):
        super().__init__()
        self.positions = nn.Parameter(torch.zeros(1, 64, 16))
        self.bias_table = nn.Parameter(torch.zeros(49, 2))
        self.patch = nn.Linear(48, 16)
        self.experts = nn.Parameter(torch.zeros(4, 32, 16))
        self.depthwise = nn.Conv2d(16, 16, 3, groups=16)
        self.grouped = nn.Conv2d(16, 16, 1, groups=4)
        self.up = nn.ConvTranspose2d(16, 4, 2)
        self.lora_a, self.lora_b = nn.Linear(16, 2, bias=False), nn.Linear(2, 16, bias=False)
        self.scale = nn.Parameter(torch.ones(1))
        self.head = nn.Linear(16, 2)


def test_odd_shapes():
    found = factors(Odd(), 16)
    assert {name.removesuffix(".weight") for name, factor in found.items() if factor == 0.25} == {
        "experts", "grouped", "up", "lora_a", "head",
    }  # fmt: skip


def test_the_base_model_keeps_its_lr():
    assert {*factors(mlp(), 16, base_width=16).values()} == {1.0}


@pytest.mark.parametrize(
    ("optimizer", "adjust", "rule"),
    [
        (torch.optim.SGD, None, "sgd"), (torch.optim.ASGD, None, "sgd"), (torch.optim.AdamW, None, "adam"),
        (torch.optim.Adagrad, None, "adam"), (torch.optim.Rprop, None, "adam"),
        (type("SGDScheduleFree", (torch.optim.Optimizer,), {}), None, "sgd"),
        (type("Muon", (torch.optim.Optimizer,), {}), None, "muon"),
        (type("Muon", (torch.optim.Optimizer,), {}), "match_rms_adamw", "muon_match_rms"),
    ],
)  # fmt: skip
def test_the_rule_of_an_optimizer(optimizer, adjust, rule):
    assert update_rule(optimizer, adjust) == rule


def change_of_activations(width, update, optimizer):
    """Mean change of a hidden activation and of the output in four steps, with the initial values of Table 3."""
    draw = torch.Generator().manual_seed(0)
    net = nn.Sequential(
        nn.Linear(8, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 4)
    ).double()
    for i, std in ((0, 8**-0.5), (2, width**-0.5), (4, 8 / width)):
        nn.init.normal_(net[i].weight, std=std, generator=draw)
        nn.init.zeros_(net[i].bias)
    fixed = torch.Generator().manual_seed(1)
    x, y = (
        torch.randn(16, 8, dtype=torch.float64, generator=fixed),
        torch.randn(16, 4, dtype=torch.float64, generator=fixed),
    )
    scale = factors(net, width, update, base_width=64)
    steps = [optimizer([p], factor=scale[name], bias=p.ndim < 2) for name, p in net.named_parameters()]
    hidden, output = net[:3](x).detach(), net(x).detach()
    for _ in range(4):
        net.zero_grad()
        (net(x) - y).square().mean().backward()
        for step in steps:
            step.step()
    return (net[:3](x) - hidden).abs().mean().item(), (net(x) - output).abs().mean().item()


def adam(params, factor, bias):
    return torch.optim.Adam(params, lr=0.005 * factor)


def sgd(params, factor, bias):
    return torch.optim.SGD(params, lr=0.05 * factor)


def muon(params, factor, bias, adjust="original"):
    if bias:  # those belong to another optimizer
        return torch.optim.SGD(params, lr=0.0)
    return torch.optim.Muon(
        params, lr=0.02 * factor, weight_decay=0.0, momentum=0.0, nesterov=False, adjust_lr_fn=adjust
    )


def muon_match_rms(params, factor, bias):
    return muon(params, factor, bias, "match_rms_adamw")


@pytest.mark.parametrize("optimizer", [adam, sgd, *(pytest.param(f, marks=needs_muon) for f in (muon, muon_match_rms))])
def test_a_step_moves_activations_alike_at_every_width(optimizer):
    name = optimizer.__name__
    narrow = change_of_activations(64, name, optimizer)
    wide = change_of_activations(512, name, optimizer)
    with_one_lr = change_of_activations(512, name, lambda params, factor, bias: optimizer(params, 1.0, bias))
    spread, spread_with_one_lr = (
        max(abs(math.log(a / b)) for a, b in zip(x, narrow, strict=True)) for x in (wide, with_one_lr)
    )
    assert spread < math.log(1.7)
    assert spread_with_one_lr > 1.5 * spread


def test_every_rule_knows_every_kind():
    assert {(*powers,) for powers in POWERS.values()} == {("input", "hidden", "output", "fixed")}
    assert {width_factor("fixed", 8, update) for update in POWERS} == {1.0}


@pytest.mark.parametrize(
    ("module", "width", "message"),
    [
        (mlp(), 64, "param_groups.mup.width=64: the widest hidden matrix has 16 inputs"),
        (lazy_mlp(), 16, "param_groups.mup: 0.weight has no shape yet; run a batch through the module before that"),
        (UNet(), 8, "param_groups.mup: the output layer is not known; give the model a method get_output_embeddings()"),
    ],
)
def test_errors(module, width, message):
    with pytest.raises(ConfigError) as error:
        factors(module, width)
    assert message in str(error.value)


def test_no_rule_for_trust_ratios():
    with pytest.raises(ConfigError, match=r"param_groups.mup: Lamb sets the length of its steps; no rule"):
        update_rule(type("Lamb", (torch.optim.Optimizer,), {}))
    with pytest.raises(ConfigError, match=r"is no class, so how it steps is unknown"):
        update_rule(lambda params: None)
