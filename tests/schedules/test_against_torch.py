"""Step by step equal to torch's schedulers, and the differences we want, one test each."""

import itertools
import math

import pytest
import torch
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LinearLR,
    MultiStepLR,
    PolynomialLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)

from lit_optim import ScheduleLR

T = 40
PAIRS = [
    ("linear", dict(main={"shape": "linear", "start_factor": 0.3, "end_factor": 0.7}),
     lambda o: LinearLR(o, 0.3, 0.7, total_iters=T)),
    ("cosine", dict(main={"shape": "cosine", "min_lr": 0.01}), lambda o: CosineAnnealingLR(o, T, eta_min=0.01)),
    ("step", dict(main={"shape": "step", "step_size": 7, "gamma": 0.3}), lambda o: StepLR(o, 7, gamma=0.3)),
    ("multistep", dict(main={"shape": "multistep", "milestones": [3, 3, 20]}), lambda o: MultiStepLR(o, [3, 3, 20])),
    ("exponential", dict(main={"shape": "exponential", "gamma": 0.93}), lambda o: ExponentialLR(o, 0.93)),
    ("polynomial", dict(main={"shape": "polynomial", "power": 1.7}), lambda o: PolynomialLR(o, T, power=1.7)),
    ("constant", dict(warmup={"shape": "constant", "steps": 5, "factor": 0.2}), lambda o: ConstantLR(o, 0.2, 5)),
    ("warmup_cosine", dict(warmup={"steps": 10, "start_factor": 0.1}, main={"shape": "cosine"}),
     lambda o: SequentialLR(o, [LinearLR(o, 0.1, 1.0, 10), CosineAnnealingLR(o, T - 10)], [10])),
    ("warmup_step", dict(warmup={"steps": 10, "start_factor": 0.1}, main={"shape": "step", "step_size": 8}),
     lambda o: SequentialLR(o, [LinearLR(o, 0.1, 1.0, 10), StepLR(o, 8)], [10])),
]  # fmt: skip


def optimizer(lrs=(0.5,)):
    return torch.optim.SGD([{"params": [torch.zeros(1)], "lr": lr} for lr in lrs], lr=lrs[0])


# SequentialLR of torch 2.6, which calls its parts so
@pytest.mark.filterwarnings(r"ignore:The epoch parameter in `scheduler.step\(\)` was not necessary:UserWarning")
@pytest.mark.filterwarnings("ignore:.*lr_scheduler.step.*before.*")
@pytest.mark.parametrize(("name", "slots", "reference"), PAIRS, ids=[p[0] for p in PAIRS])
def test_equals_torch_at_every_step(name, slots, reference):
    ours, theirs = optimizer(), optimizer()
    scheduler = ScheduleLR(ours, **slots, total_steps=T)
    expected = reference(theirs)
    for step in range(T):
        assert ours.param_groups[0]["lr"] == pytest.approx(theirs.param_groups[0]["lr"], rel=1e-12, abs=1e-15), step
        scheduler.step()
        expected.step()


METRICS = {
    "flat": [1.0] * 25,
    "falling": [1.0 / (i + 1) for i in range(25)],
    "bouncing": [math.sin(i) + 2 for i in range(25)],
    "nan": [1.0, float("nan"), 0.9, float("nan"), float("nan"), float("nan"), 0.5] * 3,
    "infinite": [float("inf"), float("inf"), 1.0, 1.0, 1.0, float("-inf"), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
}
OPTIONS = [
    dict(zip(("mode", "patience", "cooldown", "threshold_mode", "min_lr"), values, strict=True))
    for values in itertools.product(("min", "max"), (0, 2), (0, 3), ("rel", "abs"), (0.0, 1e-3))
]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(map(str, o.values())))
def test_plateau_equals_torch_for_every_value_of_the_metric(metric, options):
    ours, theirs = optimizer(), optimizer()
    mode = options["mode"]
    shape = {"shape": "plateau", "factor": 0.3, **{k: v for k, v in options.items() if k != "mode"}}
    scheduler = ScheduleLR(ours, main=shape, mode=mode)
    expected = ReduceLROnPlateau(theirs, factor=0.3, **options)
    for i, value in enumerate(METRICS[metric]):
        scheduler.step()
        scheduler.step_metric(value)
        expected.step(value)
        assert ours.param_groups[0]["lr"] == pytest.approx(theirs.param_groups[0]["lr"], rel=1e-12), i


def test_differs_from_torch_a_tiny_reduction_is_refused_at_the_same_lr():
    ours, theirs = optimizer((1e-7,)), optimizer((1e-7,))
    scheduler = ScheduleLR(ours, main={"shape": "plateau", "factor": 0.1, "patience": 0})
    expected = ReduceLROnPlateau(theirs, factor=0.1, patience=0)
    for _ in range(6):
        scheduler.step_metric(1.0)
        expected.step(1.0)
        assert ours.param_groups[0]["lr"] == pytest.approx(theirs.param_groups[0]["lr"], rel=1e-12)


def test_differs_from_torch_a_negative_metric_that_gets_worse_is_no_improvement():
    ours, theirs = optimizer(), optimizer()
    scheduler = ScheduleLR(ours, main={"shape": "plateau", "patience": 0, "threshold": 0.1})
    expected = ReduceLROnPlateau(theirs, patience=0, threshold=0.1)
    for value in (-1.0, -0.95):
        scheduler.step_metric(value)
        expected.step(value)
    assert theirs.param_groups[0]["lr"] == 0.5  # torch: -0.95 < -1 * (1 - 0.1)
    assert ours.param_groups[0]["lr"] == pytest.approx(0.05)


def test_differs_from_torch_cosine_does_not_climb_again():
    ours, theirs = optimizer(), optimizer()
    scheduler = ScheduleLR(ours, main={"shape": "cosine"}, total_steps=10)
    expected = CosineAnnealingLR(theirs, 10)
    for _ in range(20):
        theirs.step()
        scheduler.step()
        expected.step()
    assert theirs.param_groups[0]["lr"] == pytest.approx(0.5)
    assert ours.param_groups[0]["lr"] == 0.0


def test_differs_from_torch_a_warmup_without_start_factor_is_never_0():
    ours = optimizer()
    ScheduleLR(ours, warmup=5, total_steps=10)
    assert ours.param_groups[0]["lr"] == pytest.approx(0.1)
