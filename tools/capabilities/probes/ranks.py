"""Two processes, each with half of the examples: all ranks end where one process with all examples does."""

from __future__ import annotations

import queue
from collections.abc import Callable
from datetime import timedelta

import torch
from torch import distributed

from _support.fork import on_two_ranks
from _support.problem import Problem, weights
from capabilities.subject import Subject
from capabilities.verdict import NO, verdict

STEPS = 8
TIMEOUT = 120.0  # seconds, for slow machines; ranks whose numbers of steps differ lose their connection sooner
TOLERANCE = 0.02  # of the longest way; shards that measure a norm of their own are off by much more


def ddp(subject: Subject) -> str:
    return _on_two_ranks(subject, torch.nn.parallel.DistributedDataParallel)


def fsdp2(subject: Subject) -> str:
    def shard(problem: Problem) -> Problem:
        from torch.distributed.fsdp import fully_shard
        from torch.distributed.tensor import init_device_mesh

        mesh = init_device_mesh("cpu", (2,))  # 3 rows: 2 and 1, which is where sharding goes wrong
        return fully_shard(problem, mesh=mesh)

    return _on_two_ranks(subject, shard)


def _on_two_ranks(subject: Subject, wrap: Callable[[Problem], torch.nn.Module]) -> str:
    def work(rank: int) -> torch.Tensor | str:
        distributed.init_process_group("gloo", timeout=timedelta(seconds=TIMEOUT))
        wrapped = wrap(_problem(subject))
        problem = getattr(wrapped, "module", wrapped)
        optimizer = subject.build(problem)
        try:
            for _ in range(STEPS):
                problem.step(optimizer, slice(3 * rank, 3 * rank + 3), through=wrapped)
            return weights(problem)
        except Exception as error:
            return f"{type(error).__name__}: {error}"

    try:
        ends = on_two_ranks(work, timeout=2 * TIMEOUT, stay=False)
    except queue.Empty:  # the ranks wait for each other
        return NO
    if any(isinstance(end, str) for end in ends):
        return NO
    start, end = weights(_problem(subject)), _alone(subject)
    return verdict(lambda: torch.stack(ends) - start, lambda: (end - start).expand(2, -1), TOLERANCE)


def _problem(subject: Subject) -> Problem:
    torch.manual_seed(0)
    return Problem(subject.name).double()


def _alone(subject: Subject) -> torch.Tensor:
    problem = _problem(subject)
    optimizer = subject.build(problem)
    for _ in range(STEPS):
        problem.step(optimizer)
    return weights(problem)
