"""State of one class for another: every pair of presets by the table, and the next step against float64 on paper."""

import copy
import functools
import math
import warnings

import pytest
import torch

import lit_optim
from _support.declared_state import Declared, same
from conftest import OPTIMIZERS
from lit_optim.config.read import presets
from lit_optim.optimizers import SWATS
from lit_optim.state_loading.translate import translated

# what is documented: which classes take each other's state; any other takes that of its own name, third parties' none
ADAMS = {"Adam", "AdamW", "NAdam", "RAdam", "AdaBound", "AdaBoundW", "SWATS"}
SGDS = {"SGD", "SGDW"}
BEFORE = 4


def target(name):
    return presets.load_preset("optimizer", name)["_target_"]


def is_ours(name):
    return target(name).partition(".")[0] in ("torch", "lit_optim")


ONES = [name for name in OPTIMIZERS if is_ours(name) and "Composite" not in target(name) and "lbfgs" not in name]


def built(name):
    """A net of the kind that the preset needs, in float64, and its optimizer."""
    compile = {"compile": False} if "compile" in presets.load_preset("optimizer", name) else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = Declared(name).double()
        return net, lit_optim.build_optimizer(name, net, **compile)


@functools.cache
def saved(name):
    net, optimizer = built(name)
    for step in range(BEFORE):
        for p in net.parameters():
            p.grad = gradient(p, step)
            p.grad = p.grad.to_sparse() if net.needs.sparse else p.grad
        optimizer.step()
    return optimizer.state_dict()


def gradient(p, step):
    return torch.randn(p.shape, generator=torch.Generator().manual_seed(100 * step + p.numel()), dtype=p.dtype)


def is_translated(source, to):
    classes = [target(name).rpartition(".")[2] for name in (source, to)]
    if "SGD" in classes and any(presets.load_preset("optimizer", name).get("momentum") == 0 for name in (source, to)):
        return False  # without momentum there is no state
    return classes[0] == classes[1] or set(classes) <= ADAMS or set(classes) <= SGDS


def on_paper(name, w, g, state, group):
    """The weights after one step of a class from a state, in float64; as torch and the papers have it."""
    g, w = g.double(), w.double()
    decoupled = any(group.get(key) for key in ("decoupled", "decoupled_weight_decay")) or name in (
        "AdamW",
        "AdaBoundW",
        "SGDW",
    )
    lr, decay = group["lr"], group["weight_decay"]
    g, w = (g, w * (1 - lr * decay)) if decoupled else (g + decay * w, w)
    if name in SGDS:
        b = group["momentum"] * state["momentum_buffer"].double() + (1 - group["dampening"]) * g
        return w - lr * (g + group["momentum"] * b if group["nesterov"] else b)
    (b1, b2), t = group["betas"], float(state["step"]) + 1
    m = b1 * state["exp_avg"].double() + (1 - b1) * g
    before = state["exp_avg_sq"].double()
    v = b2 * before + (1 - b2) * g * g
    if group.get("amsgrad") or group.get("amsbound"):
        v = torch.maximum(v, state.get("max_exp_avg_sq", before).double())
    c1, c2 = 1 - b1**t, 1 - b2**t
    if name in ("AdaBound", "AdaBoundW"):
        size = lr * math.sqrt(c2) / c1 / (v.sqrt() + group["eps"])
        bounds = [group["final_lr"] * (1 + f) for f in (-1 / (group["gamma"] * t + 1), 1 / (group["gamma"] * t))]
        return w - size.clamp(*bounds) * m
    if name == "NAdam":
        mus = [b1 * (1 - 0.5 * 0.96 ** (i * group["momentum_decay"])) for i in range(1, int(t) + 2)]
        mixed = (1 - mus[-2]) * g / (1 - math.prod(mus[:-1])) + mus[-1] * m / (1 - math.prod(mus))
        return w - lr * mixed / ((v / c2).sqrt() + group["eps"])
    if name == "RAdam":
        longest = 2 / (1 - b2) - 1
        rho = longest - 2 * t * b2**t / c2
        if rho <= 5:
            return w - lr * m / c1
        r = math.sqrt((rho - 4) * (rho - 2) * longest / ((longest - 4) * (longest - 2) * rho))
        return w - lr * r * (m / c1) * math.sqrt(c2) / (v.sqrt() + group["eps"])
    eps = group["eps"] / math.sqrt(c2) if group.get("eps_placement") == "paper" else group["eps"]
    return w - lr * (m / c1) / ((v / c2).sqrt() + eps)


@pytest.mark.parametrize("source", ONES)
def test_every_pair_is_translated_or_fresh_as_documented_and_takes_the_step_on_paper(source):
    for to in ONES:
        net, optimizer = built(to)
        state, before = copy.deepcopy(saved(source)), saved(source)  # torch steps in the tensors that it loads
        if [tuple(p.shape) for p in net.parameters()] != [tuple(p.shape) for p in built(source)[0].parameters()]:
            continue
        found = translated(state, target(source), optimizer)
        assert (found is not None) == is_translated(source, to), (source, to)
        assert same(before, state)
        if found is None:
            continue
        hyper = {k: v for k, v in optimizer.param_groups[0].items() if k not in ("params", "param_names")}
        assert {k: found["param_groups"][0][k] for k in hyper} == hyper
        optimizer.load_state_dict(found)
        name = target(to).rpartition(".")[2]
        weights = [p.detach().clone() for p in net.parameters()]
        for p in net.parameters():
            p.grad = gradient(p, BEFORE)
            p.grad = p.grad.to_sparse() if net.needs.sparse else p.grad
        optimizer.step()
        if name not in ADAMS | SGDS:
            continue
        for i, (p, w) in enumerate(zip(net.parameters(), weights, strict=True)):
            expected = on_paper(name, w, gradient(p, BEFORE), before["state"][i], hyper)
            torch.testing.assert_close(p.detach(), expected, rtol=1e-6, atol=1e-9)


def one(cls, **options):
    p = torch.nn.Parameter(torch.ones(2, dtype=torch.float64))
    return p, cls([p], **options)


def test_swats_after_its_switch_is_sgd():
    p, swats = one(SWATS, lr=0.1, min_steps=100)
    for step in range(6):
        p.grad = torch.tensor([1.0, 2.0], dtype=torch.float64)
        if step == 3:
            assert swats.switch()
        swats.step()
    assert translated(swats.state_dict(), "SWATS", torch.optim.Adam([p])) is None
    buffer = translated(swats.state_dict(), "SWATS", torch.optim.SGD([p], lr=0.1, momentum=0.9))["state"][0]
    assert [*buffer] == ["momentum_buffer"]  # after three steps of SGD with one gradient: 1 + 0.9 + 0.81 times it
    torch.testing.assert_close(buffer["momentum_buffer"], torch.tensor([2.71, 5.42], dtype=torch.float64))


def test_the_other_sign_of_maximize_another_class_of_that_name_and_lbfgs_are_fresh():
    p, adam = one(torch.optim.Adam)
    p.grad = torch.ones_like(p)
    adam.step()
    assert translated(adam.state_dict(), "Adam", torch.optim.AdamW([p], maximize=True)) is None
    assert translated(adam.state_dict(), "somewhere.Adam", torch.optim.AdamW([p])) is None
    assert translated(adam.state_dict(), "LBFGS", torch.optim.LBFGS([p])) is None


def test_second_weights_of_averages_are_kept_and_other_groups_are_rejected():
    p, adam = one(torch.optim.Adam)
    p.grad = torch.ones_like(p)
    adam.step()
    adam.state[p]["slow"] = torch.full_like(p, 3.0)
    found = translated(adam.state_dict(), "Adam", torch.optim.NAdam([p]))
    assert sorted(found["state"][0]) == ["exp_avg", "exp_avg_sq", "mu_product", "slow", "step"]
    with pytest.raises(lit_optim.ConfigError, match="parameters in its param groups, and this one"):
        translated(adam.state_dict(), "Adam", torch.optim.AdamW([p, torch.nn.Parameter(torch.ones(1))]))
