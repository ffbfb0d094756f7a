"""What a rollback restores and what goes on, how a run is stopped, and that no file holds weights that are not finite."""

from typing import ClassVar

import pytest
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.strategies import ModelParallelStrategy
from torch.distributed.fsdp import fully_shard

from _support.faulty import Faulty, Numbers, equal, guard, guard_of, parameters, run_over
from _support.fork import on_two_ranks
from lit_optim import ConfigError
from lit_optim.callbacks import FiniteGuard
from lit_optim.errors import NonFiniteError

LINEAR = {"main": {"shape": "linear"}}


def sgd(module, lr=0.8):
    module.optim_spec["optimizer"] = {"_target_": "sgd", "lr": lr}
    return module


@pytest.mark.parametrize(
    ("at", "used"),
    [
        ((4,), [0.8, 0.7, 0.6, 0.5, 0.25, 0.2, 0.15, 0.1]),
        ((4, 5), [0.8, 0.7, 0.6, 0.5, 0.25, 0.125, 0.1, 0.075]),
        ((1,), [0.8, 0.4, 0.35, 0.3, 0.25, 0.2, 0.15, 0.1]),
    ],
)
def test_the_schedule_goes_on_from_the_lower_lr(at, used, tmp_path):
    module = sgd(Faulty("sgd", at=at, scheduler=LINEAR, optim_callbacks=guard("rollback", every_n_steps=3)))
    run = run_over(tmp_path, module, *range(1, 9))
    assert module.used == pytest.approx(used)
    assert guard_of(run).rollbacks == len(at)
    assert run.optimizers[0].param_groups[0]["initial_lr"] == 0.8 * 0.5 ** len(at)


@pytest.mark.parametrize(
    "case",
    {
        "ema": ("adamw", ["ema"]),
        "lookahead": ("adamw", [{"l": {"_target_": "lit_optim.callbacks.Lookahead", "k": 3}}]),
        "swats": ("adam", [{"s": {"_target_": "lit_optim.callbacks.SWATS", "switch_tol": 1.0, "min_steps": 4}}]),
    }.items(),
    ids=lambda case: case[0],
)
def test_everything_that_the_optimizer_holds_goes_back(case, tmp_path):
    """Over a switch of SWATS too: its SGD had another lr, phase and state."""
    name, callbacks = case[1]

    class Watch(Callback):
        states: ClassVar[list] = []

        def on_train_batch_end(self, trainer, module, *_):
            state = trainer.optimizers[0].state_dict()
            self.states.append(torch.utils._pytree.tree_map(lambda x: x.clone() if torch.is_tensor(x) else x, state))

    module = Faulty(name, at=(6,), optim_callbacks=[*callbacks, guard("rollback", every_n_steps=3, factor=1.0)])
    run_over(tmp_path, module, *range(1, 9), callbacks=[Watch()], enable_checkpointing=False)
    assert torch.equal(module.after[5], module.after[2])
    after, before = Watch.states[5], Watch.states[2]
    assert equal(after["state"], before["state"])
    for now, kept in zip(after["param_groups"], before["param_groups"], strict=True):
        assert equal({key: now[key] for key in kept}, kept)


def test_other_schedules_go_on_or_are_rejected(tmp_path):
    step = {"_target_": "torch.optim.lr_scheduler.StepLR", "step_size": 2, "interval": "step", "gamma": 0.5}
    module = sgd(Faulty("sgd", at=(4,), scheduler=step, optim_callbacks=guard("rollback")))
    run_over(tmp_path, module, *range(1, 7))
    assert module.used == [0.8, 0.8, 0.4, 0.4, 0.2, 0.1], "halved by the rollback, and again after four steps"
    one_cycle = {"_target_": "torch.optim.lr_scheduler.OneCycleLR", "max_lr": 1.0, "total_steps": 9, "interval": "step"}
    one_cycle["cycle_momentum"] = False
    with pytest.raises(ConfigError, match=r"finite.policy='rollback': torch's OneCycleLR computes the lr from its own"):
        run_over(tmp_path, Faulty("sgd", scheduler=one_cycle, optim_callbacks=guard("rollback")), *range(9))


def files(tmp_path, **options):
    return [
        ModelCheckpoint(tmp_path / "best", monitor="val/loss", **options),
        ModelCheckpoint(tmp_path, "last", every_n_train_steps=1, enable_version_counter=False, **options),
    ]


class Diverges(Faulty):
    """Weights become infinite within a step whose loss and gradients are finite."""

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", self.problem.loss(noise=int(batch)))


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("policy", ["skip", "rollback", "stop"])
def test_neither_the_best_nor_the_last_checkpoint_is_spoilt(policy, bare, tmp_path):
    class Grows(Diverges):
        def on_train_batch_start(self, *_):
            if self.current_epoch >= 1:
                self.optimizers().param_groups[0]["lr"] = 1e308

    module = Grows("sgd", optim_callbacks=guard(policy, patience=2, every_n_steps=1))
    with pytest.raises(NonFiniteError, match="is not finite"):
        run_over(
            tmp_path, module, 1, 2, val=Numbers(1), max_epochs=4, callbacks=files(tmp_path, save_weights_only=bare)
        )
    saved = {file.name: torch.load(file) for file in tmp_path.rglob("*.ckpt")}
    assert len(saved) == 2
    assert saved["last.ckpt"]["global_step"] == (4 if policy == "rollback" else 2)
    for checkpoint in saved.values():
        assert all(value.isfinite().all() for value in checkpoint["state_dict"].values() if value.is_floating_point())


def test_a_rollback_where_only_the_weights_show_it(tmp_path):
    """Found before the save of that step, which then holds the weights of the copy."""

    class Once(Diverges):
        def on_train_batch_start(self, batch, batch_idx):
            self.optimizers().param_groups[0]["lr"] = 1e308 if int(batch) == 3 else 0.1

    module = Once("sgd", optim_callbacks=guard("rollback", every_n_steps=2))
    run = run_over(tmp_path, module, 1, 2, 3, callbacks=files(tmp_path)[1:])
    assert guard_of(run).state_dict() == {"skipped": 0, "rollbacks": 1, "in_a_row": 1}
    assert torch.equal(module.after[2], module.after[1])
    assert equal(torch.load(tmp_path / "last.ckpt")["state_dict"], module.state_dict())


def test_counts_are_resumed_and_logged(tmp_path):
    def run(**options):
        module = Diverges("adamw", at=(2, 5), scheduler=LINEAR, optim_callbacks=["ema", guard()])
        saves = ModelCheckpoint(tmp_path, "{epoch}", save_top_k=-1)
        return module, run_over(tmp_path, module, *range(1, 6), max_epochs=2, callbacks=[saves], **options)

    unbroken, first = run()
    resumed, second = run(ckpt_path=tmp_path / "epoch=0.ckpt")
    assert (
        guard_of(first).state_dict() == guard_of(second).state_dict() == {"skipped": 4, "rollbacks": 0, "in_a_row": 1}
    )
    assert torch.equal(parameters(unbroken), parameters(resumed))
    assert equal(first.optimizers[0].state_dict(), second.optimizers[0].state_dict())
    assert float(second.callback_metrics["finite/skipped"]) == 4


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"policy": "rolback"}, "policy='rolback': must be one of skip, rollback, stop; did you mean 'rollback'?"),
        ({"patience": -1}, "patience=-1: must be at least 0"),
        ({"every_n_steps": 0}, "every_n_steps=0: must be at least 1"),
        ({"factor": 0.0}, "factor=0.0: must be above 0 and at most 1"),
        ({"factor": 1.5}, "factor=1.5: must be above 0 and at most 1"),
    ],
)
def test_values(wrong, message):
    with pytest.raises(ConfigError) as caught:
        FiniteGuard(**wrong)
    assert str(caught.value) == message


def test_sharded_gradients_of_one_rank(tmp_path):
    class Sharded(Faulty):
        def configure_model(self):
            fully_shard(self.problem.layer, mesh=self.device_mesh["data_parallel"])

    def work(rank):
        ends = []
        for policy in ("skip", "rollback"):
            module = Sharded("adamw", "all gradients", at=(3,), rank=1, optim_callbacks=guard(policy, every_n_steps=1))
            module.after = None
            module.on_train_batch_end = lambda *_: None
            module.on_after_backward = lambda m=module: spoil(m)
            options = {"devices": 2, "strategy": ModelParallelStrategy(2, 1)}
            run = run_over(tmp_path, module, 1, 2, 3, 4, **options)
            ends.append((guard_of(run).skipped, all(p.to_local().isfinite().all() for p in module.parameters())))
        return ends

    def spoil(module):
        if module.is_bad():
            for p in module.parameters():
                p.grad.to_local().fill_(float("nan"))

    assert on_two_ranks(work) == [[(1, True)] * 2] * 2
