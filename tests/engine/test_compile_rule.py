"""Compiled rules: how many, when again, and what happens without a compiler or without inductor's inner entrances."""

import os
import subprocess
import sys
import textwrap
import threading

import pytest
import torch

from lit_optim.engine import compile_rule as compile_rule_module
from lit_optim.engine.compile_rule import TRACED_LENGTH, compile_rule, compiled_kernels
from lit_optim.engine.flat_bucket import SMALL
from lit_optim.optimizers import SGDW, AdaBound
from lit_optim.optimizers.adam import Adam
from lit_optim.optimizers.compiled import Adamax

SIZES = [0, 1, 2, 7, 31, 32, 33, SMALL - 1, SMALL, 100_003, 2 * SMALL - 1, 2 * SMALL, 2 * SMALL + 1, TRACED_LENGTH + 1]


def pair(make, shapes, dtype=torch.float32):
    """The same problem twice: eager and compiled."""
    both = []
    for compile in (False, True):
        generator = torch.Generator().manual_seed(5)
        params = [
            torch.nn.Parameter(torch.randn(s, generator=generator, dtype=torch.float64).to(dtype)) for s in shapes
        ]
        both.append((make(params, compile=compile), params))
    return both


def step(optimizer, params, seed):
    generator = torch.Generator().manual_seed(100 + seed)
    for p in params:
        p.grad = torch.randn(p.shape, generator=generator, dtype=torch.float64).to(p.dtype)
    optimizer.step()


def add_scaled(p, g, scratch, factor, *, twice):
    """p = p + factor g, once or twice."""
    scratch.copy_(g).mul_(factor)
    p.add_(scratch)
    if twice:
        p.add_(scratch)
    return (scratch.double().sum(),)


@pytest.mark.slow
def test_the_entrance_to_inductor_is_the_one_we_know(recwarn):
    """Neither is public: if this fails under a new torch, mend `compile_rule._with_inductor`."""
    p, g = torch.arange(5.0), torch.ones(5)
    compiled = compile_rule(add_scaled, [p, g], torch.tensor([0.5]), twice=True)
    (total,) = compiled([p, g, torch.tensor([0.25])])
    assert p.tolist() == [0.5, 1.5, 2.5, 3.5, 4.5]
    assert total.item() == 1.25
    assert total.dtype is torch.float64
    assert g.tolist() == [1.0] * 5
    assert compile_rule(add_scaled, [p, g], torch.tensor([0.5]), twice=True) is compiled
    assert compile_rule(add_scaled, [p, g], torch.tensor([0.5]), twice=False) is not compiled
    assert not [w for w in recwarn if issubclass(w.category, RuntimeWarning)], "not the fall-back"


@pytest.mark.slow
def test_vectors_signs_and_sixteen_bits():
    p, g, factor = torch.zeros(3), torch.ones(3), torch.tensor([1.0, 2.0, 3.0])
    compile_rule(add_scaled, [p, g], torch.empty(0), (True,), negated=True, twice=False)([p, g, factor, torch.empty(0)])
    assert p.tolist() == [-1.0, -2.0, -3.0]
    assert g.tolist() == [1.0] * 3
    half, other = torch.ones(3, dtype=torch.bfloat16), torch.full((3,), 0.125, dtype=torch.bfloat16)
    compile_rule(add_scaled, [half, other], torch.tensor([1.0]), twice=False)([half, other, torch.tensor([1.0])])
    assert half.tolist() == [1.125] * 3


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.complex64])
def test_sizes(dtype):
    (eager, p), (compiled, q) = pair(Adam, SIZES, dtype)
    for seed in range(3):
        step(eager, p, seed)
        step(compiled, q, seed)
    tolerance = {torch.float64: 1e-13, torch.bfloat16: 1e-2}.get(dtype, 1e-6)
    for one, other in zip(p, q, strict=True):
        torch.testing.assert_close(other, one, rtol=tolerance, atol=tolerance)


@pytest.mark.slow
def test_layouts():
    """The kernel checks no strides and no dtypes: tensors in another layout must not reach it."""

    def weights(compile):
        generator = torch.Generator().manual_seed(5)
        large = torch.randn(4, 3, 90, 90, generator=generator)
        made = [large.to(memory_format=torch.channels_last), large.clone(), large.transpose(0, 1).contiguous().transpose(0, 1), torch.randn(4 * SMALL, generator=generator)[::2],
                torch.randn(3, 2 * SMALL, generator=generator)[:, 7:], torch.randn(3 * SMALL + 1, generator=generator)[1:]]  # fmt: skip
        params = [torch.nn.Parameter(w) for w in made]
        return Adam(params, compile=compile, maximize=True), params

    (eager, ps), (compiled, qs) = weights(False), weights(True)
    for seed in range(4):
        if seed == 2:
            for params, optimizer in ((ps, eager), (qs, compiled)):
                params[1].data = params[1].data.to(memory_format=torch.channels_last)
                optimizer.state[params[5]]["exp_avg"] = optimizer.state[params[5]]["exp_avg"].double()
        for params in (ps, qs):
            generator = torch.Generator().manual_seed(seed)
            for p in params:
                g = torch.randn(p.numel(), generator=generator).view(p.shape)
                p.grad = g if seed % 2 else g.transpose(0, -1).contiguous().transpose(0, -1)
        eager.step()
        compiled.step()
    for p, q in zip(ps, qs, strict=True):
        torch.testing.assert_close(q, p, rtol=1e-6, atol=1e-6)


@pytest.mark.slow
def test_one_kernel_for_all_lrs_models_and_optimizers():
    make = [Adam, AdaBound, SGDW, Adamax]
    models = [[(3, 4), (5,)], [(SMALL + 3,)], [(2 * SMALL,), (7,), ()], [(1,)]]
    before = compiled_kernels()
    for cls in make:
        optimizers = []
        for shapes in models:
            params = [torch.nn.Parameter(torch.ones(s)) for s in shapes]
            optimizers.append((cls(params, compile=True), params))
        if cls is make[0]:
            step(*optimizers[0], 0)
            first = compiled_kernels() - before
            assert first <= 1, "0 if another test has compiled it"
        for t in range(250):
            for optimizer, params in optimizers:
                optimizer.param_groups[0]["lr"] = 0.1 / (1 + t)
                for i, p in enumerate(params):
                    p.grad = None if (t + i) % 5 == 0 and len(params) > 1 else torch.ones(p.shape)
                optimizer.step()
    assert compiled_kernels() - before <= len(make)


@pytest.mark.slow
def test_groups_that_share_a_call():
    def make(params, compile):
        return AdaBound(
            [{"params": [p], "lr": 0.01 * (i + 1), "weight_decay": 0.1 * (i % 2)} for i, p in enumerate(params)],
            compile=compile,
        )

    (eager, p), (compiled, q) = pair(make, [(3,), (SMALL + 1,), (4, 4), (7,)])
    for seed in range(3):
        step(eager, p, seed)
        step(compiled, q, seed)
    for one, other in zip(p, q, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-6, atol=1e-6)


@pytest.mark.slow
def test_another_number_of_threads():
    (eager, p), (compiled, q) = pair(SGDW, [(TRACED_LENGTH + 7,), (5,)])
    for seed, threads in enumerate((1, 2, 1, 2)):
        torch.set_num_threads(threads)
        step(eager, p, seed)
        step(compiled, q, seed)
    for one, other in zip(p, q, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-6, atol=1e-6)


@pytest.mark.slow
def test_continues_bit_for_bit_compiled():
    for cls in (Adam, AdaBound, SGDW):
        params = [torch.nn.Parameter(torch.ones(s)) for s in ((3, 4), (SMALL + 1,))]
        optimizer = cls(params, compile=True)
        for seed in range(3):
            step(optimizer, params, seed)
        others = [torch.nn.Parameter(p.detach().clone()) for p in params]
        twin = cls(others, compile=True)
        twin.load_state_dict(optimizer.state_dict())
        for seed in range(3, 6):
            step(optimizer, params, seed)
            step(twin, others, seed)
        assert all(torch.equal(p, q) for p, q in zip(params, others, strict=True))


@pytest.mark.slow
def test_threads_that_compile_at_once(monkeypatch):
    """Each optimizer takes its first step in another thread; tracing changes globals of torch's."""
    monkeypatch.setattr(compile_rule_module, "_kernels", {})
    ends = []

    def run():
        ((_, _), (optimizer, params)) = pair(AdaBound, [(3, 4), (SMALL + 9,)])
        step(optimizer, params, 0)
        ends.append([p.detach().clone() for p in params])

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ends) == 3
    for end in ends[1:]:
        torch.testing.assert_close(end, ends[0], rtol=0, atol=0)


def in_a_process(code, **environment):
    code = (
        "import torch, warnings\nfrom lit_optim.optimizers import SGDW\nfrom lit_optim.engine.compile_rule import compiled_kernels\n"
        + textwrap.dedent(code)
    )
    env = {**os.environ, "OMP_NUM_THREADS": "1", "TORCHINDUCTOR_COMPILE_THREADS": "1", **environment}
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code],
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


STEPS = """
p = torch.nn.Parameter(torch.ones(70_000))
q = torch.nn.Parameter(torch.ones(3))
optimizer = SGDW([p, q], lr=0.5, momentum=0.5, compile=True)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for _ in range(2):
        p.grad, q.grad = torch.ones(70_000), torch.ones(3)
        optimizer.step()
print(p[0].item(), q[2].item())  # 1 - 0.5 - 0.5 * 1.5
print(*[w.message for w in caught if issubclass(w.category, RuntimeWarning)], sep="\\n")
"""


@pytest.mark.slow
def test_without_a_compiler_it_says_so_and_runs_uncompiled(tmp_path):
    lines = in_a_process(
        STEPS + "print(compiled_kernels())", CXX="/nowhere/c++", TORCHINDUCTOR_CACHE_DIR=str(tmp_path)
    ).splitlines()
    assert lines[0] == "-0.25 -0.25"
    assert lines[1].startswith("compile=True: sgdw runs uncompiled, because no C++ compiler works here (")
    assert lines[1].endswith("install one (g++, clang), or write compile=False")
    assert lines[2:] == ["0"], "one warning for a rule"


@pytest.mark.slow
@pytest.mark.parametrize("change", ["del decomposition.select_decomp_table", "compile_fx.compile_fx_inner = lambda graph: None"])  # fmt: skip
def test_where_inductor_is_another_one_it_says_so_and_compiles_by_dynamo(change):
    code = f"from torch._inductor import compile_fx, decomposition\n{change}\n{STEPS}print(compiled_kernels())"
    lines = in_a_process(code).splitlines()
    assert lines[0] == "-0.25 -0.25"
    assert "this torch has not the inductor that lit_optim knows" in lines[1]
    assert lines[2:] == ["1"]


def test_other_errors_are_not_taken_for_a_missing_compiler(monkeypatch):
    def fails(*args):
        raise RuntimeError("something else")

    monkeypatch.setattr(compile_rule_module, "_with_inductor", fails)
    monkeypatch.setattr(compile_rule_module, "_kernels", {})
    p = torch.nn.Parameter(torch.ones(3))
    p.grad = torch.ones(3)
    with pytest.raises(RuntimeError, match="something else"):
        SGDW([p], compile=True).step()


@pytest.mark.slow
def test_compiles_in_its_own_process(monkeypatch):
    """A forked process inherits a pool of workers whose threads stayed behind: to ask it is to wait for ever."""
    from torch._inductor.async_compile import AsyncCompile

    def asked(*_, **__):
        raise AssertionError("a pool of compile workers was asked")

    for name in ("pool", "process_pool", "submit"):
        monkeypatch.setattr(AsyncCompile, name, asked)

    def rule(p, g, scratch, factor):
        p.sub_(g * factor + 0.123456)

    compiled = compile_rule(rule, [torch.zeros(4)] * 2, torch.zeros(1))
    p = torch.ones(3)
    compiled([p, torch.ones(3), torch.tensor([0.5])])
    torch.testing.assert_close(p, torch.full((3,), 1 - 0.5 - 0.123456))
