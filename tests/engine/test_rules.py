"""Each rule against its paper: independent trajectories in float64, and torch's own classes."""

import math
import sys

import numpy as np
import pytest
import torch

from _support.references.rule_cases import CASES
from lit_optim.optimizers import SGDW
from lit_optim.optimizers.adam import Adam
from lit_optim.optimizers.compiled import Adadelta, Adamax, NAdam, RAdam, RMSprop

STEPS = 100
LOOKED_AT = (1, 2, 3, 10, 100)
SHAPES = [[(3, 5), (7,)], [(2, 2, 2), ()]]  # of two groups
SHARE = 0.3  # the lr of the second group, as a share of the first one's


def problem(dtype=torch.float64):
    """Weights and gradients of all steps; elements of a gradient differ in size by 1000."""
    generator = torch.Generator().manual_seed(3)
    groups = [[torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes] for shapes in SHAPES]
    scales = [[10 ** torch.empty_like(w).uniform_(-2, 1, generator=generator) for w in group] for group in groups]
    gradients = [
        [[torch.randn(w.shape, generator=generator, dtype=torch.float64) * s for w, s in zip(*pair, strict=True)] for pair in zip(groups, scales, strict=True)]
        for _ in range(STEPS)
    ]  # fmt: skip
    if dtype is not torch.float64:  # what the reference sees is what the optimizer sees
        groups = [[w.to(dtype) for w in group] for group in groups]
        gradients = [[[g.to(dtype) for g in group] for group in step] for step in gradients]
    return groups, gradients


def factors(schedule):
    return [1.0 if schedule == "constant" else 0.5 * (1 + math.cos(math.pi * t / STEPS)) for t in range(STEPS)]


def on_paper(case, schedule, weight_decay, dtype=torch.float64):
    """The weights of both groups after each step, by the paper."""
    weights, gradients = problem(dtype)
    paths = []
    for i, group in enumerate(weights):
        lr = case.lr * (SHARE if i else 1)
        for j, w in enumerate(group):
            history = [step[i][j].double().numpy() for step in gradients]
            more = {"base_lr": lr} if "AdaBound" in case.cls.__name__ else {}
            lrs = [lr * factor for factor in factors(schedule)]
            paths.append(list(case.on_paper(w.double().numpy(), history, lrs, weight_decay=weight_decay, **more)))
    return [[path[t - 1] for path in paths] for t in range(1, STEPS + 1)]


def trained(case, schedule, weight_decay, dtype=torch.float64, **more):
    """The same by the optimizer."""
    weights, gradients = problem(dtype)
    groups = [[torch.nn.Parameter(w.clone()) for w in group] for group in weights]
    params = [p for group in groups for p in group]
    lrs = [case.lr, case.lr * SHARE]
    arguments = [{"params": group, "lr": lr} for group, lr in zip(groups, lrs, strict=True)]
    optimizer = case.build(arguments, weight_decay=weight_decay, **more)
    path = []
    for factor, step in zip(factors(schedule), gradients, strict=True):
        for group, lr in zip(optimizer.param_groups, lrs, strict=True):
            group["lr"] = lr * factor
        for p, g in zip(params, [g for group in step for g in group], strict=True):
            p.grad = g.clone()
        optimizer.step()
        path.append([p.detach().double().numpy().copy() for p in params])
    return path


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(
    ("dtype", "rtol", "atol"), [(torch.float64, 1e-10, 1e-13), (torch.float32, 1e-5, 1e-5)], ids=["f64", "f32"]
)
def test_trajectory_is_the_papers(name, schedule, weight_decay, dtype, rtol, atol):
    case = CASES[name]
    expected = on_paper(case, schedule, weight_decay, dtype)
    found = trained(case, schedule, weight_decay, dtype)
    for t in LOOKED_AT:
        for one, other in zip(found[t - 1], expected[t - 1], strict=True):
            np.testing.assert_allclose(one, other, rtol=rtol, atol=atol, err_msg=f"step {t}")


@pytest.mark.slow
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("name", CASES)
def test_compiled_is_eager(name, weight_decay):
    case = CASES[name]
    for dtype, tolerance in ((torch.float32, 1e-6), (torch.float64, 1e-13)):
        eager = trained(case, "cosine", weight_decay, dtype)
        compiled = trained(case, "cosine", weight_decay, dtype, compile=True)
        for t in LOOKED_AT:
            for one, other in zip(compiled[t - 1], eager[t - 1], strict=True):
                np.testing.assert_allclose(one, other, rtol=tolerance * t**0.5, atol=tolerance * t**0.5)


def test_the_bounds_bite():
    """Otherwise the trajectories of AdaBound would be Adam's: at the end every step is that of SGD with final_lr."""
    case = CASES["AdaBound"]
    p = torch.nn.Parameter(torch.zeros(4, dtype=torch.float64))
    optimizer = case.build([p], lr=0.5, gamma=10.0)
    for _ in range(10_000):
        p.grad = torch.tensor([1e-3, 1.0, 10.0, -5.0], dtype=torch.float64)
        before = p.detach().clone()
        optimizer.step()
    torch.testing.assert_close(before - p.detach(), 0.03 * p.grad, rtol=1e-4, atol=0)


TORCHS = {
    "NAdam": (NAdam, torch.optim.NAdam, {}),
    "NAdam, decoupled": (NAdam, torch.optim.NAdam, {"decoupled_weight_decay": True, "momentum_decay": 0.1}),
    "RAdam": (RAdam, torch.optim.RAdam, {}),
    "RAdam, decoupled": (RAdam, torch.optim.RAdam, {"decoupled_weight_decay": True}),
    "RAdam, never rectified": (RAdam, torch.optim.RAdam, {"betas": (0.9, 0.6)}),
    "RMSprop": (RMSprop, torch.optim.RMSprop, {}),
    "RMSprop, momentum": (RMSprop, torch.optim.RMSprop, {"momentum": 0.9}),
    "RMSprop, centered": (RMSprop, torch.optim.RMSprop, {"centered": True, "eps": 1e-3}),
    "RMSprop, both": (RMSprop, torch.optim.RMSprop, {"centered": True, "momentum": 0.9, "eps": 1e-3}),
    "Adadelta": (Adadelta, torch.optim.Adadelta, {}),
    "Adamax": (Adamax, torch.optim.Adamax, {}),
    "Adam": (Adam, torch.optim.Adam, {}),
    "AMSGrad": (Adam, torch.optim.Adam, {"amsgrad": True, "betas": (0.9, 0.9)}),
}


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("name", TORCHS)
def test_equals_torchs_own_class(name, weight_decay, maximize, monkeypatch):
    ours, theirs, options = TORCHS[name]
    if "NAdam" in name:  # torch keeps the product of momenta in the default dtype
        monkeypatch.setattr(sys.modules["torch.optim.nadam"], "_get_scalar_dtype", lambda: torch.float64)
    weights, gradients = problem()
    ends = []
    for cls in (ours, theirs):
        params = [torch.nn.Parameter(w.clone()) for group in weights for w in group]
        more = {"compile": False} if cls is ours else {"foreach": False}
        optimizer = cls(params, lr=0.01, weight_decay=weight_decay, maximize=maximize, **options, **more)
        for step in gradients:
            for p, g in zip(params, [g for group in step for g in group], strict=True):
                p.grad = g.clone()
            optimizer.step()
        ends.append(params)
    for one, other in zip(*ends, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_adamw_equals_torchs(weight_decay, amsgrad):
    weights, gradients = problem()
    ends = []
    for cls, more in ((Adam, {"decoupled": True}), (torch.optim.AdamW, {})):
        params = [torch.nn.Parameter(w.clone()) for group in weights for w in group]
        optimizer = cls(params, lr=0.01, weight_decay=weight_decay, amsgrad=amsgrad, **more)
        for step in gradients:
            for p, g in zip(params, [g for group in step for g in group], strict=True):
                p.grad = g.clone()
            optimizer.step()
        ends.append(params)
    for one, other in zip(*ends, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("options", [{"nesterov": True}, {"dampening": 0.4}])
def test_sgdw_goes_on_as_torchs_sgd(options):
    """Its state dict says all that SGD asks for."""
    p, q = torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(3))
    ours, reference = SGDW([p], lr=0.1, momentum=0.9, **options), torch.optim.SGD([q], lr=0.1, momentum=0.9, **options)
    theirs = torch.optim.SGD([p], lr=0.5)
    for optimizer in (ours, ours, theirs):
        p.grad = q.grad = torch.tensor([1.0, -2.0, 0.5])
        if optimizer is theirs:
            theirs.load_state_dict(ours.state_dict())
        optimizer.step()
        reference.step()
    torch.testing.assert_close(p, q)


def test_sgdw_without_decay_is_torchs_sgd():
    weights, gradients = problem()
    for options in ({"nesterov": False}, {"nesterov": True}, {"dampening": 0.4}):
        ends = []
        for cls in (SGDW, torch.optim.SGD):
            params = [torch.nn.Parameter(w.clone()) for group in weights for w in group]
            optimizer = cls(params, lr=0.01, momentum=0.9, **options)
            for step in gradients:
                for p, g in zip(params, [g for group in step for g in group], strict=True):
                    p.grad = g.clone()
                optimizer.step()
            ends.append(params)
        for one, other in zip(*ends, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)
