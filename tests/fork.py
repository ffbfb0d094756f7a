"""Two real processes on CPU and gloo, forked from the warm one: under a second a test."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import socket
import traceback
from collections.abc import Callable
from typing import Any

import torch

from by_version import skip_what_torch_cannot


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def on_two_ranks(work: Callable[[int], Any], timeout: float = 300.0) -> list[Any]:
    """What ``work(rank)`` returns on each of two ranks; an exception of a rank is raised here, with its traceback.

    The ranks see the environment of torchrun, so that Lightning's strategies join them instead of launching more.
    """
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    port = free_port()
    ranks = [context.Process(target=_rank, args=(rank, port, work, queue)) for rank in range(2)]
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
        for process in ranks:
            process.join(timeout=5)
            if process.is_alive():
                process.kill()
    return [results[rank] for rank in range(2)]


def _rank(rank: int, port: int, work: Callable[[int], Any], queue: Any) -> None:
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", LOCAL_WORLD_SIZE="2", GROUP_RANK="0",
        MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), TORCHELASTIC_RUN_ID="test",
    )  # fmt: skip
    torch.set_num_threads(1)
    try:
        queue.put((rank, None, pickle.dumps(work(rank))))  # tensors as bytes: shared memory ends with its process
    except BaseException:
        queue.put((rank, traceback.format_exc(), None))
