"""Our own rules on a GPU: flat buckets and large tensors, layouts, groups; against the CPU, which the papers judge."""

import pytest
import torch

from _support.references.rule_cases import CASES
from lit_optim.engine import flat_bucket

STEPS = 4
LARGE = 3000  # elements, with the limits lowered


@pytest.fixture(autouse=True)
def _low_limits(monkeypatch):
    monkeypatch.setattr(flat_bucket, "DEVICE_SMALL", 1000)
    monkeypatch.setattr(flat_bucket, "DEVICE_SMALL_COMPILED", 1000)


def tensors(dtype, device):
    """Of one group each: scalars and small ones, a large one; a channels-last one, one with gaps, one off by an element."""
    generator = torch.Generator().manual_seed(1)

    def random(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    first = [random(3, 5), random(()), random(LARGE), random(40, 50)]
    second = [random(8, 4, 10, 10).to(memory_format=torch.channels_last), random(60, 60)[:, ::2], random(LARGE + 1)[1:]]
    moved = [[t.to(device) for t in first], [t.to(device) for t in second]]
    if device != "cpu":
        whole = torch.zeros(LARGE + 1, dtype=dtype, device=device)
        whole[1:] = second[2].to(device)
        moved[1][2] = whole[1:]  # not aligned to 16 bytes
        gaps = torch.zeros(60, 60, dtype=dtype, device=device)
        gaps[:, ::2] = second[1].to(device)
        moved[1][1] = gaps[:, ::2]
    return moved


def trained(case, dtype, device, **more):
    groups = [[torch.nn.Parameter(t) for t in group] for group in tensors(dtype, device)]
    arguments = [{"params": groups[0]}, {"params": groups[1], "lr": case.lr / 3, "weight_decay": 0.1}]
    optimizer = case.build(arguments, weight_decay=0.05, **more)
    generator = torch.Generator().manual_seed(2)
    for t in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] *= 0.9  # as a schedule does
        for p in [p for group in groups for p in group]:
            p.grad = torch.randn(p.shape, generator=generator, dtype=torch.float64).to(dtype).to(device)
        if t == 2:
            groups[0][1].grad = None
        optimizer.step()
    return [p.detach().double().cpu() for group in groups for p in group]


DTYPES = {"f32": torch.float32, "f64": torch.float64, "bf16": torch.bfloat16}
RUNS = [(name, dtype, False) for name in CASES for dtype in DTYPES]
RUNS += [
    (name, "f64", True) for name in CASES
]  # kernels differ by the rule; the rest is the driver's, and alike for all
RUNS += [(name, dtype, True) for name in ("AdaBound", "SGDW") for dtype in ("f32", "bf16")]


@pytest.mark.parametrize(("name", "dtype", "compile"), RUNS)
def test_equals_the_cpu(name, dtype, compile):
    dtype = DTYPES[dtype]
    tolerance = {torch.float32: 1e-5, torch.float64: 1e-10, torch.bfloat16: 1e-2}[dtype]
    for found, expected in zip(
        trained(CASES[name], dtype, "cuda", compile=compile), trained(CASES[name], dtype, "cpu"), strict=True
    ):
        assert (found - expected).abs().max() <= tolerance * max(1.0, expected.abs().max())


def test_a_tensor_beyond_the_limit_of_a_call(monkeypatch):
    monkeypatch.setattr("lit_optim.engine.run_rule.INDEX_LIMIT", 1000)
    monkeypatch.setattr("lit_optim.engine.run_rule.DEVICE_BLOCK", 1000)
    expected = trained(CASES["AdaBound"], torch.float64, "cpu")
    for compile in (False, True):
        for found, right in zip(
            trained(CASES["AdaBound"], torch.float64, "cuda", compile=compile), expected, strict=True
        ):
            assert torch.allclose(found, right, rtol=1e-10, atol=1e-12)


def test_launches_do_not_grow_with_the_size_of_a_tensor():
    """Blocks are for a CPU's cache: a matrix of 16 million elements is one call."""

    def launches(n):
        p = torch.nn.Parameter(torch.ones(n, device="cuda"))
        p.grad = torch.ones_like(p)
        optimizer = CASES["AdaBound"].build([p])
        optimizer.step()
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA], acc_events=True) as profile:
            optimizer.step()
            torch.cuda.synchronize()
        return sum(event.count for event in profile.key_averages() if event.self_device_time_total > 0)

    assert launches(1 << 24) == launches(1 << 14) <= 12
