"""Width multipliers: the kind of every parameter of the zoo by hand, the paper's table, and its coordinate check."""

import math

import pytest
import torch
from torch import nn

from _support.by_version import needs_muon
from _support.zoo import GPT, LSTM, Clip, Llama, ResNet, ViT, lazy_mlp, mlp
from lit_optim import ConfigError
from lit_optim.param_groups import owned_parameters
from lit_optim.param_groups.mup import POWERS, Mup, mup_factors, update_rule, width_factor


def is_embedding(p):
    return isinstance(p.owner, nn.Embedding)


def factors(module, width, output, update="adam", base_width=4):
    return mup_factors(
        owned_parameters(module), Mup(base_width, width), update, lambda p: p.name.startswith(output), is_embedding
    )


# width, output layer, then what is hidden, output and fixed under SGD; all else is input
KINDS = {
    ViT: (32, "head", "attn.qkv.weight attn.proj.weight fc1.weight fc2.weight", "head.weight", "head.bias"),
    GPT: (32, "transformer.wte", "attn.qkv.weight attn.proj.weight fc1.weight fc2.weight", "-", "-"),
    Llama: (32, "lm_head", "_proj.weight", "lm_head.weight", "-"),
    ResNet: (16, "fc", "0.conv1.weight 1.conv1.weight conv2.weight downsample.0.weight", "fc.weight", "fc.bias"),
    LSTM: (24, "decoder", "weight_ih_l0 weight_hh_l0 weight_ih_l1 weight_hh_l1", "decoder.weight", "decoder.bias"),
    Clip: (16, "-", "qkv.weight attn.proj.weight fc1.weight fc2.weight visual.head.weight", "-", "logit_scale"),
    mlp: (16, "5", "2.weight", "5.weight", "5.bias"),
}


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_the_kinds_of_the_zoo(make):
    width, output, hidden, outputs, fixed = KINDS[make]
    sgd, adam = (factors(make(), width, output, update) for update in ("sgd", "adam"))
    ratio = width / 4
    for name in sgd:
        kind = next(
            (
                kind
                for kind, ends in (("hidden", hidden), ("output", outputs), ("fixed", fixed))
                if name.endswith(tuple(ends.split()))
            ),
            "input",
        )
        assert sgd[name] == {"input": ratio, "hidden": 1, "output": 1 / ratio, "fixed": 1}[kind], name
        assert adam[name] == {"input": 1, "hidden": 1 / ratio, "output": 1 / ratio, "fixed": 1}[kind], name


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


def test_odd_shapes():
    found = factors(Odd(), 16, "-")
    assert {name.removesuffix(".weight") for name, factor in found.items() if factor == 0.25} == {
        "experts", "grouped", "up", "lora_a",
    }  # fmt: skip


def test_the_base_model_keeps_its_lr():
    assert {*factors(mlp(), 16, "5", base_width=16).values()} == {1.0}


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
    scale = mup_factors(owned_parameters(net), Mup(64, width), update, lambda p: p.name[0] == "4", is_embedding)
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
        (mlp(), 64, "param_groups.mup.width=64: no hidden matrix has so many inputs; the widest has 16"),
        (
            lazy_mlp(),
            16,
            "param_groups.mup: 0.weight has no shape yet; run a batch through the module before that",
        ),
    ],
)
def test_errors(module, width, message):
    with pytest.raises(ConfigError) as error:
        factors(module, width, "5")
    assert message in str(error.value)


def test_no_rule_for_trust_ratios():
    with pytest.raises(ConfigError, match=r"param_groups.mup: Lamb sets the length of its steps; no rule"):
        update_rule(type("Lamb", (torch.optim.Optimizer,), {}))
