"""A planned change of optimizer on two ranks: replicated, and sharded unevenly, in whole and in sharded checkpoints."""

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.strategies import ModelParallelStrategy
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.utils.data import DataLoader

from _support.fork import on_two_ranks
from _support.net import Net, data, fit, loader, weights
from lit_optim.errors import config_error_in

TARGET = "lit_optim.callbacks.Switch"
RULES = {"rules": [{"match": {"type": "bias"}, "lr": "x0.5", "weight_decay": 0.0}]}
STALLED = {"monitor": "val/loss", "patience": 0, "threshold": 10.0}
STEPS = 12  # 3 epochs of 4
PAIRS = [("adamw", "momentum"), ("adam", "nadam"), ("momentum", "radam"), ("sgd", "asgd")]


class Sharded(Net):
    def __init__(self, width=7, **specs):
        super().__init__(**specs)
        self.save_hyperparameters()
        self.layer = torch.nn.Sequential(
            torch.nn.Linear(4, width), torch.nn.LayerNorm(width), torch.nn.Linear(width, 1)
        )

    def configure_model(self):
        if self.trainer.world_size > 1 and not isinstance(self.layer[0].weight, DTensor):
            fully_shard(self.layer[0], mesh=self.device_mesh["data_parallel"])
            fully_shard(self.layer, mesh=self.device_mesh["data_parallel"])


def saves(folder):
    options = dict(save_top_k=-1, auto_insert_metric_name=False, save_on_train_epoch_end=False)
    return [ModelCheckpoint(folder, "s{step}", every_n_train_steps=1, **options)]


def full(module):
    return torch.cat([getattr(p, "full_tensor", lambda p=p: p)().detach().flatten() for p in module.parameters()])


def known(run):
    groups = run.optimizers[0].param_groups  # a whole file has lists in place of tuples
    return [{k: [*v] if isinstance(v, tuple) else v for k, v in g.items() if k != "params"} for g in groups]


def specs(pair, switch=True, **when):
    name, to = pair
    given = {"_target_": TARGET, "to": to, "lr": "x2", **(when or {"at": 6})}
    callbacks = {"switch": given} if switch else None
    return dict(optimizer=name, scheduler="warmup_cosine", param_groups=RULES, optim_callbacks=callbacks)


def sharded(folder, pair, shards, ckpt_path=None, callbacks=(), switch=True):
    torch.manual_seed(0)
    module = Sharded(**specs(pair, switch))
    run = L.Trainer(
        accelerator="cpu", devices=2, strategy=ModelParallelStrategy(2, 1, save_distributed_checkpoint=shards),
        logger=False, max_epochs=3, callbacks=list(callbacks), enable_checkpointing=bool(callbacks),
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=folder, use_distributed_sampler=False,
    )  # fmt: skip
    run.fit(module, loader(), DataLoader(data(8), batch_size=4), ckpt_path=ckpt_path)
    return full(module), known(run)


@pytest.mark.slow
@pytest.mark.parametrize("shards", [True, False])
@pytest.mark.parametrize("pair", PAIRS)
def test_sharded_run_resumes_bit_for_bit(tmp_path, pair, shards):
    (expected, groups), (other, other_groups) = on_two_ranks(
        lambda rank: sharded(tmp_path, pair, shards, callbacks=saves(tmp_path / "s"))
    )
    assert torch.equal(expected, other)
    assert groups == other_groups
    assert groups[0]["switched_to"] is not None
    names = [f"s{step}.ckpt" for step in (5, 6, 7)]
    for results in on_two_ranks(lambda rank: [sharded(tmp_path, pair, shards, tmp_path / "s" / n) for n in names]):
        for name, (result, found) in zip(names, results, strict=True):
            assert torch.equal(result, expected), name
            assert found == groups, name


@pytest.mark.parametrize("pair", PAIRS[1:])
def test_sharded_run_ends_where_a_replicated_one_does(tmp_path, pair):
    def replicated(rank):
        torch.manual_seed(0)
        module = Sharded(**specs(pair))
        module.configure_model = lambda: None
        fit(tmp_path, module, devices=2, strategy="ddp", val=DataLoader(data(8), batch_size=4))
        return weights(module)

    (one, _), ((two, _), _) = on_two_ranks(replicated), on_two_ranks(lambda rank: sharded(tmp_path, pair, True))
    torch.testing.assert_close(two, one, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("way", ["at", "metric"])
def test_replicated_run_resumes_bit_for_bit(tmp_path, way):
    when = {"at": 10} if way == "at" else {"on_metric": STALLED}

    def run(ckpt_path=None, callbacks=()):
        torch.manual_seed(0)
        module = Net(**specs(("adamw", "nadam"), **when))
        options = {"callbacks": list(callbacks)} if callbacks else {}
        val = DataLoader(data(8), batch_size=4)
        _, fitting = fit(tmp_path, module, ckpt_path, val=val, devices=2, strategy="ddp", **options)
        return weights(module), known(fitting)

    (expected, groups), (other, other_groups) = on_two_ranks(lambda rank: run(callbacks=saves(tmp_path / "s")))
    assert torch.equal(expected, other)
    assert groups == other_groups
    assert groups[0]["switched_to"] == "NAdam"
    names = [f"s{step}.ckpt" for step in ((9, 10, 11) if way == "at" else (7, 9))]
    for results in on_two_ranks(lambda rank: [run(tmp_path / "s" / name) for name in names]):
        for name, (result, found) in zip(names, results, strict=True):
            assert torch.equal(result, expected), name
            assert found == groups, name


@pytest.mark.parametrize("shards", [True, False])
def test_a_checkpoint_from_after_needs_it(tmp_path, shards):
    """Under this strategy the optimizer's state cannot be checked before it is loaded."""

    def without(rank):
        try:
            sharded(tmp_path, ("adamw", "momentum"), shards, tmp_path / "s" / "s9.ckpt", switch=False)
        except BaseException as error:  # torch's CheckpointException is no Exception
            return str(config_error_in(error))

    words = "ckpt_path: a sharded checkpoint of Switched does not fit AdamW; add optim_callbacks=switch"
    on_two_ranks(lambda rank: sharded(tmp_path, ("adamw", "momentum"), shards, callbacks=saves(tmp_path / "s")))
    for message in on_two_ranks(without):
        assert (
            message.startswith(words) if shards else "'momentum_buffer' is whole and the parameter sharded" in message
        )
