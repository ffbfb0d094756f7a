"""Second weights on two ranks: replicated, and sharded evenly and unevenly, in whole and in sharded checkpoints."""

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
    "swats": ("adamw", {"s": {"_target_": "lit_optim.callbacks.SWATS", "at": 5}, "l": LOOKAHEAD["lookahead"]}),
    "neither": ("adamw", None),
}


STEPS = (2, 3, 4, 7)  # between, at a sync, the last of an epoch's 4, in the second epoch


class Sharded(Net):
    def __init__(self, width=8, **specs):
        super().__init__(**specs)
        self.save_hyperparameters()
        self.layer = torch.nn.Sequential(
            torch.nn.Linear(4, width), torch.nn.LayerNorm(width), torch.nn.Linear(width, 1)
        )

    def configure_model(self):
        if not isinstance(self.layer[0].weight, DTensor):
            fully_shard(self.layer[0], mesh=self.device_mesh["data_parallel"])
            fully_shard(self.layer, mesh=self.device_mesh["data_parallel"])


def held_out():
    """The same batches on all ranks and in all epochs."""
    return DataLoader(data(8), batch_size=4)


def full(module):
    return torch.cat([getattr(p, "full_tensor", lambda p=p: p)().detach().flatten() for p in module.parameters()])


def saves(tmp_path):
    return [
        ModelCheckpoint(tmp_path, "s{step}", every_n_train_steps=1, save_top_k=-1, auto_insert_metric_name=False),
        ModelCheckpoint(tmp_path / "best", "{epoch}-{val/loss:.12f}", monitor="val/loss", save_top_k=-1, auto_insert_metric_name=False),
    ]  # fmt: skip


def sharded(tmp_path, case, width, shards, ckpt_path=None, callbacks=()):
    torch.manual_seed(0)
    optimizer, optim_callbacks = CASES[case]
    module = Sharded(width, optimizer=optimizer, optim_callbacks=optim_callbacks)
    strategy = ModelParallelStrategy(2, 1, save_distributed_checkpoint=shards)
    fitting = L.Trainer(
        accelerator="cpu", devices=2, strategy=strategy, logger=False, max_epochs=3, callbacks=list(callbacks),
        enable_checkpointing=bool(callbacks), enable_progress_bar=False, enable_model_summary=False,
        default_root_dir=tmp_path, use_distributed_sampler=False,
    )  # fmt: skip
    return module, fitting


def fitted(*args, ckpt_path=None, **options):
    module, fitting = sharded(*args, **options)
    fitting.fit(module, loader(), held_out(), ckpt_path=ckpt_path)
    return full(module)


@pytest.mark.slow
@pytest.mark.parametrize("shards", [True, False])
@pytest.mark.parametrize(("case", "width"), [*((case, 7) for case in CASES), ("lookahead", 8)])  # 7: uneven shards
def test_sharded_weights_resume_bit_for_bit_and_are_those_that_were_evaluated(tmp_path, case, shards, width):
    args = (tmp_path, case, width, shards)
    expected, _ = on_two_ranks(lambda rank: fitted(*args, callbacks=saves(tmp_path)))
    best = sorted((tmp_path / "best").iterdir())
    assert len(best) == 3

    def resumed(rank):
        results = [fitted(*args, ckpt_path=tmp_path / f"s{step}.ckpt") for step in STEPS]
        metrics = []
        for path in best:
            module, fitting = sharded(*args)
            metrics.append(fitting.validate(module, held_out(), ckpt_path=path, verbose=False)[0]["val/loss"])
        return results, metrics

    assert (tmp_path / "s2.ckpt").is_dir() == shards
    (results, metrics), (others, _) = on_two_ranks(resumed)
    for step, result, other in zip(STEPS, results, others, strict=True):
        assert torch.equal(result, expected), step
        assert torch.equal(other, expected), step
    names = [float(path.name.partition("-")[2].removesuffix(".ckpt")) for path in best]
    assert metrics == pytest.approx(names, rel=1e-6)


@pytest.mark.parametrize("case", ["lookahead", "ema", "schedule-free"])
def test_replicated_weights_resume_bit_for_bit(tmp_path, case):
    def work(rank, ckpt_path=None, callbacks=()):
        torch.manual_seed(0)
        optimizer, optim_callbacks = CASES[case]
        options = {"callbacks": list(callbacks)} if callbacks else {}
        module, _ = fit(
            tmp_path, Net(optimizer, optim_callbacks=optim_callbacks), ckpt_path, devices=2, strategy="ddp", **options
        )
        return weights(module)

    first, second = on_two_ranks(lambda rank: work(rank, callbacks=saves(tmp_path)))
    assert torch.equal(first, second)
    resumed = on_two_ranks(lambda rank: [work(rank, tmp_path / f"s{step}.ckpt") for step in STEPS])
    for results in resumed:
        assert all(torch.equal(result, first) for result in results)
