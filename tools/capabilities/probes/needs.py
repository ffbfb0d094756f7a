"""What the ``# needs:`` line of a header says, by taking each need away."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch

from _support.problem import Problem, weights
from capabilities.quadratic import SHAPE, descend, loss, start
from capabilities.subject import Subject


def raises(attempt: Callable[[], Any]) -> bool:
    try:
        attempt()
    except Exception:
        return True
    return False


def _stepped(subject: Subject, *shapes: tuple[int, ...], sparse: bool | None = None, **changes: Any) -> None:
    params = [start(*shape) for shape in shapes]
    sparse = subject.needs.sparse if sparse is None else sparse
    descend(subject.bare(params, **changes), params, subject.needs, 2, sparse=sparse)


def closure(subject: Subject) -> bool:
    p = start()
    optimizer = subject.bare([p])
    if subject.needs.modes:
        optimizer.train()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch, of create_graph
        loss([p]).backward(create_graph=subject.needs.second_order)
    if subject.needs.sparse:
        p.grad = p.grad.to_sparse(1)
    return raises(optimizer.step)


def sparse(subject: Subject) -> bool:
    return raises(lambda: _stepped(subject, SHAPE, sparse=False))


def two_d(subject: Subject) -> bool:
    return raises(lambda: _stepped(subject, (8,))) or raises(lambda: _stepped(subject, (2, 2, 2)))


def hidden_matrices(subject: Subject) -> bool:
    """Whether a module with an output layer alone is refused, and one with layers before it is not."""
    if subject.needs.sparse or two_d(subject):
        return False
    deep = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 4))
    return raises(lambda: subject.build(torch.nn.Linear(4, 4))) and not raises(lambda: subject.build(deep))


def one_group(subject: Subject) -> bool:
    return raises(lambda: subject.bare([{"params": [start()]}, {"params": [start()]}]))


def one_lr(subject: Subject) -> bool:
    """Whether half the lr of the second group changes nothing in it."""
    if one_group(subject):
        return False
    ends = []
    for factor in (1.0, 0.5):
        params = [start(), start()]
        optimizer = subject.bare([{"params": [p]} for p in params])
        optimizer.param_groups[1]["lr"] *= factor
        ends.append(descend(optimizer, params, subject.needs, sparse=subject.needs.sparse))
    return torch.equal(*ends)


def no_schedule(subject: Subject) -> bool:
    """Whether another lr after the first step changes nothing, or the optimizer averages in place of a schedule."""
    ends = []
    for factor in (1.0, 0.5):
        torch.manual_seed(0)
        problem = Problem(subject.name)  # no quadratic: some would be at its minimum after one step
        optimizer = subject.bare(problem.parameters())
        problem.step(optimizer)
        for group in optimizer.param_groups:
            group["lr"] *= factor
        for _ in range(8):
            problem.step(optimizer)
        ends.append(weights(problem))
    return torch.equal(*ends) or modes(subject)


def modes(subject: Subject) -> bool:
    p = start()
    optimizer = subject.bare([p])
    if not (hasattr(optimizer, "train") and hasattr(optimizer, "eval")):
        return False
    p.grad = torch.ones_like(p)
    return raises(optimizer.step)


def second_order(subject: Subject) -> bool:
    p = start()
    optimizer = subject.bare([p])

    def plain() -> torch.Tensor:
        optimizer.zero_grad()
        value = loss([p])
        value.backward()
        if subject.needs.sparse:
            p.grad = p.grad.to_sparse(1)
        return value

    if subject.needs.modes:
        optimizer.train()
    return raises(lambda: optimizer.step(plain))


def random(subject: Subject) -> bool:
    p = start()
    optimizer = subject.bare([p])
    torch.manual_seed(0)
    before = torch.get_rng_state()
    descend(optimizer, [p], subject.needs, sparse=subject.needs.sparse)
    return not torch.equal(torch.get_rng_state(), before)


PROBES = (closure, sparse, two_d, hidden_matrices, one_group, one_lr, no_schedule, modes, second_order, random)
