"""Health on two ranks: replicated, and sharded evenly and unevenly, against whole tensors in NumPy; one reduction."""

import math
import warnings

import lightning as L
import pytest
import torch
from lightning.pytorch.strategies import ModelParallelStrategy
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.utils.data import DataLoader

from _support.fork import on_two_ranks
from _support.net import BATCHES, data, fit, loader
from _support.references.health_reference import Copies, assert_equal_to_reference, read, sound_steps
from lit_optim.callbacks import Health
from lit_optim.callbacks.health import step_probe
from lit_optim.plots import report_files

OPTIMIZERS = ["adamw", "muon_adamw", "momentum"]


class Sharded(Copies):
    def __init__(self, width, **specs):
        super().__init__(**specs)
        self.save_hyperparameters()
        self.layer = torch.nn.Sequential(
            torch.nn.Linear(4, width), torch.nn.LayerNorm(width), torch.nn.Linear(width, 1)
        )

    def configure_model(self):
        if not isinstance(self.layer[0].weight, DTensor):
            fully_shard(self.layer[0], mesh=self.device_mesh["data_parallel"])
            fully_shard(self.layer, mesh=self.device_mesh["data_parallel"])


class OwnHalf(Copies):
    def loss(self, batch):
        half = len(batch[0]) // 2
        mine = slice(half) if self.global_rank else slice(half, None)
        return super().loss([each[mine] for each in batch])


def counted(run):
    """Return how many collectives each measured step has called, besides the optimizer's."""
    counts = []
    original, reduce = step_probe.sum_over_ranks, torch.distributed.all_reduce

    def spy(*args, **kwargs):
        calls = []
        torch.distributed.all_reduce = lambda *a, **k: (calls.append(1), reduce(*a, **k))[1]
        try:
            return original(*args, **kwargs)
        finally:
            torch.distributed.all_reduce = reduce
            counts.append(len(calls))

    step_probe.sum_over_ranks, report_files.find_spec = spy, lambda name: None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "optim_callbacks.health")
        return *run(), counts


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_replicated(tmp_path, optimizer):
    def run():
        torch.manual_seed(0)
        module = OwnHalf(optimizer=optimizer, param_groups="no_decay")
        fit(tmp_path, module, max_epochs=1, devices=2, strategy="ddp", gradient_clip_val=0.5, enable_checkpointing=False,
            callbacks=[Health(every_n_steps=2)])  # fmt: skip
        return (module.taken,)

    for taken, counts in on_two_ranks(lambda rank: counted(run)):
        assert_equal_to_reference(read(tmp_path / "optim" / "health.csv"), taken, measured=[1, 3])
        assert counts == [0, 0], "replicated sums need no reduction"


@pytest.mark.parametrize("width", [8, 7])  # 7: uneven, and an empty shard of the last bias
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_sharded(tmp_path, optimizer, width):
    def run():
        torch.manual_seed(0)
        module = Sharded(width, optimizer=optimizer, param_groups="no_decay")
        fitting = L.Trainer(
            accelerator="cpu", devices=2, strategy=ModelParallelStrategy(2, 1), logger=False, max_epochs=1,
            callbacks=[Health(every_n_steps=2)], enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, default_root_dir=tmp_path, use_distributed_sampler=False,
        )  # fmt: skip
        fitting.fit(module, loader(), DataLoader(data(8), batch_size=4))
        return (module.taken,)

    for taken, counts in on_two_ranks(lambda rank: counted(run)):
        assert len(taken) == BATCHES // 2
        assert_equal_to_reference(read(tmp_path / "optim" / "health.csv"), taken, measured=[1, 3])
        assert counts == [1, 1]


class BreaksOnRank1(Sharded):
    """The shard that one rank has of one gradient is infinite in the 4th step, after backward."""

    def on_before_optimizer_step(self, optimizer):
        super().on_before_optimizer_step(optimizer)
        if self.global_rank and self.trainer.global_step == 3:
            self.layer[0].weight.grad.to_local().fill_(math.inf)


def test_all_ranks_know_of_a_shard_that_is_not_finite(tmp_path):
    def run():
        torch.manual_seed(0)
        module = BreaksOnRank1(8, optimizer="adamw", param_groups="no_decay")
        health = Health(every_n_steps=2)
        fitting = L.Trainer(
            accelerator="cpu", devices=2, strategy=ModelParallelStrategy(2, 1), logger=False, max_epochs=1,
            callbacks=[health], enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, default_root_dir=tmp_path, use_distributed_sampler=False,
        )  # fmt: skip
        fitting.fit(module, loader(), DataLoader(data(8), batch_size=4))
        return module.taken, health._warned

    for taken, warned, counts in on_two_ranks(lambda rank: counted(run)):
        assert counts == [1, 1]
        assert [sound_steps(taken, group) for group in ("default", "no_decay")] == [[True] * 3 + [False], [True] * 4]
        ratio = f"{taken[1]['default']['update_ratio']:.2g}"
        found = f"group default: NaN or infinity in the gradient at step 3; at step 1 update/weight {ratio}, no sign"
        (text,) = [text for text in warned if "NaN or infinity" in text]
        assert text.startswith(found)
