"""Two real processes on CPU and gloo, forked from the warm one: under a second a test."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import socket
import traceback
import warnings
from collections.abc import Callable
from typing import Any

import torch

import lit_optim
from _support.by_version import skip_what_torch_cannot

with warnings.catch_warnings():  # imported once here, not in every fork
    warnings.simplefilter("ignore")
    import torch.distributed.checkpoint.state_dict
    import torch.distributed.fsdp
    import torch.distributed.tensor
lit_optim.build_optimizer("adamw", torch.nn.Linear(1, 1), param_groups="no_decay")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def on_two_ranks(work: Callable[[int], Any], timeout: float = 300.0, *, stay: bool = True) -> list[Any]:
    """What ``work(rank)`` returns on each of two ranks; an exception of a rank is raised here, with its traceback.

    The ranks see the environment of torchrun, so that Lightning's strategies join them instead of launching more.

    Args:
        work: runs on each rank.
        timeout: seconds, for a hang.
        stay: a rank that has ended stays until the other has; torch 2.6 waits for ever for one that has left. Where ranks
            may wait for each other on purpose, the end of one is what ends the other.
    """
    context = multiprocessing.get_context("fork")
    queue, all_have_ended = context.Queue(), context.Event()
    if not stay:
        all_have_ended.set()
    port = free_port()
    ranks = [context.Process(target=_rank, args=(rank, port, work, queue, all_have_ended)) for rank in range(2)]
    for process in ranks:
        process.start()
    results: dict[int, Any] = {}
    try:
        for _ in ranks:
            rank, failure, value = queue.get(timeout=timeout)
            if failure:
                skip_what_torch_cannot(failure)
                raise AssertionError(f"rank {rank} failed:\n{failure}")
            results[rank] = pickle.loads(value)
    finally:
        all_have_ended.set()
        for process in ranks:
            process.join(timeout=5)
            if process.is_alive():
                process.kill()
    return [results[rank] for rank in range(2)]


def _rank(rank: int, port: int, work: Callable[[int], Any], queue: Any, all_have_ended: Any) -> None:
    """Stays until all ranks have ended, and their process group with it: torch 2.6 waits for ever for one that has left."""
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", LOCAL_WORLD_SIZE="2", GROUP_RANK="0",
        MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), TORCHELASTIC_RUN_ID="test",
    )  # fmt: skip
    torch.set_num_threads(1)
    try:
        queue.put((rank, None, pickle.dumps(work(rank))))  # tensors as bytes: shared memory ends with its process
    except BaseException:
        queue.put((rank, traceback.format_exc(), None))
    all_have_ended.wait(300)
