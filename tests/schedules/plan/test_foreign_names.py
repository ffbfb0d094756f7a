"""Other libraries' names of a shape's arguments, and arguments that stand one level too high, are answered with ours."""

import pytest
import torch

import lit_optim
from lit_optim import schedules
from lit_optim.config.read.presets import load_preset
from lit_optim.schedules.plan.foreign_names import WORDS
from lit_optim.schedules.plan.shape_factory import accepted_arguments


def refused(name, **overrides):
    with pytest.raises(lit_optim.ConfigError) as caught:
        lit_optim.build_scheduler(name, torch.optim.SGD([torch.zeros(1)], lr=0.1), total_steps=100, **overrides)
    return str(caught.value)


IN_MAIN = [
    ("cosine", "eta_min", "scheduler.main.eta_min=3: cosine has no argument 'eta_min'; here it is min_lr, or end_factor"),
    ("cosine", "T_max", "; here it is steps; without it the phase ends with the run"),
    ("cosine_restarts", "T_0", "; here it is period"),
    ("cosine_restarts", "T_mult", "; here it is period_mult"),
    ("one_cycle", "div_factor", "; here it is start_factor = 1 / div_factor"),
    ("one_cycle", "final_div_factor", "; here it is end_factor = start_factor / final_div_factor"),
    ("one_cycle", "max_momentum", "; here it is drive.momentum.values"),
    ("step", "decay", "; here it is gamma"),
    ("wsd", "decay_type", "; here it is tail"),
    ("triangular", "step_size", "; here it is step_size_up"),
    ("cosine", "power", "there are: end_factor, k, "),
    ("cosine", "end_factr", "; did you mean 'end_factor'?"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "word", "says"), IN_MAIN)
def test_in_a_slot(name, word, says):
    assert says in refused(name, main={**load_preset("scheduler", name)["main"], word: 3})


ABOVE = [
    ("cosine", "end_factor", "scheduler.end_factor=3: ScheduleLR has no argument 'end_factor'; write scheduler.main.end_factor"),
    ("cosine", "eta_min", "scheduler.eta_min=3: ScheduleLR has no argument 'eta_min'; here it is scheduler.main.min_lr"),
    ("one_cycle", "pct_start", "; write scheduler.main.pct_start"),
    ("one_cycle", "base_momentum", "; here it is scheduler.drive.momentum.values"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "word", "says"), ABOVE)
def test_one_level_too_high(name, word, says):
    assert says in refused(name, **{word: 3})


def test_every_word_leads_to_an_argument_that_some_shape_has():
    accepted = {name for shape in schedules.shape_names() for name in accepted_arguments(getattr(schedules, shape))}
    for word, (ours, _) in WORDS.items():
        assert {*ours} <= accepted | {"steps", "drive", "min_lr"}, word


def test_a_peak_may_be_absolute_in_every_preset_that_has_one():
    """The preset's max_factor of 1 does not conflict with max_lr."""
    for name in ("triangular", "triangular2", "exp_range", "one_cycle"):
        main = {**load_preset("scheduler", name)["main"], "max_lr": 0.4}
        scheduler = lit_optim.build_scheduler(
            name, torch.optim.SGD([torch.zeros(1)], lr=0.1), total_steps=1000, main=main
        )
        assert max(map(scheduler.factor, range(1000))) == pytest.approx(4.0, rel=1e-2)


@pytest.mark.parametrize("name", ["triangular", "triangular2", "exp_range", "exponential", "cosine", "wsd"])
def test_min_lr_stands_in_for_the_lower_end_of_a_preset(name):
    """The preset's lower end does not conflict with min_lr."""
    main = {**load_preset("scheduler", name)["main"], "min_lr": 0.004}
    scheduler = lit_optim.build_scheduler(name, torch.optim.SGD([torch.zeros(1)], lr=0.1), total_steps=1000, main=main)
    assert min(map(scheduler.factor, range(1001))) == pytest.approx(0.04, rel=1e-12)


def test_a_rate_stands_in_for_the_end_of_a_preset():
    main = {**load_preset("scheduler", "exponential")["main"], "gamma": 0.95}
    scheduler = lit_optim.build_scheduler("exponential", torch.optim.SGD([torch.zeros(1)], lr=0.1), main=main)
    assert scheduler.factor(100) == pytest.approx(0.95**100, rel=1e-12)


def test_two_lower_ends_say_which_to_remove():
    main = {**load_preset("scheduler", "triangular")["main"], "base_factor": 0.5, "min_lr": 0.01}
    assert refused("triangular", main=main) == (
        "scheduler.main.min_lr=0.01: give either min_lr or base_factor=0.5, not both; remove that one with ~scheduler.main.base_factor"
    )
