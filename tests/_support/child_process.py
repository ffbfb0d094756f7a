"""A forked process for work that could end by a signal."""

from __future__ import annotations

import multiprocessing
import traceback
from collections.abc import Callable
from typing import Any


def in_child(work: Callable[[Callable[[Any], None]], None], timeout: float = 60.0) -> tuple[int, list[Any], str]:
    """Runs ``work(send)`` in a forked process.

    Returns:
        Its exit code (negative: a signal), what it sent before that, and the traceback of an exception.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def run() -> None:
        try:
            work(lambda value: sender.send(("sent", value)))
        except BaseException:
            sender.send(("failed", traceback.format_exc()))
            raise SystemExit(1) from None

    process = context.Process(target=run)
    process.start()
    sender.close()
    sent, failure = [], ""
    try:
        while receiver.poll(timeout):
            kind, value = receiver.recv()
            if kind == "sent":
                sent.append(value)
            else:
                failure = value
    except EOFError:
        pass
    process.join(timeout=5)
    if process.is_alive():
        process.kill()
        process.join()
    return process.exitcode, sent, failure
