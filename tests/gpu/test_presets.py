"""Every preset steps on a GPU, and goes where it goes on a CPU."""

import warnings

import pytest
import torch

import lit_optim
from _support.problem import Problem, weights
from conftest import CONF, OPTIMIZERS
from lit_optim.config.capabilities import capabilities

# what is computed in 16 or 32 bits whatever the parameters are, or in an eigenbasis, whose signs are anybody's
COARSE = {
    **dict.fromkeys(("muon", "muon_adamw", "muon_nadamw"), 2e-2),
    **dict.fromkeys(("soap", "soap_adamw", "shampoo"), 1e-3),
}
NO_FLOAT64 = dict.fromkeys((*COARSE, "adafactor", "came"), "the package computes in 32 bits")
PRODUCTS_IN_32_BITS = ("nadam", "nadamw", "asgd")  # torch keeps them so, with other roundings on a GPU


def trained(name, device, dtype, **overrides):
    torch.manual_seed(0)
    problem = Problem(name).to(dtype).to(device)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of packages about themselves
        optimizer = lit_optim.build_optimizer(name, problem, **overrides)
        for _ in range(10):
            problem.step(optimizer)
    return weights(problem).double().cpu()


def compiles(name):
    return "\ncompile:" in (CONF / "optimizer" / f"{name}.yaml").read_text(encoding="utf-8")


# 20 iterations a step multiply a last digit by a million
FIXED = {"lbfgs": {"max_iter": 1}}
CASES = [(name, FIXED.get(name, {})) for name in OPTIMIZERS] + [
    (name, {"compile": True}) for name in OPTIMIZERS if compiles(name)
]


@pytest.mark.parametrize(("name", "overrides"), CASES, ids=[f"{n}{'-compiled' * ('compile' in o)}" for n, o in CASES])
def test_equals_its_cpu_trajectory(name, overrides):
    uncompiled = {"compile": False} if compiles(name) else overrides
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-10)):
        if dtype is torch.float64 and name in NO_FLOAT64:
            continue
        in_32_bits = 1e-6 if name in PRODUCTS_IN_32_BITS else 0.0
        expected = trained(name, "cpu", dtype, **uncompiled)
        assert expected.isfinite().all()
        difference = (trained(name, "cuda", dtype, **overrides) - expected).abs().max() / expected.abs().max()
        assert difference <= max(tolerance, in_32_bits, COARSE.get(name, 0.0)), f"{dtype}: {difference:.1e}"


@pytest.mark.parametrize("name", ["adam", "adamw", "amsgrad", "sgd", "momentum", "nesterov"])
def test_fused_is_chosen(name):
    for dtype in (torch.float32, torch.bfloat16):
        optimizer = lit_optim.build_optimizer(name, torch.nn.Linear(3, 3).to(dtype).cuda())
        assert optimizer.param_groups[0]["fused"] is True, dtype


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_cpu_checkpoint_goes_on_on_a_gpu_and_back(name):
    if capabilities(name).second_order:
        pytest.skip("its random numbers for the curvature are other ones on a GPU")
    uncompiled = {"compile": False} if compiles(name) else FIXED.get(name, {})

    def begin(device):
        torch.manual_seed(0)
        problem = Problem(name).to(device)
        return problem, lit_optim.build_optimizer(name, problem, **uncompiled)

    def step(problem, optimizer, times=4):
        for _ in range(times):
            problem.step(optimizer)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        unbroken, its = begin("cpu")
        step(unbroken, its, 12)
        problem, optimizer = begin("cpu")
        step(problem, optimizer)
        for device in ("cuda", "cpu"):
            model, state = problem.state_dict(), optimizer.state_dict()
            problem, optimizer = begin(device)
            problem.load_state_dict(model)
            optimizer.load_state_dict(state)
            step(problem, optimizer)
    expected = weights(unbroken)
    tolerance = max(1e-5, COARSE.get(name, 0.0))
    assert (weights(problem) - expected).abs().max() <= tolerance * expected.abs().max()
