"""Ranks with different configurations stop together, with one message, before any data is prepared."""

import os
import subprocess
import sys

import lightning as L
import pytest
import torch

from _support.app_process import TRAIN
from _support.fork import free_port, on_two_ranks
from _support.net import Net, loader, trainer
from lit_optim import ConfigError
from lit_optim.callbacks import (
    Agc,
    Centralize,
    ExponentialMovingAverage,
    GradientNoise,
    Lookahead,
    ScheduleReport,
    Unfreeze,
)
from lit_optim.config.build.callbacks import callbacks_from_spec
from lit_optim.config.canonical_specs import canonical_callbacks, canonical_specs, differences
from lit_optim.config.checks.signature import call_signature
from lit_optim.config.read.presets import preset_names
from lit_optim.config.resolve import resolve_specs

ADVICE = "every process runs a sweep by itself under this strategy; use trainer.strategy=ddp_fork for sweeps"


class Data(L.LightningDataModule):
    prepared = False

    def prepare_data(self):
        self.prepared = True

    def train_dataloader(self):
        return loader()

    def val_dataloader(self):
        return loader(8)


def outcome(tmp_path, module, strategy="ddp", **options):
    """The error of a rank, and whether its data were prepared."""
    module_of_data = Data()
    fitting = trainer(tmp_path, devices=2, strategy=strategy, max_epochs=1, enable_checkpointing=False, **options)
    try:
        fitting.fit(module, module_of_data)
    except ConfigError as error:
        return error.problems, module_of_data.prepared
    return None, module_of_data.prepared


DIFFERENT = [
    ("optimizer.lr", [{"optimizer": {"_target_": "torch.optim.SGD", "lr": 0.5}}, {"optimizer": {"_target_": "torch.optim.SGD", "lr": 0.25}}],
     (f"optimizer.lr=0.25: of rank 1, but rank 0 has 0.5; {ADVICE}",)),
    ("class", [{"optimizer": "sgd"}, {"optimizer": "rprop"}],
     (f"optimizer._target_='torch.optim.Rprop': of rank 1, but rank 0 has 'torch.optim.SGD'; {ADVICE}",)),
    ("scheduler", [{"scheduler": {"warmup": 3}}, {"scheduler": {"warmup": 4}}],
     (f"scheduler.warmup.steps=4.0: of rank 1, but rank 0 has 3.0; {ADVICE}",)),
    ("param_groups", [{"param_groups": "no_decay"}, {}],
     ("param_groups.no_decay=None: of rank 1, but rank 0 has {'name': 'no_decay', 'match': {'any': [{'type': ['norm', 'bias']}, "
      f"{{'declared': 'no_weight_decay'}}]}}, 'options': {{'weight_decay': 0.0}}}}; {ADVICE}",)),
    ("optim_callbacks", [{}, {"optim_callbacks": "schedule_report"}],
     (f"optim_callbacks='schedule_report': of rank 1, but rank 0 has None; {ADVICE}",)),
    ("rank 0 is wrong", [{"optimizer": "sdg"}, {"optimizer": "sgd"}],
     ("rank 0: optimizer='sdg': no preset of that name; did you mean 'sgd'?",)),
    ("rank 1 is wrong", [{"optimizer": "sgd"}, {"optimizer": "sdg"}],
     ("rank 1: optimizer='sdg': no preset of that name; did you mean 'sgd'?",)),
    ("both are wrong", [{"optimizer": "sdg"}, {"optimizer": "sdg"}],
     ("optimizer='sdg': no preset of that name; did you mean 'sgd'?",)),
]  # fmt: skip


@pytest.mark.parametrize(("specs", "message"), [case[1:] for case in DIFFERENT], ids=[case[0] for case in DIFFERENT])
def test_all_ranks_stop_with_one_message(tmp_path, specs, message):
    ranks = on_two_ranks(lambda rank: outcome(tmp_path, Net(**specs[rank])))  # raises where a rank waits for another
    for problems, prepared in ranks:
        assert problems == message
        assert not prepared
    assert ranks[0] == ranks[1]


@pytest.mark.parametrize("where", ["resolve", "canonical_specs"])
def test_any_other_error_of_a_rank_stops_all(tmp_path, monkeypatch, where):
    def work(rank):
        if rank == 0:
            monkeypatch.setattr(f"lit_optim.module.resolved_specs.{where}", lambda *args, **kwargs: 1 / 0)
        return outcome(tmp_path, Net("sgd"))

    ranks = on_two_ranks(work)
    assert ranks[0] == ranks[1] == (("rank 0: ZeroDivisionError: division by zero",), False)


@pytest.mark.parametrize("keeps_it", ["hparams", "optim_spec"])
def test_an_assigned_lr_counts(tmp_path, keeps_it):
    def work(rank):
        module = Net("sgd")
        if keeps_it == "optim_spec":
            module.optim_spec = {"optimizer": "sgd"}
        module.lr = 0.1 + rank
        return outcome(tmp_path, module)

    ranks = on_two_ranks(work)
    assert ranks[0] == ranks[1] == ((f"optimizer.lr=1.1: of rank 1, but rank 0 has 0.1; {ADVICE}",), False)


def test_equal_specs_train(tmp_path):
    ranks = on_two_ranks(lambda rank: outcome(tmp_path, Net("sgd", param_groups="no_decay")))
    assert ranks == [(None, True), (None, False)], "Lightning prepares data on rank 0 only"


def test_what_was_given_as_objects_is_compared_by_its_class(tmp_path):
    def work(rank):
        return outcome(tmp_path, Net(optim_callbacks=[L.pytorch.callbacks.Timer()], optimizer=torch.optim.SGD))

    assert on_two_ranks(work) == [(None, True), (None, False)]


OBJECTS = [
    ("of the Trainer", lambda rank: {"callbacks": [Lookahead(k=5 - 2 * rank)]}, {}, "callbacks.Lookahead.k=3: of rank 1, but rank 0 has 5"),
    ("nested", lambda rank: {"callbacks": [Unfreeze({"a": f"{rank}ep", "b": {"at": 0, "match": {"role": "output"}}})]}, {}, "callbacks.Unfreeze.stages"),
    ("two of a class", lambda rank: {"callbacks": [ExponentialMovingAverage(), ExponentialMovingAverage(0.9 + rank / 100)]}, {}, "callbacks.ExponentialMovingAverage"),
    ("of one rank", lambda rank: {"callbacks": [Agc()] * rank}, {}, "callbacks.Agc={'lam': 0.01"),
    ("in the spec", lambda rank: {}, lambda rank: GradientNoise(eta=0.1 + rank), "optim_callbacks.eta=1.1: of rank 1, but rank 0 has 0.1"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "spec", "message"), [case[1:] for case in OBJECTS], ids=[c[0] for c in OBJECTS])
def test_callback_objects_that_differ_stop_all_ranks(tmp_path, options, spec, message):
    def work(rank):
        module = Net("sgd", optim_callbacks=spec(rank) if spec else None)
        return outcome(tmp_path, module, **options(rank))

    ranks = on_two_ranks(work)
    assert ranks[0] == ranks[1]
    problems, prepared = ranks[0]
    assert len(problems) == 1
    assert problems[0].startswith(message)
    assert not prepared


def test_what_may_differ_by_rank_is_no_difference(tmp_path):
    def work(rank):
        callbacks = [Lookahead(), ScheduleReport(f"of rank {rank}"), Foreign(rank)]
        return outcome(
            tmp_path, Net("sgd", optim_callbacks=[Agc(), *[L.pytorch.callbacks.Timer()]]), callbacks=callbacks
        )

    assert on_two_ranks(work) == [(None, True), (None, False)]


class Foreign(Centralize):
    """A class of the user's, whose arguments are the user's own business."""

    def __init__(self, rank):
        super().__init__()
        self.rank = rank


def test_every_callback_keeps_its_arguments_where_they_are_compared():
    for name in preset_names("optim_callbacks"):
        for callback in callbacks_from_spec(name):
            arguments = {*call_signature(type(callback)).hints} - {"folder", "compile"}
            assert {*canonical_callbacks([callback]).get(type(callback).__name__, ())} >= arguments


def test_objects_and_tensors_are_compared_by_what_they_are():
    class One: ...

    specs = [
        canonical_specs(resolve_specs({"optimizer": "sgd"}), {"a": {"_target_": "x.Y", "lr": lr, "thing": One()}})
        for lr in (torch.tensor(1.0), 1.0)
    ]
    assert differences(*specs) == []
    assert differences({"a": [1]}, {}) == [("a", [1], None)]


@pytest.mark.slow
def test_processes_of_a_sweep_that_drew_different_values(tmp_path):
    """The example app as torchrun or a sweeper would start it, with another lr in each process."""
    port = str(free_port())
    ranks = []
    for rank in range(2):
        environment = {
            **os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2",
            "GROUP_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "TORCHELASTIC_RUN_ID": "test",
        }  # fmt: skip
        command = [sys.executable, str(TRAIN), "trainer=ddp", "trainer.devices=2", f"optimizer.lr={0.25 + rank}"]
        ranks.append(subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))  # fmt: skip
    for process in ranks:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 2, err
        assert err.strip().splitlines()[-1] == f"optimizer.lr=1.25: of rank 1, but rank 0 has 0.25; {ADVICE}"
        assert "epoch" not in out
    assert not list(tmp_path.rglob("*.ckpt"))
