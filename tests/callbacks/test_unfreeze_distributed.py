"""Unfreezing on two real processes: the same weights on both, or an error that says what to write."""

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from _support.fork import on_two_ranks
from _support.net import Net, loader, trainer, weights
from lit_optim import ConfigError

STAGES = {
    "head": {"at": 0, "match": {"role": "output"}},
    "norm": {"at": 5, "match": {"module": "layer.1"}, "lr": "x0.5", "warmup": 4},
    "rest": {"at": "1.5ep"},
}
CHOSEN = {"unfreeze": {"_target_": "lit_optim.callbacks.Unfreeze", "stages": STAGES}}
UNUSED = "ddp_find_unused_parameters_true"


def net(cls=Net, optimizer="adamw"):
    torch.manual_seed(0)
    return cls(optimizer, scheduler="warmup_cosine", param_groups="no_decay", optim_callbacks=CHOSEN)


def test_ddp_trains_both_ranks_alike_and_resumes(tmp_path):
    def run(ckpt_path=None, **options):
        module = net()
        fitting = trainer(tmp_path, devices=2, strategy=UNUSED, **options)
        fitting.fit(module, loader(), loader(8), ckpt_path=ckpt_path)
        return weights(module)

    def work(rank):
        saves = [ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1)]
        unbroken = run(callbacks=saves)
        return unbroken, [run(tmp_path / f"step={step}.ckpt") for step in (3, 5, 6, 7, 10)]

    (first, resumed), (second, its) = on_two_ranks(work)
    assert torch.equal(first, second)
    start = weights(net())
    assert (first != start).all()
    for one, other in zip(resumed, its, strict=True):
        assert torch.equal(one, first)
        assert torch.equal(other, first)


@pytest.mark.parametrize(("options", "named"), [({}, "find_unused_parameters=False"), ({"static_graph": True}, "static_graph=True")])  # fmt: skip
def test_ddp_that_waits_for_all_gradients_is_rejected(tmp_path, options, named):
    def work(rank):
        with pytest.raises(
            ConfigError, match=rf"trainer\.strategy: with {named} DDP .* write trainer\.strategy={UNUSED}"
        ):
            trainer(tmp_path, devices=2, strategy=DDPStrategy(**options)).fit(net(), loader(), loader(8))

    on_two_ranks(work)


class Sharded(Net):
    def configure_model(self):
        if not isinstance(self.layer[0].weight, DTensor):
            for part in self.layer:
                fully_shard(part, mesh=self.device_mesh["data_parallel"])
            fully_shard(self, mesh=self.device_mesh["data_parallel"])


@pytest.fixture(scope="module", params=["adamw", "momentum"])
def replicated(request, tmp_path_factory):
    """A name of an optimizer, and the weights of a run with whole parameters."""

    def work(rank):
        module = net(optimizer=request.param)
        fitting = trainer(tmp_path_factory.getbasetemp(), devices=2, strategy=UNUSED)
        fitting.fit(module, loader(), loader(8))
        return weights(module)

    return request.param, on_two_ranks(work)[0]


@pytest.mark.parametrize("shards", [True, False])
def test_sharded_parameters_end_where_whole_ones_do_and_resume(tmp_path, shards, replicated):
    optimizer, whole = replicated

    def run(ckpt_path=None, **options):
        module = net(Sharded, optimizer)
        strategy = ModelParallelStrategy(2, 1, save_distributed_checkpoint=shards)
        fitting = trainer(tmp_path, devices=2, strategy=strategy, **options)
        fitting.fit(module, loader(), loader(8), ckpt_path=ckpt_path)
        full = (getattr(p, "full_tensor", lambda p=p: p)() for p in module.parameters())
        return torch.cat([p.detach().flatten() for p in full])

    def work(rank):
        saves = [ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1)]
        unbroken = run(callbacks=saves)
        return unbroken, [run(tmp_path / f"step={step}.ckpt") for step in (3, 5, 6, 7, 10)]

    (first, resumed), (second, _) = on_two_ranks(work)
    assert torch.equal(first, second)
    torch.testing.assert_close(first, whole, rtol=1e-4, atol=1e-5)
    for one in resumed:
        assert torch.equal(one, first)
