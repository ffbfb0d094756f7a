"""SWATS on a GPU: its dot products, and the step of its switch, which is one later than on a CPU."""

import copy
import pickle

import numpy as np
import pytest
import torch

from lit_optim.optimizers import SWATS

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["f32", "f64"])
COMPILE = pytest.mark.parametrize("compile", [False, True], ids=["eager", "compiled"])


def gradients(t, shapes):
    generator = torch.Generator().manual_seed(100 + t)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) + 1.0 for shape in shapes]


SHAPES = [(300, 200), (7,), (), (50, 3)]


def begin(device, dtype, **options):
    generator = torch.Generator().manual_seed(0)
    params = [
        torch.nn.Parameter(torch.randn(s, generator=generator, dtype=torch.float64).to(dtype).to(device))
        for s in SHAPES
    ]
    return params, SWATS(params, **{"lr": 1e-2, "eps": 1e-8, "switch_tol": 0.0, **options})


def step(params, optimizer, t):
    for p, g in zip(params, gradients(t, SHAPES), strict=True):
        p.grad = g.to(p)
    optimizer.step()


@DTYPES
@COMPILE
def test_the_dot_products_are_those_of_all_elements(dtype, compile):
    """gamma by NumPy, from the weights before and after."""
    params, optimizer = begin("cuda", dtype, compile=compile)
    for t in range(5):
        before = [p.detach().double().cpu().numpy() for p in params]
        step(params, optimizer, t)
        optimizer.state_dict()  # what has arrived is in the groups, and not looked at
        taken = [p.detach().double().cpu().numpy() - b for p, b in zip(params, before, strict=True)]
        pp, pg, lr, active = optimizer.param_groups[0]["unseen"]
        assert (lr, active) == (1e-2, True)
        coarse = (
            1e-10 if dtype is torch.float64 else 2e-4
        )  # the difference of weights has lost digits, our step has not
        assert pp == pytest.approx(sum(float(np.sum(p * p)) for p in taken), rel=coarse)
        grads = [g.to(dtype).double().numpy() for g in gradients(t, SHAPES)]
        assert pg == pytest.approx(sum(float(np.sum(p * g)) for p, g in zip(taken, grads, strict=True)), rel=coarse)


@DTYPES
@COMPILE
def test_switches_one_step_after_a_cpu(dtype, compile):
    def run(device, steps=14, **options):
        params, optimizer = begin(device, dtype, switch_rtol=0.05, min_steps=4, **options)
        phases = []
        for t in range(steps):
            step(params, optimizer, t)
            phases.append(optimizer.param_groups[0]["phase"])
        return phases, optimizer.param_groups[0]

    on_cpu, its = run("cpu")
    on_gpu, group = run("cuda", compile=compile)
    assert "sgd" in on_cpu[3:9]
    assert on_gpu.index("sgd") == on_cpu.index("sgd") + 1
    assert group["switched_at"] == its["switched_at"] + 1 == on_gpu.index("sgd") + 1
    assert group["sgd_lr"] == pytest.approx(its["sgd_lr"], rel=1e-5)
    assert group["unseen"] is None


def test_switch_looks_at_what_is_there():
    (_, on_cpu), (_, on_gpu) = pair = [begin(device, torch.float64) for device in ("cpu", "cuda")]
    for t in range(3):
        for params, optimizer in pair:
            step(params, optimizer, t)
    assert [on_cpu.switch(), on_gpu.switch()] == [True, True]
    for key in ("k", "switched_at", "phase"):
        assert on_gpu.param_groups[0][key] == on_cpu.param_groups[0][key]
    assert on_gpu.param_groups[0]["lr"] == pytest.approx(on_cpu.param_groups[0]["lr"], rel=1e-10)


@COMPILE
@pytest.mark.parametrize("way", ["state_dict", "pickle", "deepcopy"])
def test_goes_on_to_the_bit_from_every_step(way, compile):
    options = dict(switch_rtol=0.05, min_steps=4, compile=compile)

    def run(params, optimizer, first, last=12):
        for t in range(first, last):
            step(params, optimizer, t)
        return torch.cat([p.detach().flatten() for p in params]), optimizer.param_groups[0]["phase"]

    whole, phase = run(*begin("cuda", torch.float32, **options), 0)
    assert phase == "sgd"
    params, optimizer = begin("cuda", torch.float32, **options)
    for t in range(11):
        step(params, optimizer, t)
        if way == "deepcopy":
            others, other = copy.deepcopy((params, optimizer))
        elif way == "pickle":
            others, other = pickle.loads(pickle.dumps((params, optimizer)))
        else:
            others, other = begin("cuda", torch.float32, **options)
            with torch.no_grad():
                for mine, its in zip(others, params, strict=True):
                    mine.copy_(its)
            other.load_state_dict(pickle.loads(pickle.dumps(optimizer.state_dict())))
        found, _ = run(others, other, t + 1)
        assert torch.equal(found, whole), t
