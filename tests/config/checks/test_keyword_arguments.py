"""Signatures as the world writes them: without hints, with hints that only a type checker reads, with **kwargs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lit_optim.config.checks.keyword_arguments import check_call
from lit_optim.errors import Problems

if TYPE_CHECKING:
    from nowhere import Thing


class Bare:
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), steps=3, nesterov=False, mode="min", other=None, pair=()):
        self.lr = lr


class Hidden:
    def __init__(self, thing: Thing = None, rate: Thing = 0.5, size: int = 1):
        self.thing = thing


class TakesAnyKeyword:
    def __init__(self, params, lr: float = 1.0, **kwargs: Any):
        self.kwargs = kwargs


def checked(cls, supplied=0, **arguments):
    problems = Problems()
    return check_call(cls, arguments, "x", problems, supplied=supplied, finite=True), problems


def test_without_hints_the_defaults_give_the_types():
    clean, problems = checked(Bare, 1, lr="1e-2", betas=[0.8, "0.9"], steps=2.5, nesterov="true", other={}, pair=[1])
    assert clean == {"lr": 1e-2, "betas": (0.8, 0.9), "steps": 2.5, "nesterov": True, "other": {}, "pair": [1]}
    assert not problems
    _, problems = checked(Bare, 1, lr="abc", betas=[0.8], nesterov=1, mode=3)
    assert [problem.partition("=")[0] for problem in problems] == ["x.lr", "x.betas", "x.nesterov", "x.mode"]


def test_hints_that_cannot_be_read_are_inferred_from_the_default():
    clean, problems = checked(Hidden, thing=object, rate="0.25", size="3")
    assert clean == {"thing": object, "rate": 0.25, "size": 3}
    assert not problems
    assert checked(Hidden, rate=True)[1] == ["x.rate=True: Hidden expects float, got bool"]


def test_any_keyword_where_the_class_takes_any():
    assert checked(TakesAnyKeyword, 1, lr=2, whatever="x")[0] == {"lr": 2.0, "whatever": "x"}


def test_missing_and_supplied_arguments():
    def needs(total_steps, *, step_size: int): ...

    assert checked(needs, 1)[1] == ["x.step_size: needs needs a value for it"]
    assert checked(needs, 1, step_size=1, total_steps=3)[1] == [
        "x.total_steps=3: needs is given 'total_steps' at run time; remove it"
    ]


def test_what_torch_once_had_is_to_be_dropped_where_a_version_still_takes_it_too():
    def step_lr(optimizer, step_size: int, verbose="deprecated"): ...

    step_lr.__module__ = "torch.optim.lr_scheduler"  # of torch 2.6
    clean, problems = checked(step_lr, 1, step_size=2, verbose=False)
    assert clean == {"step_size": 2}
    assert problems[0].startswith("x.verbose=False: step_lr has no argument 'verbose'; drop it: torch has removed it")
    assert checked(lambda verbose: 0, verbose=True) == ({"verbose": True}, [])
    assert checked(step_lr, 1, step_size=2, verbose="deprecated") == ({"step_size": 2}, [])  # as LightningCLI writes it
    assert "; drop it: of the AdamW that Hugging Face" in checked(Bare, 1, correct_bias=False)[1][0]
