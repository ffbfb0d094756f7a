"""A record on a GPU: the host waits in rows alone, times come from events, memory from torch's allocator."""

import contextlib

import torch

from _support.net import fit
from _support.no_waiting import no_waiting
from _support.recorded_runs import Seeded, rows, run_json
from lit_optim.callbacks import Record


class Watched(Record):
    def on_train_batch_end(self, *arguments):
        with contextlib.nullcontext() if self._due else no_waiting():
            super().on_train_batch_end(*arguments)


def test_a_step_without_a_row_does_not_wait(tmp_path):
    fit(tmp_path, Seeded(), callbacks=[Watched(every_n_steps=5)], accelerator="gpu", enable_checkpointing=False)
    assert [row["step"] for row in rows(tmp_path / "record" / "steps.csv")] == ["5", "10", "15", "20", "24"]
    run = run_json(tmp_path)
    assert run["hardware"]["gpu"] == torch.cuda.get_device_name()
    assert run["measured"]["step_seconds"]["steps"] == 23
    assert run["measured"]["step_seconds"]["median"] > 0
    assert 0 < run["measured"]["peak_memory"] < 10**9
