"""Steps that write groups in few operations give the numbers of those that look at every group, whatever other code writes."""

import random

import pytest
import torch

from lit_optim import ScheduleLR

TOTAL = 30
ONE_CYCLE = {"shape": "one_cycle", "start_factor": 0.0, "end_factor": 0.0}
DRIVES = {
    "lr": {},
    "number": {"momentum": {"main": ONE_CYCLE, "values": [0.85, 0.95]}},
    "first": {"betas[0]": {"main": ONE_CYCLE, "values": [0.85, 0.95]}},
    "second": {"betas[1]": {"main": {"shape": "linear", "end_factor": 0.5}}},
    "three": {"betas[0]": {"main": ONE_CYCLE}, "weight_decay": {"main": {"shape": "cosine"}, "values": [0.04, 0.4]}},
}


def optimizer_for(drive):
    cls, options = (torch.optim.SGD, {"momentum": 0.9}) if drive == "number" else (torch.optim.AdamW, {})
    groups = [{"params": [torch.zeros(1)]}, {"params": [torch.zeros(1)], "lr": 0.02, "name": "head"}]
    return cls(groups, lr=0.1, **options)


def scheduler_for(drive, fast, **options):
    scheduler = ScheduleLR(
        optimizer_for(drive), warmup=4, main={"shape": "one_cycle", "start_factor": 0.2}, total_steps=TOTAL, drive=DRIVES[drive], **options
    )  # fmt: skip
    if not fast:
        scheduler._choose_step = lambda: None
        scheduler._write_step = scheduler._write_all
    return scheduler


def values(scheduler):
    return [{k: v for k, v in g.items() if k != "params"} for g in scheduler.optimizer.param_groups]


def disturb(scheduler, what):
    """Does to an optimizer what other code may do in the middle of a run."""
    groups = scheduler.optimizer.param_groups
    if what == "lr":
        groups[0]["lr"] = 0.5
    elif what == "momentum" and "momentum" in groups[0]:
        groups[1]["momentum"] = 0.5
    elif what == "momentum":
        groups[1]["betas"] = (0.5, 0.9)
    elif what == "decay":
        groups[0]["weight_decay"] = 0.3
    elif what == "off":
        groups[1]["scheduled"] = False
    elif what == "on":
        groups[1].pop("scheduled", None)
    elif what == "add":
        scheduler.optimizer.add_param_group({"params": [torch.zeros(1)], "lr": 0.3})
    elif what == "list":
        scheduler.optimizer.param_groups = [dict(group) for group in groups]
    elif what == "rescale":
        scheduler.rescale(0.25)
    elif what == "reload":
        scheduler.load_state_dict(scheduler.state_dict())
    elif what == "jump":
        scheduler.step(random.randrange(TOTAL + 5))


EVENTS = ("lr", "momentum", "decay", "off", "on", "add", "list", "rescale", "reload", "jump")


@pytest.mark.filterwarnings("ignore:.*was written where the schedule stands")
@pytest.mark.parametrize("drive", DRIVES)
@pytest.mark.parametrize("seed", range(12))
def test_it_equals_the_step_that_looks_at_every_group_under_all_disturbances(drive, seed):
    draw = random.Random(seed)
    both = [scheduler_for(drive, fast) for fast in (True, False)]
    for _ in range(TOTAL + 10):
        if draw.random() < 0.4:
            what, state = draw.choice(EVENTS), draw.random()
            for scheduler in both:
                random.seed(state)
                disturb(scheduler, what)
        for scheduler in both:
            scheduler.step()
        assert values(both[0]) == values(both[1])
        assert both[0].state_dict() == both[1].state_dict()


@pytest.mark.parametrize("drive", DRIVES)
def test_it_is_in_use(drive):
    scheduler = scheduler_for(drive, fast=True)
    expected = "write_lr" if drive == "lr" else "_write_expected"
    assert scheduler._write_step.__name__ == expected
    scheduler.load_state_dict(scheduler.state_dict())
    assert scheduler._write_step == scheduler._write_all, "the step after a restore looks at every group"
    scheduler.step()
    assert scheduler._write_step.__name__ == expected


@pytest.mark.parametrize("drive", ["lr", "number", "first"])
def test_a_tensor_that_appears_in_the_middle_is_written_in_place(drive):
    scheduler = scheduler_for(drive, fast=True)
    for _ in range(5):
        scheduler.step()
    group = scheduler.optimizer.param_groups[0]
    group["lr"] = tensor = torch.tensor(0.07)
    for _ in range(3):
        scheduler.step()
        assert group["lr"] is tensor
        assert float(tensor) == pytest.approx(0.07 / scheduler.factor(5) * scheduler.factor(scheduler.last_epoch))


@pytest.mark.parametrize("drive", ["number", "first"])
def test_groups_of_their_own_are_left_to_the_general_step(drive):
    scheduler = scheduler_for(drive, fast=True, groups={"head": {"main": {"shape": "constant"}}})
    for _ in range(10):
        scheduler.step()
    assert scheduler.optimizer.param_groups[1]["lr"] == 0.02
