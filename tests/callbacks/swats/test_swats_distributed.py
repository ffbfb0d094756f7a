"""SWATS on two ranks: replicated, and sharded evenly and unevenly, in whole and in sharded checkpoints."""

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

TARGET = "lit_optim.callbacks.SWATS"
RULES = {"rules": [{"match": {"type": "bias"}, "lr": 5e-4, "weight_decay": 0.0}]}
WAYS = {
    "at": {"_target_": TARGET, "at": 6},
    "criterion": {"_target_": TARGET, "switch_rtol": 0.25, "min_steps": 6},
    "metric": {"_target_": TARGET, "on_metric": {"monitor": "val/loss", "patience": 0, "threshold": 10.0}},
}
STEPS = 12  # 3 epochs of 4
KEYS = ("phase", "k", "gamma", "lam", "sgd_lr", "switched_at", "max_sgd_lr", "scope", "follow_schedule", "armed", "lr")


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


def saves(folder):
    options = dict(save_top_k=-1, auto_insert_metric_name=False)
    return [
        ModelCheckpoint(folder, "s{step}", every_n_train_steps=1, save_on_train_epoch_end=False, **options),
        ModelCheckpoint(folder, "v{epoch}", monitor="val/loss", save_on_train_epoch_end=False, **options),
    ]


def full(module):
    return torch.cat([getattr(p, "full_tensor", lambda p=p: p)().detach().flatten() for p in module.parameters()])


def known(run):
    return [{key: group[key] for key in KEYS} for group in run.optimizers[0].param_groups]


def sharded(folder, way, width, shards, ckpt_path=None, callbacks=(), swats=True, **options):
    torch.manual_seed(0)
    specs = dict(optimizer="adamw", scheduler="warmup_cosine", param_groups=RULES)
    module = Sharded(width, **specs, optim_callbacks={"swats": WAYS[way]} if swats else None)
    run = L.Trainer(
        accelerator="cpu", devices=2, strategy=ModelParallelStrategy(2, 1, save_distributed_checkpoint=shards),
        logger=False, max_epochs=3, callbacks=list(callbacks), enable_checkpointing=bool(callbacks),
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=folder, use_distributed_sampler=False,
        **options,
    )  # fmt: skip
    run.fit(module, loader(), DataLoader(data(8), batch_size=4), ckpt_path=ckpt_path)
    return full(module), known(run)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "width", "shards"),  # 7: uneven; whether a file is sharded does not depend on why the run has switched
    [
        (way, width, shards)
        for way in WAYS
        for width in (8, 7)
        for shards in (True, False)
        if way == "at" or shards is (width == 7)
    ],
)
def test_sharded_run_resumes_bit_for_bit(tmp_path, way, width, shards):
    args = (tmp_path, way, width, shards)
    (expected, groups), (other, other_groups) = on_two_ranks(
        lambda rank: sharded(*args, callbacks=saves(tmp_path / "s"))
    )
    assert torch.equal(expected, other)
    assert groups == other_groups, "ranks that do not agree"
    at = groups[0]["switched_at"]
    assert 5 < at < 10
    assert at == {"at": 6, "metric": 8}.get(way, at)
    names = [f"s{step}.ckpt" for step in (2, at - 1, at, at + 1, 11)] + ["v0.ckpt", "v1.ckpt"]
    missed = ["s4.ckpt", "s8.ckpt"] if way == "metric" else []  # their validation is not made up for

    def resumed(rank):
        wanted = [name for name in names if name not in missed]
        return [(name, sharded(*args, ckpt_path=tmp_path / "s" / name)) for name in wanted]

    for results in on_two_ranks(resumed):
        for name, (result, found) in results:
            assert torch.equal(result, expected), name
            assert found == groups, name


@pytest.mark.parametrize("way", WAYS)
def test_replicated_run_resumes_bit_for_bit(tmp_path, way):
    def run(ckpt_path=None, callbacks=()):
        torch.manual_seed(0)
        module = Net("adamw", "warmup_cosine", RULES, {"swats": WAYS[way]})
        options = {"callbacks": list(callbacks)} if callbacks else {}
        val = DataLoader(data(8), batch_size=4)
        _, fitting = fit(tmp_path, module, ckpt_path, val=val, devices=2, strategy="ddp", **options)
        return weights(module), known(fitting)

    def unbroken_and_resumed(rank):
        expected, groups = run(callbacks=saves(tmp_path / "s"))
        at = groups[0]["switched_at"]
        names = [f"s{step}.ckpt" for step in (at - 1, at, at + 1) if way != "metric" or step % 8] + ["v0.ckpt"]
        return expected, groups, {name: run(tmp_path / "s" / name) for name in names}

    (expected, groups, resumed), (other, other_groups, others) = on_two_ranks(unbroken_and_resumed)
    assert torch.equal(expected, other)
    assert groups == other_groups
    assert 5 < groups[0]["switched_at"] <= 16
    assert len(resumed) >= 3
    for name, (result, found) in [*resumed.items(), *others.items()]:
        assert torch.equal(result, expected), name
        assert found == groups, name


def test_sharded_sums_are_those_of_one_process(tmp_path):
    """Gamma and Lambda over shards, even and uneven, are those over whole parameters."""

    def whole(width):
        torch.manual_seed(0)
        module = Sharded(
            width,
            optimizer="adamw",
            scheduler="warmup_cosine",
            param_groups=RULES,
            optim_callbacks={"swats": WAYS["at"]},
        )
        module.configure_model = lambda: None
        _, run = fit(tmp_path, module, devices=2, strategy="ddp", val=DataLoader(data(8), batch_size=4))
        return weights(module), known(run)

    widths = (8, 7)
    wholes, _ = on_two_ranks(lambda rank: [whole(width) for width in widths])
    shards, _ = on_two_ranks(lambda rank: [sharded(tmp_path, "at", width, True) for width in widths])
    for (one, of_one), (two, of_two) in zip(wholes, shards, strict=True):
        torch.testing.assert_close(two, one, rtol=1e-5, atol=1e-6)
        for a, b in zip(of_one, of_two, strict=True):
            assert {k: v for k, v in b.items() if isinstance(v, (float, int))} == pytest.approx(
                {k: v for k, v in a.items() if isinstance(v, (float, int))}, rel=1e-4
            )


@pytest.mark.parametrize("shards", [True, False])
def test_a_checkpoint_before_the_first_step_changes_nothing(tmp_path, shards):
    """To save one, torch takes a step without gradients, and to load one too."""

    class AtStart(L.Callback):
        def on_train_start(self, run, module):
            if run.global_step == 0:
                run.save_checkpoint(tmp_path / "start.ckpt")
                self.known = known(run)

    def with_save(rank):
        expected, groups = sharded(tmp_path, "criterion", 7, shards)
        saving = AtStart()
        result, found = sharded(tmp_path, "criterion", 7, shards, callbacks=[saving])
        again, resumed = sharded(tmp_path, "criterion", 7, shards, ckpt_path=tmp_path / "start.ckpt")
        return expected, groups, result, found, saving.known[0]["k"], again, resumed

    for expected, groups, result, found, k, again, resumed in on_two_ranks(with_save):
        assert k == 0
        assert found == groups == resumed
        assert torch.equal(result, expected)
        assert torch.equal(again, expected)


@pytest.mark.parametrize("shards", [True, False])
def test_a_checkpoint_of_its_sgd_phase_needs_it(tmp_path, shards):
    """Under this strategy the optimizer's state cannot be checked before it is loaded."""

    def without(rank):
        sharded(tmp_path, "at", 8, shards, callbacks=[ModelCheckpoint(tmp_path, "s9", every_n_train_steps=9)])
        try:
            sharded(tmp_path, "at", 8, shards, ckpt_path=tmp_path / "s9.ckpt", swats=False)
        except BaseException as error:  # torch's CheckpointException is no Exception
            return str(config_error_in(error))

    words = "a sharded checkpoint of SWATS does not fit AdamW" if shards else "its optimizer has switched to SGD"
    for message in on_two_ranks(without):
        assert message.startswith(f"ckpt_path: {words}")
        assert message.endswith("; add optim_callbacks=swats")


def test_replicated_ranks_take_the_sums_of_rank_0(tmp_path):
    """Last digits that differ between machines must not switch one of them a step earlier."""

    def run(rank):
        import lit_optim.distributed as sums

        added = sums._added
        sums._added = lambda *args: added(*args) * (1 + rank * 1e-3)
        torch.manual_seed(0)
        module = Net("adamw", optim_callbacks={"swats": WAYS["at"]})
        _, fitting = fit(tmp_path, module, devices=2, strategy="ddp")
        return weights(module), known(fitting)

    (a, of_a), (b, of_b) = on_two_ranks(run)
    assert of_a == of_b
    assert torch.equal(a, b)
