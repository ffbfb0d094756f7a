"""Which schedulers overwrite an lr that is written into the groups: the table of closed forms, and the trial of others."""

import pytest
import torch
from torch.optim import lr_scheduler

from lit_optim.callbacks.switch.foreign_schedulers import CLOSED_FORM, overwrites

STEPS = 20
MAKE = {
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda step: 0.9**step),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, max_lr=0.1, total_steps=STEPS + 1, cycle_momentum=False),
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(o, 0.05, 0.1, cycle_momentum=False),
    "CosineAnnealingWarmRestarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 5),
    "StepLR": lambda o: lr_scheduler.StepLR(o, 2),
    "MultiStepLR": lambda o: lr_scheduler.MultiStepLR(o, [3, 7]),
    "LinearLR": lambda o: lr_scheduler.LinearLR(o, total_iters=5),
    "ExponentialLR": lambda o: lr_scheduler.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda o: lr_scheduler.PolynomialLR(o, STEPS),
    "ReduceLROnPlateau": lr_scheduler.ReduceLROnPlateau,
}


def optimizer():
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)


@pytest.mark.parametrize("name", MAKE)
def test_what_torchs_schedulers_make_of_a_written_lr(name):
    """Compared with the scheduler itself: one that runs on, and one whose lr is doubled after its first step."""
    runs = [MAKE[name](optimizer()) for _ in range(2)]
    lrs = []
    for scheduler, factor in zip(runs, (1.0, 2.0), strict=True):
        (group,) = scheduler.optimizer.param_groups
        group["lr"] *= factor
        scheduler.optimizer.step()
        scheduler.step(*([1.0] if name == "ReduceLROnPlateau" else []))
        lrs.append(group["lr"])
    found = overwrites(MAKE[name](optimizer()), STEPS)
    assert found == (1 if lrs[0] == pytest.approx(lrs[1]) else None)
    assert (found == 1) == (name in {cls.__name__ for cls in CLOSED_FORM})


def test_a_class_outside_of_the_table_is_tried():
    class Own(lr_scheduler.LambdaLR):
        """A closed form that the table does not know."""

    assert overwrites(Own(optimizer(), lambda step: 0.9**step), STEPS) == 1
    o = optimizer()
    phases = [lr_scheduler.ConstantLR(o, total_iters=3), lr_scheduler.ExponentialLR(o, 0.9)]
    assert overwrites(lr_scheduler.SequentialLR(o, phases, milestones=[4]), STEPS) == 4


def test_a_scheduler_that_cannot_be_copied_counts_as_harmless():
    class Stubborn(lr_scheduler.StepLR):
        def __deepcopy__(self, memo):
            raise TypeError

    assert overwrites(Stubborn(optimizer(), 2), STEPS) is None
