"""Two real processes: the same weights on both, and a resume that is bit-equal."""

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.strategies import ModelParallelStrategy
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from _support.fork import on_two_ranks
from _support.net import Net, loader, trainer, weights

PLATEAU = {"shape": "plateau", "factor": 0.5, "patience": 0}
CHAIN = {"warmup": {"steps": 2}, "flat": {"steps": "1ep", **PLATEAU}, "fall": {"steps": "rest", "shape": "cosine"}}
SCHEDULERS = {
    "warmup_cosine": "warmup_cosine",
    "plateau": {"warmup": 2, "main": PLATEAU, "monitor": "val/loss"},
    "phases, noise": {"phases": CHAIN, "order": [*CHAIN], "monitor": "val/loss", "noise": {"std": 0.1, "limit": 0.3}},
    "plateaus of several driven values": {
        "main": PLATEAU, "monitor": "val/loss", "groups": {"no_decay": {"warmup": 3, "main": {**PLATEAU, "factor": 0.3}}},
        "drive": {"weight_decay": {"main": {**PLATEAU, "factor": 0.9}}, "betas[0]": {"main": {"shape": "one_cycle"}, "values": [0.85, 0.95]}},
    },
}  # fmt: skip


@pytest.mark.parametrize("name", SCHEDULERS)
def test_ddp_resumes_bit_for_bit(tmp_path, name):
    """At each step of the run, all in one pair of processes; the last batch of an epoch from what is saved at its end."""

    def run(ckpt_path=None, **options):
        module = Net(scheduler=SCHEDULERS[name], param_groups="no_decay", val_losses=[1.0, 1.0, 0.2])
        fitting = trainer(tmp_path, devices=2, strategy="ddp", **options)
        fitting.fit(module, loader(), loader(8), ckpt_path=ckpt_path)
        groups = [{k: v for k, v in group.items() if k != "params"} for group in fitting.optimizers[0].param_groups]
        return weights(module), groups, fitting.lr_scheduler_configs[0].scheduler.state_dict()

    def work(rank):
        saves = [ModelCheckpoint(tmp_path, "s{step}", every_n_train_steps=1, save_top_k=-1),
                 ModelCheckpoint(tmp_path, "e{step}", save_top_k=-1)]  # fmt: skip
        unbroken = run(callbacks=saves)
        steps = unbroken[-1]["last_epoch"]
        ends = range(steps // 3, steps, steps // 3)
        paths = [f"{'e' if step in ends else 's'}step={step}.ckpt" for step in range(1, steps)]
        return unbroken, {path: run(tmp_path / path) for path in paths}

    (first, resumed), (second, its) = on_two_ranks(work)
    assert torch.equal(first[0], second[0])
    assert len(resumed) > 10
    for path in resumed:
        for end in (resumed[path], its[path]):
            assert torch.equal(end[0], first[0]), path
            assert end[1:] == first[1:], path


class Sharded(Net):
    def configure_model(self):
        if not isinstance(self.layer[0].weight, DTensor):
            fully_shard(self.layer, mesh=self.device_mesh["data_parallel"])


@pytest.mark.parametrize("optimizer", ["adamw", "momentum", "adagrad", "rmsprop"])
def test_sharded_parameters_end_where_one_process_does(tmp_path, optimizer):
    def sharded(rank):
        module = Sharded(optimizer, scheduler="warmup_cosine")
        strategy = ModelParallelStrategy(2, 1)
        fitting = L.Trainer(
            accelerator="cpu", devices=2, strategy=strategy, logger=False, enable_checkpointing=False, max_epochs=1,
            enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path, use_distributed_sampler=False,
        )  # fmt: skip
        fitting.fit(module, loader(), loader(8))
        full = torch.cat([getattr(p, "full_tensor", lambda p=p: p)().detach().flatten() for p in module.parameters()])
        return full, fitting.optimizers[0].param_groups[0].get("fused")

    def replicated(rank):
        module = Net(optimizer, scheduler="warmup_cosine")
        trainer(tmp_path, devices=2, strategy="ddp", max_epochs=1).fit(module, loader(), loader(8))
        return weights(module)

    (result, fused), _ = on_two_ranks(sharded)
    torch.testing.assert_close(result, on_two_ranks(replicated)[0], rtol=1e-4, atol=1e-6)
    assert bool(fused) == (optimizer == "adamw"), "SGD and Adagrad raise on DTensor when fused"
