"""Reordered declarations under FSDP2: sharded checkpoints go by names, whole ones by numbers that have changed."""

import re

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.strategies import ModelParallelStrategy
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

import lit_optim
from _support.fork import on_two_ranks
from _support.net import loader
from lit_optim.errors import config_error_in


class Sharded(lit_optim.ConfigureOptimizersMixin, L.LightningModule):
    def __init__(self, order="ab", optimizer="adamw", param_groups=None, optim_callbacks=None):
        super().__init__()
        self.save_hyperparameters(ignore="order")
        for letter in order:
            self.add_module(letter, torch.nn.Linear(4, 3))
            torch.manual_seed(ord(letter))
            getattr(self, letter).reset_parameters()

    def configure_model(self):
        if not isinstance(self.a.weight, DTensor):
            for letter in "ab":
                fully_shard(getattr(self, letter), mesh=self.device_mesh["data_parallel"])
            fully_shard(self, mesh=self.device_mesh["data_parallel"])

    def forward(self, x):
        return (self.a(x) - 1).square().mean() + (self.b(x) + 1).square().mean()

    def training_step(self, batch, batch_idx):
        return self(batch[0])


def fitted(tmp_path, order, shards, ckpt_path=None, callbacks=(), frozen="", **specs):
    fitting = L.Trainer(
        accelerator="cpu", devices=2, strategy=ModelParallelStrategy(2, 1, save_distributed_checkpoint=shards),
        logger=False, max_epochs=2, callbacks=list(callbacks), enable_checkpointing=bool(callbacks),
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path, use_distributed_sampler=False,
    )  # fmt: skip
    module = Sharded(order, **specs)
    for name, p in module.named_parameters():
        p.requires_grad_(not (frozen and name.startswith(frozen)))
    try:
        fitting.fit(module, loader(), ckpt_path=ckpt_path)
    except BaseException as error:  # torch's errors of sharded checkpoints are no Exceptions
        if (words := config_error_in(error)) is None:
            raise
        return str(words)
    return {name: p.full_tensor().detach() for name, p in module.named_parameters()}


@pytest.mark.parametrize("shards", [True, False])
@pytest.mark.parametrize(
    "specs", [{}, {"param_groups": "no_decay"}, {"optimizer": "sgdw"}, {"optim_callbacks": "lookahead"}], ids=str
)
def test_the_right_result_or_an_error(tmp_path, shards, specs):
    save = ModelCheckpoint(tmp_path, "{epoch}", save_top_k=-1, every_n_epochs=1)
    expected, _ = on_two_ranks(lambda rank: fitted(tmp_path, "ab", shards, callbacks=[save], **specs))
    path = tmp_path / "epoch=0.ckpt"
    for found in on_two_ranks(lambda rank: fitted(tmp_path, "ab", shards, path, **specs)):
        assert all(torch.equal(found[name], value) for name, value in expected.items())
    for found in on_two_ranks(lambda rank: fitted(tmp_path, "ba", shards, path, **specs)):
        if shards:
            for name, value in expected.items():
                torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6)
        else:
            assert "ckpt_path: its parameters were declared in another order" in found
            assert "save_distributed_checkpoint=True" in found


REGROUPED = {  # what the saved run had, what the resumed one has, and what is said, of shards and of a whole file
    "a new group": ({}, {"param_groups": "no_decay"}, "param_groups.0.name is not among them", "others \\(a.bias, b.bias\\)"),
    "a group less": ({"param_groups": "no_decay"}, {}, "others \\(a.bias, b.bias\\)", "others \\(a.bias, b.bias\\)"),
    "unfrozen": ({"frozen": "b"}, {}, "state.b.weight.* is not among them", "b.weight is not among them"),
    "frozen": ({}, {"frozen": "b"}, "", ""),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("shards", [True, False])
@pytest.mark.parametrize("case", REGROUPED)
def test_other_groups_are_rejected_and_a_frozen_layer_is_not(tmp_path, case, shards):
    before, after, *words = REGROUPED[case]
    save = ModelCheckpoint(tmp_path, "{epoch}", save_top_k=-1, every_n_epochs=1)
    unbroken, _ = on_two_ranks(lambda rank: fitted(tmp_path, "ab", shards, callbacks=[save], **before))
    for found in on_two_ranks(lambda rank: fitted(tmp_path, "ab", shards, tmp_path / "epoch=0.ckpt", **after)):
        if words[not shards]:
            assert re.search(f"ckpt_path.*{words[not shards]}", found), found
        else:
            assert all(torch.equal(found[name], unbroken[name]) for name in ("a.weight", "a.bias"))
