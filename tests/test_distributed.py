"""Two real processes: the same weights on both, and a resume that is bit-equal."""

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.strategies import ModelParallelStrategy
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from fork import on_two_ranks
from net import Net, loader, trainer, weights


@pytest.mark.parametrize(
    "scheduler", ["warmup_cosine", {"warmup": 2, "main": {"shape": "plateau", "patience": 0}, "monitor": "val/loss"}]
)
def test_ddp_resumes_bit_for_bit(tmp_path, scheduler):
    def run(ckpt_path=None, **options):
        module = Net(scheduler=scheduler, param_groups="no_decay", val_losses=[1.0, 1.0, 0.2])
        fitting = trainer(tmp_path, devices=2, strategy="ddp", **options)
        fitting.fit(module, loader(), loader(8), ckpt_path=ckpt_path)
        return weights(module), fitting.lr_scheduler_configs[0].scheduler.state_dict()

    def unbroken(rank):
        saves = [ModelCheckpoint(tmp_path, "s{step}", every_n_train_steps=1, save_top_k=-1),
                 ModelCheckpoint(tmp_path, "e{epoch}", save_top_k=-1)]  # fmt: skip
        return run(callbacks=saves)

    first, second = on_two_ranks(unbroken)
    assert torch.equal(first[0], second[0])
    for name in ("sstep=3.ckpt", "sstep=6.ckpt", "eepoch=0.ckpt", "eepoch=1.ckpt"):
        for result, state in on_two_ranks(lambda rank, name=name: run(tmp_path / name)):
            assert torch.equal(result, first[0]), name
            assert state == first[1]


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
