"""Health on a GPU: the sums of the CPU, and no waiting in steps that are not measured."""

import copy

import pytest
import torch

import lit_optim
from _support.no_waiting import no_waiting
from lit_optim.callbacks.health.step_probe import StepProbe


def net():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.LayerNorm(64), torch.nn.Linear(64, 8))


def step(model, optimizer, probe, at, every):
    optimizer.zero_grad()
    model(torch.ones(4, 64, device=next(model.parameters()).device)).square().mean().backward()
    if probe.begin(at, every):
        probe.read_gradients()
    optimizer.step()


@pytest.mark.parametrize("name", ["adamw", "momentum", "muon_adamw"])
def test_sums_of_the_cpu(name):
    found = []
    models = net(), copy.deepcopy(net()).cuda()
    for model in models:
        optimizer = lit_optim.build_optimizer(name, model, param_groups="no_decay")
        probe = StepProbe(optimizer, found.append, print)
        probe.arm()
        for at in range(3):
            step(model, optimizer, probe, at, 1)
        probe.detach()
    on_cpu, on_gpu = found[:3], found[3:]
    for expected, sums in zip(on_cpu, on_gpu, strict=True):
        for group, other in zip(expected, sums, strict=True):
            assert other == pytest.approx(group, rel=0.02 if name == "muon_adamw" else 1e-3)


def test_no_waiting_between_measured_steps():
    model = net().cuda()
    optimizer = lit_optim.build_optimizer("adamw", model)
    probe = StepProbe(optimizer, lambda sums: None, print)
    probe.count_steps_taken()
    for at in range(21):
        step(model, optimizer, probe, at, 50)
    with no_waiting():
        for at in range(21, 48):
            step(model, optimizer, probe, at, 50)
    probe.detach()
