"""Cycles, restarts and chains: the pure functions equal torch's schedulers at every step, momentum included."""

import math
from functools import partial

import pytest
import torch
from torch.optim.lr_scheduler import (
    ChainedScheduler,
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
    SequentialLR,
    StepLR,
)

from lit_optim import ScheduleLR, schedules
from lit_optim.schedules import join

pytestmark = pytest.mark.filterwarnings("ignore:.*lr_scheduler.step.*before.*", "ignore:.*epoch parameter.*")


def followed(build, steps, lr=1.0, key="lr"):
    """What torch's scheduler has in the group at each step; what follows its last legal step is not asked for."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=lr, momentum=0.9)
    scheduler = build(optimizer)
    values = []
    for step in range(steps):
        values.append(optimizer.param_groups[0][key])
        if step < steps - 1:
            scheduler.step()
    return values


def equal(schedule, expected, scale=1.0, tolerance=0.0):
    for step, value in enumerate(expected):
        assert scale * schedule(step) == pytest.approx(value, rel=1e-12, abs=tolerance), step


@pytest.mark.parametrize("total", [2, 3, 7, 10, 33, 100, 1001])
@pytest.mark.parametrize("three_phase", [False, True])
@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("pct_start", [0.05, 0.1, 0.3, 0.45])
def test_one_cycle(total, three_phase, strategy, pct_start):
    options = dict(total_steps=total, pct_start=pct_start, anneal_strategy=strategy, three_phase=three_phase)
    if pct_start * total == 1:  # the top is the first step
        with pytest.raises(ZeroDivisionError):
            followed(lambda o: OneCycleLR(o, 0.3, **options), 1)
        assert schedules.one_cycle(**options)(0) == (0.04 if three_phase else 1.0)
        return
    expected = followed(lambda o: OneCycleLR(o, 0.3, **options), total)
    # torch's line ends at 0.3 + (1.2e-6 - 0.3) * 1, of which rounding leaves 10 digits; ours ends at the floor itself
    equal(schedules.one_cycle(**options), expected, scale=0.3, tolerance=1e-16 if strategy == "linear" else 0.0)


@pytest.mark.parametrize("three_phase", [False, True])
@pytest.mark.parametrize("strategy", ["cos", "linear"])
def test_one_cycle_of_the_momentum_is_the_inverse(three_phase, strategy):
    options = dict(total_steps=50, anneal_strategy=strategy, three_phase=three_phase)
    torchs = lambda o: OneCycleLR(o, 0.3, base_momentum=0.8, max_momentum=0.95, **options)  # noqa: E731
    height = schedules.one_cycle(start_factor=0.0, end_factor=0.0, **options)
    equal(lambda step: 0.95 - 0.15 * height(step), followed(torchs, 50, key="momentum"))


@pytest.mark.parametrize(("div", "final_div"), [(25.0, 1e4), (10.0, 1.0), (1.0, 1e3)])
def test_one_cycle_of_other_ratios(div, final_div):
    expected = followed(lambda o: OneCycleLR(o, 0.3, 40, div_factor=div, final_div_factor=final_div), 40)
    equal(schedules.one_cycle(40, start_factor=1 / div, end_factor=1 / div / final_div), expected, scale=0.3)


def test_differs_from_torch_one_cycle_stays_at_its_floor():
    expected = followed(lambda o: OneCycleLR(o, 1.0, 10), 11)
    assert expected[10] > 10 * expected[9]  # torch: one step behind the end it climbs again
    assert [schedules.one_cycle(10)(t) for t in (9, 10, 11)] == [4e-6] * 3


UP_DOWN = [(4, None), (3, 5), (7, 2), (1, 1), (20, 31)]
MODES = [("triangular", {}), ("triangular2", {}), ("exp_range", {"gamma": 0.97})]


@pytest.mark.parametrize(("up", "down"), UP_DOWN)
@pytest.mark.parametrize(("mode", "options"), MODES)
@pytest.mark.parametrize("lr", ["base_lr", "max_lr"])
def test_cyclic(up, down, mode, options, lr):
    base, top = 0.1, 0.4
    torchs = partial(CyclicLR, base_lr=base, max_lr=top, step_size_up=up, step_size_down=down, mode=mode, **options)
    own = base if lr == "base_lr" else top
    shape = getattr(schedules, mode)(
        step_size_up=up, step_size_down=down or 0, base_factor=base / own, max_factor=top / own, **options
    )
    equal(shape, followed(torchs, 300), scale=own)


@pytest.mark.parametrize(("mode", "options"), MODES)
def test_cyclic_between_absolute_lrs(mode, options):
    expected = followed(partial(CyclicLR, base_lr=0.1, max_lr=0.4, step_size_up=4, mode=mode, **options), 60)
    main = {"shape": mode, "step_size_up": 4, "min_lr": 0.1, "max_lr": 0.4, **options}
    for lr in (0.05, 0.2, 1.0):  # the optimizer's own, below both, between them, above both
        equal(ScheduleLR(torch.optim.SGD([torch.zeros(1)], lr=lr), main=main).factor, expected, scale=lr)


@pytest.mark.parametrize(("mode", "options"), MODES)
def test_cyclic_momentum_is_the_inverse(mode, options):
    torchs = partial(CyclicLR, base_lr=0.1, max_lr=0.4, step_size_up=4, step_size_down=7, mode=mode, **options)
    height = getattr(schedules, mode)(step_size_up=4, step_size_down=7, base_factor=0.0, **options)
    expected = followed(partial(torchs, base_momentum=0.8, max_momentum=0.95), 120, key="momentum")
    equal(lambda step: 0.95 - 0.15 * height(step), expected)


@pytest.mark.parametrize(("period", "mult"), [(1, 1), (7, 1), (10, 2), (3, 3), (1, 2), (5, 10)])
@pytest.mark.parametrize("end", [0.0, 0.05])
def test_restarts(period, mult, end):
    expected = followed(lambda o: CosineAnnealingWarmRestarts(o, period, mult, eta_min=0.5 * end), 500, lr=0.5)
    equal(schedules.cosine_restarts(period=period, period_mult=mult, end_factor=end), expected, scale=0.5)


def test_differs_from_torch_the_restart_that_a_logarithm_misses():
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler = CosineAnnealingWarmRestarts(optimizer, 10, 3)
    scheduler.step(1210)  # 10 + 30 + 90 + 270 + 810
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.0, abs=1e-12)
    assert schedules.cosine_restarts(period=10, period_mult=3)(1210) == 1.0


def test_differs_from_torch_nothing_restarts_at_the_end_of_the_run():
    assert followed(lambda o: CosineAnnealingWarmRestarts(o, 5), 11)[10] == 1.0
    assert schedules.cosine_restarts(10, period=5)(10) == 0.0


def wave(step):
    return 1.1 + math.sin(step)


TORCH_PHASES = {
    "constant": (lambda o: ConstantLR(o, 0.3, 99), partial(schedules.constant, factor=0.3)),
    "linear": (lambda o: LinearLR(o, 0.2, 0.9, 12), partial(schedules.linear, start_factor=0.2, end_factor=0.9)),
    "cosine": (lambda o: CosineAnnealingLR(o, 12, 0.1), partial(schedules.cosine, end_factor=0.1)),
    "step": (lambda o: StepLR(o, 5, 0.5), partial(schedules.step, step_size=5, gamma=0.5)),
    "multistep": (lambda o: MultiStepLR(o, [2, 2, 9]), partial(schedules.multistep, milestones=[2, 2, 9])),
    "exponential": (lambda o: ExponentialLR(o, 0.9), partial(schedules.exponential, gamma=0.9)),
    "polynomial": (lambda o: PolynomialLR(o, 12, 2.0), partial(schedules.polynomial, power=2.0)),
    "lambda": (lambda o: LambdaLR(o, wave), partial(schedules.lambda_, function=wave)),
    "restarts": (lambda o: CosineAnnealingWarmRestarts(o, 4), partial(schedules.cosine_restarts, period=4)),
}


@pytest.mark.parametrize("name", TORCH_PHASES)
def test_one_phase_and_past_its_end(name):
    build, shape = TORCH_PHASES[name]
    past = 0 if name == "cosine" else 12 if name == "restarts" else 30
    schedule = shape(None if name in ("lambda", "restarts") else 12)
    equal(schedule, followed(build, 12 + past))


@pytest.mark.parametrize("first", TORCH_PHASES)
@pytest.mark.parametrize("second", [name for name in TORCH_PHASES if name != "restarts"])
def test_sequential_of_two(first, second):
    (build_a, a), (build_b, b) = TORCH_PHASES[first], TORCH_PHASES[second]
    expected = followed(lambda o: SequentialLR(o, [build_a(o), build_b(o)], [12]), 24)
    equal(join(24, phases=[a, b], lengths=[12, 12]), expected)


def test_sequential_of_four():
    order = ["linear", "exponential", "polynomial", "cosine"]
    builds, shapes = zip(*(TORCH_PHASES[name] for name in order), strict=True)
    expected = followed(lambda o: SequentialLR(o, [build(o) for build in builds], [12, 24, 36]), 48)
    equal(join(48, phases=shapes, lengths=[12, 12, 12, 12]), expected)


CHAINS = [("constant", "exponential"), ("linear", "step"), ("linear", "multistep"), ("polynomial", "exponential"), ("step", "exponential", "linear")]  # fmt: skip


@pytest.mark.parametrize("names", CHAINS, ids="-".join)
def test_chained_is_the_product(names):
    builds, shapes = zip(*(TORCH_PHASES[name] for name in names), strict=True)
    expected = followed(lambda o: ChainedScheduler([build(o) for build in builds]), 12)
    curves = [shape(12) for shape in shapes]
    equal(lambda step: math.prod(curve(step) for curve in curves), expected)
