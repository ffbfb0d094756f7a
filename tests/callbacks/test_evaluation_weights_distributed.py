"""Second weights on two ranks: replicated, and sharded evenly and unevenly, in whole and in sharded checkpoints."""

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.strategies import ModelParallelStrategy
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from fork import on_two_ranks
from net import Net, fit, loader, trainer, weights

FREE = {"_target_": "schedulefree.AdamWScheduleFree", "lr": 0.01}
LOOKAHEAD = {"lookahead": {"_target_": "lit_optim.callbacks.Lookahead", "k": 3, "alpha": 0.5}}
AVERAGE = {"ema": {"_target_": "lit_optim.callbacks.ExponentialMovingAverage", "decay": 0.8}}
CASES = {
    "lookahead": ("adamw", LOOKAHEAD),
    "pullback": ("adam", {"lookahead": {**LOOKAHEAD["lookahead"], "inner_state": "pullback"}}),
    "momentum": ("momentum", LOOKAHEAD),
    "sgd": ("sgd", LOOKAHEAD),
    "ema": ("adamw", AVERAGE),
    "both": ("adamw", {**LOOKAHEAD, **AVERAGE}),
    "schedule-free": (FREE, None),
    "plain": ("adamw", None),
}


class Sharded(Net):
    def __init__(self, width=8, **specs):
        super().__init__(**specs)
        self.save_hyperparameters()
        self.layer = torch.nn.Sequential(torch.nn.Linear(4, width), torch.nn.LayerNorm(width), torch.nn.Linear(width, 1))

    def configure_model(self):
        if not isinstance(self.layer[0].weight, DTensor):
            fully_shard(self.layer[0], mesh=self.device_mesh["data_parallel"])
            fully_shard(self.layer, mesh=self.device_mesh["data_parallel"])


def full(module):
    return torch.cat([getattr(p, "full_tensor", lambda p=p: p)().detach().flatten() for p in module.parameters()])


def saves(tmp_path):
    return [
        ModelCheckpoint(tmp_path, "s{step}", every_n_train_steps=1, save_top_k=-1, auto_insert_metric_name=False),
        ModelCheckpoint(tmp_path / "best", "{epoch}-{val/loss:.12f}", monitor="val/loss", save_top_k=-1, auto_insert_metric_name=False),
    ]  # fmt: skip


def run_sharded(tmp_path, case, width, shards, ckpt_path=None, callbacks=()):
    torch.manual_seed(0)
    optimizer, optim_callbacks = CASES[case]
    module = Sharded(width, optimizer=optimizer, optim_callbacks=optim_callbacks)
    strategy = ModelParallelStrategy(2, 1, save_distributed_checkpoint=shards)
    fitting = L.Trainer(
        accelerator="cpu", devices=2, strategy=strategy, logger=False, max_epochs=3, callbacks=list(callbacks),
        enable_checkpointing=bool(callbacks), enable_progress_bar=False, enable_model_summary=False,
        default_root_dir=tmp_path, use_distributed_sampler=False,
    )  # fmt: skip
    fitting.fit(module, loader(), loader(8), ckpt_path=ckpt_path)
    return full(module)


@pytest.mark.parametrize("width", [8, 7])
@pytest.mark.parametrize("shards", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_sharded_weights_resume_bit_for_bit(tmp_path, case, shards, width):
    expected, _ = on_two_ranks(lambda rank: run_sharded(tmp_path, case, width, shards, callbacks=saves(tmp_path)))
    for step in (2, 3, 4, 7):  # between, at a sync, the last of an epoch's 4, in the second epoch
        path = tmp_path / f"s{step}.ckpt"
        assert path.is_dir() == shards
        for result in on_two_ranks(lambda rank, path=path: run_sharded(tmp_path, case, width, shards, path)):
            assert torch.equal(result, expected), step
