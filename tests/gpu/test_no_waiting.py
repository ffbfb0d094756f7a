"""No step and no hook of ours makes the host wait for the GPU."""

import pytest
import torch

import lit_optim
from _support.no_waiting import no_waiting
from _support.references.rule_cases import CASES
from lit_optim.gradients import Agc, Centralize, Noise
from lit_optim.optimizers import SWATS, ExponentialMovingAverage, Lookahead

TORCHS = (
    "muon_adamw",
    "adam",
    "adamw",
    "amsgrad",
    "adagrad",
    "sgd",
    "momentum",
    "nesterov",
    "nadam",
    "radam",
    "rmsprop",
    "adadelta",
)


def net():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.LayerNorm(64), torch.nn.Linear(64, 8)).cuda()


def step(model, optimizer, scheduler=None):
    optimizer.zero_grad()
    model(torch.ones(4, 64, device="cuda")).square().mean().backward()
    optimizer.step()
    if scheduler is not None:
        scheduler.step()


def quietly(model, optimizer, scheduler=None):
    for _ in range(3):
        step(model, optimizer, scheduler)
    with no_waiting():
        for _ in range(6):
            step(model, optimizer, scheduler)


@pytest.mark.parametrize("name", TORCHS)
def test_presets_of_torch_with_a_schedule(name):
    model = net()
    optimizer = lit_optim.build_optimizer(name, model, param_groups="no_decay")
    scheduler = lit_optim.build_scheduler("warmup_cosine", optimizer, total_steps=20, warmup=4)
    quietly(model, optimizer, scheduler)


@pytest.mark.parametrize(
    ("name", "compile"), [(name, False) for name in CASES] + [(name, True) for name in ("AdaBound", "SGDW", "NAdam")]
)
def test_our_rules_with_groups_and_a_schedule(name, compile):
    model = net()
    groups = [{"params": [model[0].weight, model[2].weight]}, {"params": [*model[1].parameters()], "lr": 0.01}]
    optimizer = CASES[name].build(groups, compile=compile, weight_decay=0.1)
    scheduler = lit_optim.build_scheduler("warmup_cosine", optimizer, total_steps=20, warmup=4)
    quietly(model, optimizer, scheduler)


@pytest.mark.parametrize("compile", [False, True], ids=["eager", "compiled"])
def test_swats(compile):
    model = net()
    optimizer = SWATS(model.parameters(), lr=1e-3, switch_tol=0.0, compile=compile)
    quietly(model, optimizer)
    assert optimizer.param_groups[0]["k"] == 8, "one of the nine steps has not been looked at"
    assert optimizer.switch()
    assert optimizer.param_groups[0]["k"] == 9
    quietly(model, optimizer)


@pytest.mark.parametrize("attached", ["lookahead", "lookahead compiled", "pullback", "ema", "both"])
def test_second_weights(attached):
    model = net()
    optimizer = lit_optim.build_optimizer("adamw", model)
    if "ema" in attached or attached == "both":
        ExponentialMovingAverage().attach(optimizer)
    if attached != "ema":
        inner = "pullback" if attached == "pullback" else "maintain"
        Lookahead(k=2, inner_state=inner, compile="compiled" in attached).attach(optimizer)
    quietly(model, optimizer)


@pytest.mark.parametrize("transform", [Agc(), Centralize(), Noise()], ids=["agc", "centralize", "noise"])
def test_gradient_transforms(transform):
    model = net()
    optimizer = lit_optim.build_optimizer("adamw", model)
    transform.attach(optimizer, model)
    quietly(model, optimizer)
