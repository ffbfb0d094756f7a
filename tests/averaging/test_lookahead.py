"""Lookahead in plain torch, against the paper's lines in numpy."""

import copy

import numpy as np
import pytest
import torch
from torch.distributed.checkpoint.state_dict import _init_optim_state
from torch.utils._python_dispatch import TorchDispatchMode

from lit_optim import ConfigError
from lit_optim.averaging.lerp import PAIR_BLOCK, lerp_and_reset_all, swap_
from lit_optim.callbacks import Lookahead as LookaheadCallback
from lit_optim.optimizers import SWATS, ExponentialMovingAverage, Lookahead

H = np.array([1.0, 0.3, 2.0])  # curvatures of a quadratic
START = np.array([1.0, -2.0, 0.5])


def noise(step):
    return np.random.default_rng(step).normal(size=3) * 0.1


def reference(rule, mode, k=3, alpha=0.4, steps=25):
    """Algorithm 1 of the paper around SGD with momentum or Adam, and the appendix' three modes, in float64."""
    theta, phi = START.copy(), START.copy()
    m, v, last = np.zeros(3), np.zeros(3), np.zeros(3)
    path = []
    for t in range(1, steps + 1):
        g = H * theta + noise(t)
        if rule == "sgd":
            m = 0.9 * m + g
            theta = theta - 0.05 * m
        else:
            m = 0.9 * m + 0.1 * g
            v = 0.99 * v + 0.01 * g * g
            theta = theta - 0.05 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.99**t)) + 1e-8)
        if t % k == 0:
            phi = phi + alpha * (theta - phi)
            theta = phi.copy()
            if mode == "reset":
                m = np.zeros(3)
            elif mode == "pullback":
                m = alpha * m + (1 - alpha) * last
                last = m.copy()
        path.append((theta.copy(), phi.copy()))
    return path


def problem(rule, **options):
    p = torch.tensor(START, requires_grad=True)
    if rule == "sgd":
        return p, torch.optim.SGD([p], lr=0.05, momentum=0.9, **options)
    return p, torch.optim.Adam([p], lr=0.05, betas=(0.9, 0.99), **options)


def step(p, optimizer, t):
    p.grad = torch.tensor(H) * p.detach() + torch.tensor(noise(t))
    optimizer.step()


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("mode", ["maintain", "reset", "pullback"])
@pytest.mark.parametrize("rule", ["sgd", "adam"])
def test_the_papers_trajectory(rule, mode, fused):
    p, optimizer = problem(rule, fused=fused)
    Lookahead(3, 0.4, inner_state=mode).attach(optimizer)
    for t, (theta, phi) in enumerate(reference(rule, mode), start=1):
        step(p, optimizer, t)
        np.testing.assert_allclose(p.detach().numpy(), theta, rtol=1e-10)
        np.testing.assert_allclose(optimizer.state[p]["slow"].numpy(), phi, rtol=1e-10)


@pytest.mark.parametrize("alpha", [0.2, 0.5, 0.8, 1.0])
def test_gradient_descent_on_a_quadratic_in_closed_form(alpha):
    k, lr = 4, 0.1
    p = torch.tensor(START, requires_grad=True)
    optimizer = torch.optim.SGD([p], lr=lr)
    Lookahead(k, alpha).attach(optimizer)
    for t in range(5 * k):
        p.grad = torch.tensor(H) * p.detach()
        optimizer.step()
        c = (t + 1) // k
        phi = ((1 - alpha) + alpha * (1 - lr * H) ** k) ** c * START
        np.testing.assert_allclose(optimizer.state[p]["slow"].numpy(), phi, rtol=1e-10)


@pytest.mark.parametrize(("k", "expected"), [(2, [1, 1, 2, 2]), (6, [1, 2, 3, 4, 5, 3, 4])])
def test_unit_steps(k, expected):
    p = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([p], lr=1.0)
    LookaheadCallback(k, 0.5).attach(optimizer)  # the callback's own way into plain torch
    seen = []
    for _ in expected:
        p.grad = -torch.ones(1)
        optimizer.step()
        seen.append(p.item())
    assert seen == expected


@pytest.mark.parametrize("cls", [torch.optim.AdamW, torch.optim.RMSprop, torch.optim.Adadelta, torch.optim.SGD, torch.optim.NAdam])  # fmt: skip
def test_parameters_that_join_late_begin_with_their_own_first_step(cls):
    """One without a gradient at first, one in a group that is added: phi is what they were before their first step."""
    first, late, added = (torch.full((2,), float(i), requires_grad=True) for i in (1, 2, 3))
    optimizer = cls([first, late], lr=0.1)
    Lookahead(2, 0.5).attach(optimizer)
    for t in range(1, 6):
        if t == 3:
            optimizer.add_param_group({"params": [added]})
        before = {p: p.detach().clone() for p in (first, late, added)}
        first.grad = torch.ones(2)
        late.grad = torch.ones(2) if t > 1 else None
        added.grad = torch.ones(2) if t >= 3 else None
        optimizer.step()
        if t == 2:
            torch.testing.assert_close(optimizer.state[late]["slow"], late.detach())
            assert not torch.equal(late, before[late]), "it was pulled half way, from the weights before this step"
        if t == 3:
            assert torch.equal(optimizer.state[added]["slow"], before[added])
    assert [group["lookahead_step"] for group in optimizer.param_groups] == [5, 5]


def test_steps_without_a_gradient_or_with_an_overflow_are_not_counted():
    p, optimizer = problem("adam", fused=True)
    Lookahead(3).attach(optimizer)
    step(p, optimizer, 1)
    p.grad = None
    optimizer.step()
    optimizer.found_inf = torch.ones(())
    p.grad = torch.ones_like(p)
    optimizer.step()
    del optimizer.found_inf
    assert optimizer.param_groups[0]["lookahead_step"] == 1


def test_a_faked_first_step_creates_state_and_counts_nothing():
    """As torch.distributed.checkpoint takes it: lr 0, gradients 0, no closure."""
    p, optimizer = problem("adam")
    Lookahead(3, inner_state="pullback").attach(optimizer)
    _init_optim_state(optimizer)
    assert set(optimizer.state[p]) == {"step", "exp_avg", "exp_avg_sq", "slow", "slow_exp_avg"}
    assert optimizer.param_groups[0]["lookahead_step"] == 0
    np.testing.assert_array_equal(p.detach().numpy(), START)


def test_a_true_first_step_at_lr_0_counts():
    p, optimizer = problem("adam")
    Lookahead(3).attach(optimizer)
    optimizer.param_groups[0]["lr"] = 0.0
    step(p, optimizer, 1)
    assert optimizer.param_groups[0]["lookahead_step"] == 1


@pytest.mark.parametrize("mode", ["maintain", "reset", "pullback"])
@pytest.mark.parametrize("rule", ["sgd", "adam"])
@pytest.mark.parametrize("at", range(8))
def test_a_loaded_optimizer_goes_on_bit_for_bit(tmp_path, rule, mode, at):
    p, optimizer = problem(rule)
    Lookahead(3, 0.4, inner_state=mode).attach(optimizer)
    for t in range(12):
        if t == at:
            torch.save((p.detach(), optimizer.state_dict()), tmp_path / "c.pt")
        step(p, optimizer, t)
    q, again = problem(rule)
    Lookahead(3, 0.4, inner_state=mode).attach(again)
    weights, state = torch.load(tmp_path / "c.pt", weights_only=True)
    with torch.no_grad():
        q.copy_(weights)
    again.load_state_dict(state)
    for t in range(at, 12):
        step(q, again, t)
    assert torch.equal(p, q)
    assert torch.equal(optimizer.state[p]["slow"], again.state[q]["slow"])


def test_alpha_and_k_are_read_from_the_groups():
    p = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([p], lr=1.0)
    Lookahead(2, 0.5).attach(optimizer)
    seen = []
    for t in range(6):
        if t == 2:
            optimizer.param_groups[0].update(lookahead_alpha=0.25, lookahead_k=4)
        p.grad = -torch.ones(1)
        optimizer.step()
        seen.append(p.item())
    assert seen == [1, 1, 2, 1.5, 2.5, 3.5], "1 + (3 - 1) / 4 at step 4"


def test_what_is_pulled_back_begins_anew_where_the_optimizer_switches():
    """SWATS: after step 4 its first moment is a fresh buffer of SGD: 1, then 1.9 at step 6, where half of it is left."""
    p = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimizer = SWATS([p], lr=0.01, min_steps=100)
    Lookahead(3, 0.5, inner_state="pullback").attach(optimizer)
    for t in range(1, 7):
        p.grad = torch.ones_like(p)
        optimizer.step()
        if t == 4:
            optimizer.switch()
    assert optimizer.param_groups[0]["phase"] == optimizer.param_groups[0]["lookahead_phase"] == "sgd"
    np.testing.assert_allclose(optimizer.state[p]["exp_avg"].numpy(), 0.95, rtol=1e-12)


def test_evaluation_shows_the_slow_weights_and_gives_the_fast_ones_back():
    p, optimizer = problem("adam")
    lookahead = Lookahead(3, 0.5).attach(optimizer)
    with lookahead.evaluation():
        np.testing.assert_array_equal(p.detach().numpy(), START)
    for t in range(5):
        step(p, optimizer, t)
    fast, slow, address = p.detach().clone(), optimizer.state[p]["slow"].clone(), p.data_ptr()

    def look():
        with lookahead.evaluation():
            assert torch.equal(p, slow)
            assert torch.equal(optimizer.state[p]["live_while_slow"], fast)
            assert "slow" not in optimizer.state[p], "names never lie"
            lookahead.swap_in()  # again: nothing happens
            assert torch.equal(p, slow)
            raise KeyError

    with pytest.raises(KeyError):
        look()
    assert torch.equal(p, fast)
    assert torch.equal(optimizer.state[p]["slow"], slow)
    assert p.data_ptr() == address
    lookahead.swap_in()
    step(p, optimizer, 5)  # a step swaps out first: the slow weights are not trained
    assert torch.equal(optimizer.state[p]["slow"], p), "the sixth step synchronizes"
    assert not torch.equal(p, slow)


def test_state_of_a_swapped_optimizer_is_loaded_as_such():
    p, optimizer = problem("adam")
    lookahead = Lookahead(3, 0.5).attach(optimizer)
    for t in range(5):
        step(p, optimizer, t)
    fast = p.detach().clone()
    with lookahead.evaluation():
        weights, state = p.detach().clone(), copy.deepcopy(optimizer.state_dict())
    q, again = problem("adam")
    other = Lookahead(3, 0.5).attach(again)
    with torch.no_grad():
        q.copy_(weights)
    again.load_state_dict(state)
    other.swap_out()
    assert torch.equal(q, fast)
    assert torch.equal(again.state[q]["slow"], weights)


@pytest.mark.parametrize("layout", ["contiguous", "channels_last", "transposed", "sliced", "scalar", "empty"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_layouts_and_sizes(layout, dtype):
    """Up to a rounding: where an element lies in a vector, and whether it is multiplied and added in one, is torch's."""
    generator = torch.Generator().manual_seed(1)

    def tensor():
        wide = torch.randn(6, 5, 300, 300, generator=generator).to(dtype)
        return {
            "contiguous": wide,
            "channels_last": wide.to(memory_format=torch.channels_last),
            "transposed": wide[0, 0].t(),
            "sliced": wide[:, :, ::2],
            "scalar": wide[0, 0, 0, 0],
            "empty": wide[:0],
        }[layout]

    slow, fast = tensor(), tensor()
    pairs = [(slow, fast), (slow.clone(memory_format=torch.contiguous_format), fast.clone())]
    for s, f in pairs:
        expected = torch.lerp(s, f, 0.3)
        lerp_and_reset_all([s], [f], 0.3)
        assert torch.equal(s, f)
        torch.testing.assert_close(s, expected, rtol=2 * torch.finfo(dtype).eps, atol=2 * torch.finfo(dtype).eps)
        other = torch.randn(f.shape).to(dtype)
        before = f.clone()
        swap_(f, other)
        assert torch.equal(other, before)


class Allocations(TorchDispatchMode):
    """Elements of every tensor that is made while it is on; views make none."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        held = {t.untyped_storage().data_ptr() for t in torch.utils._pytree.tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)}  # fmt: skip
        for t in torch.utils._pytree.tree_leaves(out):
            if isinstance(t, torch.Tensor) and t.untyped_storage().data_ptr() not in held:
                self.sizes.append(t.numel())
        return out


def test_one_extra_copy_of_the_weights_and_no_temporaries():
    p = torch.randn(5 * PAIR_BLOCK, requires_grad=True)
    small = torch.randn(10, requires_grad=True)
    bare = torch.optim.SGD([p, small], lr=0.1)
    lookahead = Lookahead(2).attach(bare)
    p.grad, small.grad = torch.randn_like(p), torch.randn_like(small)
    with Allocations() as made:
        bare.step()
    assert sorted(made.sizes)[-3:].count(p.numel()) == 1, "the copy itself"
    with Allocations() as made:
        bare.step()
        for _ in range(4):
            bare.step()
    assert not [size for size in made.sizes if size > 1], "steps and synchronizations make nothing"
    with Allocations() as made, lookahead.evaluation():
        pass
    assert max(made.sizes) <= PAIR_BLOCK
    held = [t for t in bare.state[p].values() if isinstance(t, torch.Tensor) and t.numel() == p.numel()]
    assert len(held) == 1
    assert not lookahead._before


def test_wrong_values_are_reported_all_at_once():
    with pytest.raises(ConfigError) as caught:
        Lookahead(0, 1.5, inner_state="pull")
    assert caught.value.problems == (
        "k=0: must be a whole number of at least 1; write e.g. 5",
        "alpha=1.5: must be a number above 0 and at most 1; write e.g. 0.5",
        "inner_state='pull': must be one of maintain, reset, pullback; did you mean 'pullback'?",
    )


@pytest.mark.parametrize("k", [0, -1, 2.5, True, None, "5"])
def test_bad_k(k):
    with pytest.raises(ConfigError, match=r"^k=.*: must be a whole number of at least 1"):
        LookaheadCallback(k=k)


@pytest.mark.parametrize("alpha", [0, -0.1, 1.01, float("nan"), "x", None, True])
def test_bad_alpha(alpha):
    with pytest.raises(ConfigError, match=r"^alpha=.*: must be a number above 0 and at most 1"):
        LookaheadCallback(alpha=alpha)


def test_attaching_is_rejected():
    p, optimizer = problem("sgd")
    lookahead = Lookahead().attach(optimizer)
    with pytest.raises(ConfigError, match="is attached already; make another Lookahead for another optimizer"):
        lookahead.attach(optimizer)
    with pytest.raises(ConfigError, match="this SGD has a Lookahead already"):
        Lookahead().attach(optimizer)
    with pytest.raises(ConfigError, match=r"expected a torch.optim.Optimizer, got list"):
        Lookahead().attach([p])
    lookahead.detach()
    Lookahead().attach(optimizer)


def test_a_detached_one_does_nothing_more():
    p, optimizer = problem("sgd")
    lookahead = Lookahead(1, 0.5).attach(optimizer)
    lookahead.detach()
    step(p, optimizer, 1)
    assert "slow" not in optimizer.state[p]


def test_an_average_beside_it_sees_what_it_has_interpolated():
    p = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([p], lr=1.0)
    Lookahead(2, 0.5).attach(optimizer)
    average = ExponentialMovingAverage(0.5, warmup=False).attach(optimizer)
    for _ in range(4):  # the weights: 1, 1, 2, 2
        p.grad = -torch.ones(1)
        optimizer.step()
    with average.evaluation():
        assert p.item() == 1.75
    assert p.item() == 2


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_compiled_is_the_same_but_for_rounding(dtype, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_COMPILE_THREADS", "1")
    results = []
    for compiled in (False, True):
        generator = torch.Generator().manual_seed(3)
        parameters = [
            torch.randn(n, generator=generator).to(dtype).requires_grad_() for n in (3, 20_000, 3 * PAIR_BLOCK + 5)
        ]
        optimizer = torch.optim.SGD(parameters, lr=0.1)
        Lookahead(2, 0.3, compile=compiled).attach(optimizer)
        for _ in range(4):
            for p in parameters:
                p.grad = torch.randn(p.shape, generator=generator).to(dtype)
            optimizer.step()
        results.append([p.detach() for p in parameters])
        assert all(torch.equal(p, optimizer.state[p]["slow"]) for p in parameters)
    for eager, one_pass in zip(*results, strict=True):
        coarse = dtype == torch.bfloat16  # interpolated in 32 bits: another rounding of the last of 8
        torch.testing.assert_close(one_pass, eager, **(dict(rtol=2**-6, atol=2**-9) if coarse else {}))
