"""SWATS against Algorithm 1 in numpy and 64 bits, against problems with a known answer, and what may not matter."""

import copy
import math

import numpy as np
import pytest
import torch

from _support.references.swats_reference import Swats
from lit_optim import ConfigError, ScheduleLR
from lit_optim.optimizers import SWATS

SHAPES = {"a": (7, 5), "b": (5,), "large": (30, 50), "c": (3, 2, 2)}  # gathered, walked over in blocks, gathered
ONE = [{"names": list(SHAPES), "lr": 0.02}]
TWO = [{"names": ["large", "a"], "lr": 0.02}, {"names": ["b", "c"], "lr": 0.005}]
STEPS = 40


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    """Blocks of 1024 elements, gatherings of tensors below 256: small tensors go all the ways."""
    monkeypatch.setattr("lit_optim.engine.run_rule.BLOCK", 1 << 10)
    monkeypatch.setattr("lit_optim.engine.flat_bucket.SMALL", 1 << 8)
    monkeypatch.setattr("lit_optim.optimizers.swats.rules.PIECE", 300)


def cosine(k):
    return (1 + math.cos(math.pi * k / STEPS)) / 2


def weights(seed=0):
    numbers = np.random.default_rng(seed)
    return {name: numbers.normal(size=shape) for name, shape in SHAPES.items()}


def gradients(w, k, missing=()):
    """Of a quadratic with curvatures from 0.5 to 1.5, and noise that depends on the step only."""
    found = {}
    for i, (name, value) in enumerate(w.items()):
        noise = np.random.default_rng([k, i]).normal(size=value.shape)
        found[name] = None if (name, k) in missing else (0.5 + i / 3) * value + 0.05 * noise
    return found


def ours(groups, w, *, scheduled=None, dtype=torch.float64, **options):
    parameters = {name: torch.nn.Parameter(torch.tensor(value, dtype=dtype)) for name, value in w.items()}
    wanted = [
        {"params": [parameters[n] for n in g["names"]], **{k: v for k, v in g.items() if k != "names"}} for g in groups
    ]
    optimizer = SWATS(wanted, **options)
    scheduler = None if scheduled is None else ScheduleLR(optimizer, main={"shape": scheduled}, total_steps=STEPS)
    return parameters, optimizer, scheduler


def take(parameters, optimizer, found, scheduler=None):
    for name, p in parameters.items():
        p.grad = None if found[name] is None else torch.tensor(found[name], dtype=p.dtype)
    optimizer.step()
    if scheduler is not None:
        scheduler.step()


def compare(groups, options, *, scheduled=None, missing=(), asked_at=None, rtol=1e-10):
    """Both on the gradients of their own weights, for 40 steps; the reference and the optimizer at the end."""
    expected = Swats(copy.deepcopy(groups), weights(), s=cosine if scheduled else lambda k: 1.0, **options)
    parameters, optimizer, scheduler = ours(groups, weights(), scheduled=scheduled, **options)
    for k in range(STEPS):
        if k + 1 == asked_at:
            for scope in expected.scopes:
                scope.asked = True
            for group in optimizer.param_groups:
                group["switch_requested"] = True
        expected.step(gradients(expected.w, k, missing))
        now = {name: p.detach().numpy() for name, p in parameters.items()}
        take(parameters, optimizer, gradients(now, k, missing), scheduler)
        for name, p in parameters.items():
            np.testing.assert_allclose(p.detach(), expected.w[name], rtol=rtol, atol=1e-13, err_msg=f"{k} {name}")
    scopes = expected.scopes * (len(groups) if len(expected.scopes) == 1 else 1)
    for scope, group in zip(scopes, optimizer.param_groups, strict=True):
        assert (group["k"], group["switched_at"]) == (scope.k, scope.switched_at or 0)
        assert group["gamma"] == pytest.approx(scope.gamma, rel=1e-9)
        if scope.switched_at:
            assert group["sgd_lr"] == pytest.approx(scope.Lambda, rel=1e-9)
    return expected, optimizer


def switches(expected):
    return [scope.switched_at for scope in expected.scopes]


SETTLES = dict(switch_rtol=0.02, min_steps=12)
CASES = {
    "never": (ONE, dict(switch_tol=0.0)),
    "settles": (ONE, SETTLES),
    "absolute tolerance": (ONE, dict(switch_tol=2e-4, min_steps=5)),
    "L2": ([{**ONE[0], "weight_decay": 0.1}], SETTLES),
    "decoupled": ([{**ONE[0], "weight_decay": 0.1}], {**SETTLES, "decoupled": True}),
    "amsgrad": (ONE, {**SETTLES, "amsgrad": True}),
    "torch's eps": (ONE, {**SETTLES, "eps": 1e-3, "eps_placement": "torch"}),
    "the paper's eps": (ONE, {**SETTLES, "eps": 1e-3}),
    "betas": (ONE, {**SETTLES, "betas": (0.7, 0.95)}),
    "maximize": ([{**ONE[0], "lr": 1e-3}], {**SETTLES, "maximize": True}),
    "groups of other lrs": (TWO, SETTLES),
    "groups of other lrs, decays": (
        [{**TWO[0], "weight_decay": 0.1}, {**TWO[1], "weight_decay": 0.0}],
        {**SETTLES, "decoupled": True},
    ),
    "an estimate for each group": (TWO, {**SETTLES, "scope": "group"}),
    "cap": (ONE, {**SETTLES, "max_sgd_lr": 0.01}),
    "normalized": (TWO, {**SETTLES, "normalize_by_lr": True}),
}


@pytest.mark.parametrize("case", CASES)
def test_is_algorithm_1(case):
    groups, options = CASES[case]
    expected, _ = compare(groups, options)
    if case == "never":
        assert switches(expected) == [None]
    else:
        assert all(5 <= at <= 30 for at in switches(expected)), "a phase of this case is not tested"


@pytest.mark.parametrize("follow", [True, False])
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("decoupled", [True, False])
def test_under_a_cosine(follow, normalize, decoupled):
    groups = [{**group, "weight_decay": 0.1} for group in TWO]
    options = dict(follow_schedule=follow, normalize_by_lr=normalize, decoupled=decoupled, switch_tol=0.0)
    expected, _ = compare(groups, options, scheduled="cosine", asked_at=15)
    assert switches(expected) == [15]


def test_missing_gradients():
    """A tensor that joins late has bias corrections of its own; a step without any gradient is none."""
    missing = {("b", k) for k in range(7)} | {("large", 5), ("a", 5), ("b", 5), ("c", 5), ("c", 20), ("a", 30)}
    expected, optimizer = compare(TWO, SETTLES, missing=missing)
    assert optimizer.param_groups[0]["switched_at"] == expected.scopes[0].switched_at
    compare(TWO, {**SETTLES, "scope": "group"}, missing=missing | {(name, k) for name in "bc" for k in range(10)})


def linear(lr=0.01, steps=6, slope=2.0, size=3, **options):
    """The loss ``slope * sum(w)``: p = -lr and gamma = lr / slope at each step."""
    w = torch.nn.Parameter(torch.zeros(size, dtype=torch.float64))
    optimizer = SWATS([w], lr=lr, **options)
    path = []
    for _ in range(steps):
        w.grad = torch.full_like(w, slope)
        optimizer.step()
        path.append(w[0].item())
    return path, optimizer.param_groups[0]


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.0, 0.9)])
def test_linear_loss_switches_at_2(betas):
    path, group = linear(betas=betas, eps=1e-30)
    rate = 0.01 / 2  # Lambda = lr / slope
    assert (group["phase"], group["switched_at"], group["k"]) == ("sgd", 2, 2)
    assert group["sgd_lr"] == pytest.approx(rate, rel=1e-12)
    assert group["lr"] == pytest.approx((1 - betas[0]) * rate, rel=1e-12)
    steps, v = [-0.01, -0.02], 0.0
    for _ in range(4):
        v = betas[0] * v + 2.0
        steps.append(steps[-1] - (1 - betas[0]) * rate * v)
    assert path == pytest.approx(steps, rel=1e-12)


def test_min_steps():
    assert linear(min_steps=4)[1]["switched_at"] == 4
    assert linear(min_steps=1)[1]["switched_at"] == 1
    assert linear(min_steps=7)[1]["phase"] == "adam"


def quadratic(**options):
    """``w^2 / 2`` without momentum, begun where gamma_1 = gamma_2 = q: facts of the paper's missing stability check."""
    q, lr, beta2 = 3.0, 1.0, 0.999
    # step 1 goes by lr from w to w - lr, and gamma_1 = lr / w = q
    w = torch.nn.Parameter(torch.tensor([lr / q], dtype=torch.float64))
    optimizer = SWATS([w], lr=lr, betas=(0.0, beta2), eps=0.0, switch_tol=10.0, **options)
    path = [w.item()]
    for _ in range(30):
        w.grad = w.detach().clone()
        optimizer.step()
        path.append(w.item())
    return path, optimizer.param_groups[0]


def test_a_lambda_above_2_diverges_on_a_quadratic_and_a_cap_mends_it():
    path, group = quadratic()
    rate = group["sgd_lr"]
    assert group["switched_at"] == 2
    assert rate > 2
    after = path[2:]
    assert after == pytest.approx([after[0] * (1 - rate) ** n for n in range(len(after))], rel=1e-9)
    assert abs(after[-1]) > 1e4 * abs(after[0])
    path, group = quadratic(max_sgd_lr=0.5)
    assert group["sgd_lr"] == 0.5
    assert path[-1] == pytest.approx(path[2] * 0.5**28, rel=1e-9)


def test_negative_estimates_count_but_do_not_switch():
    """Gradients that turn round and get small: the momentum goes on against them, p.g > 0."""
    w = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = SWATS([w], lr=0.1, betas=(0.9, 0.5), switch_tol=1e9, min_steps=3)
    lam, k, averages = 0.0, 0, []
    for g in (1.0, 1.0, -0.1, -0.1, -0.1, -1.0, -1.0, -1.0, -1.0, -1.0):
        before = w.item()
        w.grad = torch.tensor([g], dtype=torch.float64)
        optimizer.step()
        k += 1
        lam = 0.5 * lam + 0.5 * (w.item() - before) / -g  # p.p / -p.g = p / -g for one number
        averages.append(lam / (1 - 0.5**k))
        if k >= 3 and lam > 0:
            break
    group = optimizer.param_groups[0]
    assert min(averages) < 0 < averages[-1]
    assert group["switched_at"] == k > 3
    assert group["sgd_lr"] == pytest.approx(averages[-1], rel=1e-9)


def test_a_step_without_direction_leaves_the_estimate():
    """p.g = 0: the average stays, its bias correction does not."""
    w = torch.nn.Parameter(torch.zeros(2, dtype=torch.float64))
    optimizer = SWATS([w], lr=0.1, betas=(0.0, 0.9), switch_tol=0.0)
    group = optimizer.param_groups[0]
    for g, k in (([0.0, 0.0], 1), ([2.0, 2.0], 2), ([0.0, 0.0], 3)):
        before = group["lam"], group["gamma"]
        w.grad = torch.tensor(g, dtype=torch.float64)
        optimizer.step()
        assert group["k"] == k
        if any(g):
            assert group["lam"] == pytest.approx(0.1 * group["gamma"], rel=1e-12) != 0
        else:
            assert (group["lam"], group["gamma"]) == before
        assert group["sgd_lr"] == pytest.approx(group["lam"] / (1 - 0.9**k), rel=1e-12)


@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("follow", [True, False])
def test_switch_between_two_steps(moved, follow):
    """Before and after the scheduler has moved on: the same from there."""

    def run(asked):
        parameters, optimizer, scheduler = ours(
            TWO, weights(), scheduled="cosine", switch_tol=0.0, follow_schedule=follow
        )
        for k in range(STEPS):
            if k == 14 and asked:
                for group in optimizer.param_groups:
                    group["switch_requested"] = True
            take(parameters, optimizer, gradients({n: p.detach().numpy() for n, p in parameters.items()}, k))
            if k == 14 and not asked and not moved:
                assert optimizer.switch()
            scheduler.step()
            if k == 14 and not asked and moved:
                assert optimizer.switch()
        return torch.cat([p.detach().flatten() for p in parameters.values()]), [g["lr"] for g in optimizer.param_groups]

    (a, lr_a), (b, lr_b) = run(asked=True), run(asked=False)
    torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)
    assert lr_a == pytest.approx(lr_b, rel=1e-12)


def test_switch_is_refused_until_the_estimate_is_positive():
    w = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = SWATS([w], lr=0.1)
    assert not optimizer.switch()
    assert optimizer.param_groups[0]["phase"] == "adam"
    w.grad = torch.ones_like(w)
    optimizer.step()  # Lambda = 0.1
    assert optimizer.param_groups[0]["phase"] == "sgd"
    assert optimizer.switch()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * 0.1, rel=1e-6)


def test_switch_of_one_group():
    parameters, optimizer, _ = ours(TWO, weights(), scope="group", switch_tol=0.0)
    take(parameters, optimizer, gradients(weights(), 0))
    first, second = optimizer.param_groups
    assert optimizer.switch([second])
    assert (first["phase"], second["phase"]) == ("adam", "sgd")
    take(parameters, optimizer, gradients(weights(), 1))
    assert (first["k"], second["k"]) == (2, 1)


def test_order_of_parameters_and_groups_does_not_matter():
    ends, ats = [], []
    orders = [TWO, TWO[::-1], [{**g, "names": g["names"][::-1]} for g in TWO]]
    for groups in orders:
        parameters, optimizer, _ = ours(groups, weights(), **SETTLES)
        for k in range(STEPS):
            take(parameters, optimizer, gradients({n: p.detach().numpy() for n, p in parameters.items()}, k))
        ends.append(torch.cat([p.detach().flatten() for p in parameters.values()]))
        ats.append(optimizer.param_groups[0]["switched_at"])
    assert len(set(ats)) == 1
    assert 5 <= ats[0] <= 30
    for other in ends[1:]:
        torch.testing.assert_close(other, ends[0], rtol=1e-11, atol=1e-13)


def test_the_same_parameters_cut_otherwise():
    """One estimate over the whole vector: how it is cut into tensors and groups of equal lr changes nothing."""
    whole = {"all": np.concatenate([v.ravel() for v in weights().values()])}
    curvature = np.concatenate([np.full(v.size, 0.5 + i / 3) for i, v in enumerate(weights().values())])
    p, optimizer, _ = ours([{"names": ["all"], "lr": 0.02}], whole, **SETTLES)
    q, parts, _ = ours([{**TWO[0], "lr": 0.02}, {**TWO[1], "lr": 0.02}], weights(), **SETTLES)
    for k in range(STEPS):
        noise = {
            n: 0.05 * np.random.default_rng([k, i]).normal(size=v.shape) for i, (n, v) in enumerate(weights().items())
        }
        flat = np.concatenate([v.ravel() for v in noise.values()])
        take(p, optimizer, {"all": curvature * p["all"].detach().numpy() + flat})
        take(q, parts, gradients({n: v.detach().numpy() for n, v in q.items()}, k))
    assert optimizer.param_groups[0]["switched_at"] == parts.param_groups[1]["switched_at"] > 0
    joined = torch.cat([v.detach().flatten() for v in q.values()])
    torch.testing.assert_close(p["all"].detach(), joined, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("after", [False, True])
def test_a_group_added_later_shares_the_phase(after):
    parameters, optimizer, _ = ours(ONE, weights(), switch_tol=0.0)
    late = torch.nn.Parameter(torch.ones(3, dtype=torch.float64))
    for k in range(5):
        take(parameters, optimizer, gradients(weights(), k))
    if after:
        assert optimizer.switch()
    lr = 0.004
    optimizer.add_param_group({"params": [late], "lr": lr})
    first, added = optimizer.param_groups
    assert (added["phase"], added["k"]) == (first["phase"], 5)
    late.grad = torch.full_like(late, 2.0)
    take(parameters, optimizer, gradients(weights(), 5))
    if after:  # the user's lr is that of SGD now
        assert late.tolist() == pytest.approx([1 - lr * 2.0] * 3, rel=1e-12)
    else:
        assert late.tolist() == pytest.approx([1 - lr] * 3, rel=1e-6)  # Adam's first step
        assert optimizer.switch()
        assert added["lr"] / first["lr"] == pytest.approx(lr / 0.02, rel=1e-12)


def test_a_group_added_later_needs_the_same_betas():
    _, optimizer, _ = ours(ONE, weights())
    with pytest.raises(ConfigError, match=r"betas=\(0.5, 0.9\): one estimate over all groups needs the same betas"):
        optimizer.add_param_group({"params": [torch.zeros(1)], "betas": (0.5, 0.9)})


@pytest.mark.parametrize("shared", [False, True])
def test_tensor_lr(shared):
    """Two groups may hold one tensor."""
    a, b = (torch.nn.Parameter(torch.zeros(1, dtype=torch.float64)) for _ in range(2))
    lr = torch.tensor(0.01)
    groups = [{"params": [a], "lr": lr}, {"params": [b], "lr": lr if shared else lr.clone()}]
    optimizer = SWATS(groups, eps=1e-30)
    for _ in range(2):
        a.grad, b.grad = torch.full_like(a, 2.0), torch.full_like(b, 2.0)
        optimizer.step()
    assert [float(group["lr"]) for group in optimizer.param_groups] == pytest.approx([0.1 * 0.005] * 2, rel=1e-6)
    assert all(isinstance(group["lr"], torch.Tensor) for group in optimizer.param_groups)


@pytest.mark.parametrize(("dtype", "rtol", "share"), [(torch.float32, 1e-4, 1e-4), (torch.bfloat16, 5e-2, 0.25)])
def test_narrow_dtypes(dtype, rtol, share):
    expected = Swats(copy.deepcopy(ONE), weights(), switch_tol=0.0)
    parameters, optimizer, _ = ours(ONE, weights(), dtype=dtype, switch_tol=0.0)
    for k in range(STEPS):
        if k == 19:
            expected.scopes[0].asked = optimizer.param_groups[0]["switch_requested"] = True
        take(parameters, optimizer, gradients(expected.w, k))
        expected.step(gradients(expected.w, k))
    group = optimizer.param_groups[0]
    assert group["switched_at"] == 20
    assert group["sgd_lr"] == pytest.approx(expected.scopes[0].Lambda, rel=rtol)
    for name, p in parameters.items():
        assert p.dtype is dtype
        moved = np.abs(expected.w[name] - weights()[name]).max()
        np.testing.assert_allclose(p.detach().double(), expected.w[name], rtol=0, atol=share * moved)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("options", [{}, {"amsgrad": True, "decoupled": True}])
def test_compiled_equals_eager(dtype, options):
    groups = [{**group, "weight_decay": 0.1} for group in TWO]
    found = []
    for compile in (False, True):
        parameters, optimizer, _ = ours(groups, weights(), dtype=dtype, switch_tol=0.0, compile=compile, **options)
        for k in range(20):
            if k == 9:
                for group in optimizer.param_groups:
                    group["switch_requested"] = True
            take(parameters, optimizer, gradients(weights(), k))
        assert optimizer.param_groups[0]["switched_at"] == 10
        found.append((parameters, optimizer.param_groups[0]["sgd_lr"]))
    (eager, rate), (compiled, compiled_rate) = found
    rtol = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 2e-2}[dtype]
    assert compiled_rate == pytest.approx(rate, rel=max(rtol, 1e-9))
    for name in eager:
        torch.testing.assert_close(compiled[name], eager[name], rtol=rtol, atol=rtol)


BAD = {
    "min_steps=0: must be a whole number of at least 1": dict(min_steps=0),
    "min_steps=True: must be a whole number": dict(min_steps=True),
    "switch_tol=-1.0: must be a finite number of at least 0": dict(switch_tol=-1.0),
    "switch_rtol=nan: must be a finite number of at least 0": dict(switch_rtol=math.nan),
    "scope='tensor': must be one of global, group": dict(scope="tensor"),
    "eps_placement='papr': must be one of paper, torch; did you mean 'paper'": dict(eps_placement="papr"),
    "max_sgd_lr=0: must be a finite number above 0": dict(max_sgd_lr=0),
    "normalize_by_lr='yes': must be True or False": dict(normalize_by_lr="yes"),
    "follow_schedule=None: must be True or False": dict(follow_schedule=None),
    r"betas\[1\]=1.0: must be at least 0 and below 1": dict(betas=(0.9, 1.0)),
    "lr=-0.1: must be a finite number of at least 0": dict(lr=-0.1),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_arguments(message):
    with pytest.raises(ConfigError, match=message):
        SWATS([torch.zeros(1)], **BAD[message])


def test_the_criterion_is_not_tested_in_a_step_without_an_estimate():
    """Algorithm 1 tests where p.g is not 0. Gradients 2, 0, 2 at beta1 = 0: estimates lr / 2, none, 0.00612."""
    w = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
    optimizer = SWATS([w], lr=0.01, betas=(0.0, 0.999), switch_tol=0.004)
    phases = []
    for gradient in (2.0, 0.0, 2.0):
        w.grad = torch.full_like(w, gradient)
        optimizer.step()
        phases.append(optimizer.param_groups[0]["phase"])
    assert phases == ["adam", "adam", "sgd"]
    corrected = math.sqrt((1 - 0.999**3) / (4 * 0.001 * (0.999**2 + 1)))  # 1 / root of the second moment
    gammas = 0.01 / 2, 0.01 * corrected / 1
    average = 0.001 * (0.999 * gammas[0] + gammas[1]) / (1 - 0.999**3)
    assert optimizer.param_groups[0]["sgd_lr"] == pytest.approx(average, rel=1e-6)


@pytest.mark.parametrize(("restarts", "undone"), [(True, True), (False, False)])
def test_a_switch_that_a_scheduler_undoes_is_warned_about(restarts, undone, recwarn):
    w = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
    optimizer = SWATS([w], lr=0.01, switch_tol=0.1)
    kinds = torch.optim.lr_scheduler
    scheduler = kinds.LambdaLR(optimizer, lambda t: 0.9**t) if restarts else kinds.ExponentialLR(optimizer, 0.9)
    for _ in range(5):  # a linear loss: it switches after step 2, with lr / 20
        w.grad = torch.full_like(w, 2.0)
        optimizer.step()
        scheduler.step()
    assert optimizer.param_groups[0]["phase"] == "sgd"
    assert [str(each.message)[:35] for each in recwarn] == ["SWATS has switched to SGD with lr=0"] * undone
