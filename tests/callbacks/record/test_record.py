"""The record of a run against what an independent callback has measured, and what it leaves alone."""

import subprocess
import zlib

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import GradientAccumulationScheduler
from lightning.pytorch.plugins import MixedPrecision
from torch.utils._python_dispatch import TorchDispatchMode

from _support.net import BATCHES, Net, fit, loader, trainer
from _support.recorded_runs import At, N, Reference, Seeded, recorded, rows, run_json, without_times
from lit_optim import ConfigError
from lit_optim.callbacks import Health, Record, ScheduleReport
from lit_optim.callbacks.record.facts import git_state

TOTAL = 3 * BATCHES


def numbers(path, column):
    return [float(row[column]) for row in rows(path) if row[column]]


@pytest.mark.parametrize("optimizer", ["adamw", "momentum", "lbfgs"])
def test_rows_are_what_the_steps_did(tmp_path, optimizer):
    reference = Reference()
    module, _ = fit(tmp_path, recorded(optimizer=optimizer), callbacks=[reference], enable_checkpointing=False)
    path = tmp_path / "record" / "steps.csv"
    steps = [5, 10, 15, 20]
    assert numbers(path, "step") == [*steps, TOTAL]
    assert numbers(path, "epoch") == [0, 1, 1, 2, 2]
    assert numbers(path, "lr") == [module.used[step - 1][0] for step in steps]
    means = [sum(reference.losses[a:b]) / (b - a) for a, b in zip([0, *steps], [*steps, TOTAL], strict=True)]
    assert numbers(path, "loss") == pytest.approx(means, rel=1e-6)
    seconds = numbers(path, "seconds")
    assert seconds == sorted(seconds)
    if optimizer != "lbfgs":  # several gradients in a step, of which the first counts
        assert numbers(path, "grad_norm") == pytest.approx([reference.gradients[s - 1] for s in steps], rel=1e-5)
        assert numbers(path, "update_norm") == pytest.approx([reference.updates[s - 1] for s in steps], rel=1e-4)


def test_gradients_before_clipping_and_losses_under_accumulation(tmp_path):
    reference, options = Reference(), {"accumulate_grad_batches": 3, "gradient_clip_val": 1e-3}
    fit(tmp_path, recorded(every=2), callbacks=[reference], enable_checkpointing=False, **options)
    path = tmp_path / "record" / "steps.csv"
    assert numbers(path, "step") == [2, 4, 6, 8, 9]
    assert numbers(path, "grad_norm") == pytest.approx(reference.gradients[1::2], rel=1e-5)
    assert reference.gradients[1] > 1e-2
    assert numbers(path, "loss")[0] == pytest.approx(sum(reference.losses[:6]) / 6, rel=1e-6)


class Fused(L.LightningModule):
    """Without the mixin, which has the scaler unscale before the step; keeps the norms of its gradients."""

    def __init__(self):
        super().__init__()
        self.layer, self.norms = torch.nn.Linear(4, 1), []

    def training_step(self, batch, batch_idx):
        loss = (self.layer(batch[0]) - batch[1]).square().mean()
        gradients = torch.autograd.grad(loss, self.parameters(), retain_graph=True)
        self.norms.append(float(torch.cat([gradient.flatten() for gradient in gradients]).norm()))
        return loss

    def validation_step(self, batch, batch_idx):
        pass

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), fused=True)


@pytest.mark.filterwarnings("ignore:optim_callbacks.health")
@pytest.mark.parametrize("first", [True, False], ids=["record first", "record last"])
@pytest.mark.parametrize("others", [0, 1], ids=["alone", "with health"])
def test_gradients_that_a_scaler_has_multiplied(tmp_path, others, first):
    scaler = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=4096.0))
    callbacks = [Record(every_n_steps=1), *[Health(every_n_steps=4)] * others]  # which has the scaler unscale at times
    options = dict(plugins=[scaler], callbacks=callbacks if first else callbacks[::-1], enable_checkpointing=False)
    module, _ = fit(tmp_path, Fused(), max_epochs=1, **options)
    found = numbers(tmp_path / "record" / "steps.csv", "grad_norm")
    assert len(found) == BATCHES
    assert found == pytest.approx(module.norms, rel=0.02)


def test_a_constant_loss_reads_the_same_however_many_batches_are_accumulated(tmp_path):
    class Constant(Seeded):
        def loss(self, batch):
            return 0 * super().loss(batch) + 4

    schedule = GradientAccumulationScheduler({0: 1, 1: 8})  # 8 steps in the first epoch, 1 in each of the others
    fit(tmp_path, recorded(Constant, scheduler=None), callbacks=[schedule], enable_checkpointing=False)
    path = tmp_path / "record" / "steps.csv"
    assert numbers(path, "step") == [5, 10]
    assert numbers(path, "loss") == [4, 4]
    assert run_json(tmp_path)["outcome"] == "finished"


def test_every_driven_value_of_every_group_has_a_column(tmp_path):
    line = {"main": {"shape": "linear"}}
    schedule = {"main": {"shape": "cosine"}, "drive": {"momentum": {**line, "values": [0.5, 0.9]}}}
    fit(tmp_path, recorded(scheduler=schedule, param_groups="no_decay"), max_epochs=1)
    row = rows(tmp_path / "record" / "steps.csv")[0]
    names = [f"{key}/{group}" for key in ("lr", "momentum") for group in ("default", "no_decay")]
    assert [*row] == ["step", "epoch", "seconds", "loss", "grad_norm", "update_norm", *names]
    assert float(row["momentum/no_decay"]) == pytest.approx(0.5 + 0.4 * 4 / 8)


def test_a_group_that_comes_later_has_a_column_from_then_on(tmp_path):
    class Adds(L.Callback):
        def on_train_epoch_start(self, trainer, module):
            if trainer.current_epoch == 1:
                more = torch.nn.Parameter(torch.ones(1))
                trainer.optimizers[0].add_param_group({"params": [more], "name": "late"})

    fit(tmp_path, recorded(scheduler=None), callbacks=[Adds()], enable_checkpointing=False, max_epochs=2)
    found = rows(tmp_path / "record" / "steps.csv")
    assert [bool(row["lr/late"]) for row in found] == [False, True, True, False]
    assert [row["lr"] or row["lr/pg1"] for row in found] == ["0.001"] * 3 + [""]


def test_metrics_are_those_of_each_validation(tmp_path):
    logged = []

    class Keeps(L.Callback):
        def on_train_epoch_end(self, trainer, module):
            logged.append(float(trainer.callback_metrics["val/loss"]))

    fit(tmp_path, recorded(), callbacks=[Keeps()], enable_checkpointing=False)
    found = rows(tmp_path / "record" / "metrics.csv")
    assert [(row["step"], row["epoch"], row["name"]) for row in found] == [(str(8 * i), str(i - 1), "val/loss") for i in (1, 2, 3)]  # fmt: skip
    assert [float(row["value"]) for row in found] == logged


def test_the_facts_of_a_run(tmp_path, monkeypatch):
    monkeypatch.setenv("PL_GLOBAL_SEED", "17")
    monkeypatch.setattr("sys.argv", ["train.py", "x=1"])
    fit(tmp_path, recorded(optimizer={"_target_": "adamw", "lr": 0.5}, scheduler=None, param_groups="no_decay"))
    run = run_json(tmp_path)
    assert run["spec"]["optimizer"]["lr"] == 0.5
    assert run["spec"]["optimizer"]["betas"] == [0.9, 0.999]
    assert run["spec"]["optim_callbacks"]["Record"] == {
        "every_n_steps": N,
        "diverged_above": 10.0,
        "stop_diverged": False,
        "stop_after": 0,
    }
    assert (run["optimizers"], run["seed"], run["command"]) == (["AdamW"], 17, ["train.py", "x=1"])
    assert {*run["versions"]} == {"python", "torch", "lightning", "lit_optim", "hydra"}
    assert all(run["versions"].values())
    assert run["hardware"]["cores"] > 0
    assert "hydra" not in run
    assert run["parameters"] == {"all": 65, "trained": 65}
    assert run["state_bytes"] == 2 * 65 * 4 + 6 * 4  # two moments, and a step counter for each tensor
    assert (run["outcome"], run["steps"], run["switches"], run["divergence"]) == ("finished", TOTAL, [], None)
    measured = run["measured"]
    assert measured["step_seconds"]["steps"] == TOTAL - 1
    assert 0 < measured["step_seconds"]["median"] <= measured["step_seconds"]["p90"]
    assert measured["peak_memory"] > 10**7


def test_the_commit_and_whether_it_is_what_ran(tmp_path):
    assert git_state(tmp_path) is None
    name = ["-c", "user.name=x", "-c", "user.email=x@x"]
    (tmp_path / "a.py").write_text("1")
    for words in (["init", "-q"], ["add", "a.py"], [*name, "commit", "-q", "-m", "x"]):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    (tmp_path / "log.txt").write_text("not tracked")
    found = git_state(tmp_path)
    assert (len(found["commit"]), found["dirty"]) == (40, False)
    (tmp_path / "a.py").write_text("2")
    assert git_state(tmp_path)["dirty"] is True


def test_two_runs_of_a_seed_differ_in_times_alone(tmp_path):
    for name in ("a", "b"):
        fit(tmp_path / name, recorded(param_groups="no_decay"))
    assert without_times(tmp_path / "a") == without_times(tmp_path / "b")


def test_what_is_no_run_writes_nothing(tmp_path):
    fit(tmp_path, recorded(), fast_dev_run=True)
    run = trainer(tmp_path)
    run.validate(recorded(), loader(8), verbose=False)
    run.test(
        type("Tested", (Seeded,), {"test_step": lambda *_: None})(optim_callbacks="record"), loader(8), verbose=False
    )
    assert [*tmp_path.iterdir()] == []


def test_the_sanity_check_leaves_no_metric_but_its_failure(tmp_path):
    class Fails(Seeded):
        def validation_step(self, batch, batch_idx):
            raise RuntimeError("no such validation")

    with pytest.raises(RuntimeError, match="no such validation"):
        fit(tmp_path, recorded(Fails))
    run = run_json(tmp_path)
    assert (run["outcome"], run["error"], run["steps"]) == ("crashed", "RuntimeError: no such validation", 0)
    assert rows(tmp_path / "record" / "metrics.csv") == []


def test_a_module_without_the_mixin_has_no_spec(tmp_path):
    class Plain(L.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def training_step(self, batch, batch_idx):
            return (self.layer(batch[0]) - batch[1]).square().mean()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    trainer(tmp_path, callbacks=[Record(every_n_steps=N)], enable_checkpointing=False).fit(Plain(), loader())
    run = run_json(tmp_path)
    assert "spec" not in run
    assert run["optimizers"] == ["SGD"]
    assert numbers(tmp_path / "record" / "steps.csv", "lr") == [0.1] * 4


class OwnLr(torch.optim.Optimizer):
    """As Adafactor of transformers: lr=None, with which it finds its own."""

    def __init__(self, params):
        super().__init__(params, {"lr": None})

    def step(self, closure=None):
        loss = closure()
        with torch.no_grad():
            for p in self.param_groups[0]["params"]:
                p.sub_(p.grad, alpha=0.01)
        return loss


@pytest.mark.filterwarnings("error:optim_callbacks.health")
def test_an_optimizer_that_finds_its_own_lr(tmp_path):
    class Own(Fused):
        def configure_optimizers(self):
            return OwnLr(self.parameters())

    callbacks = [Record(every_n_steps=N), Health(every_n_steps=N), ScheduleReport()]
    fit(tmp_path, Own(), callbacks=callbacks, enable_checkpointing=False, max_epochs=1)
    assert [row["lr"] for row in rows(tmp_path / "record" / "steps.csv")] == ["", ""]
    assert [row["lr"] for row in rows(tmp_path / "optim" / "schedule.csv")] == [""] * BATCHES
    assert [group["lr"] for group in run_json(tmp_path)["groups"]] == [None]
    assert len(rows(tmp_path / "optim" / "health.csv")) == 2  # steps 2 and 5


def test_several_optimizers_in_manual_optimization(tmp_path):
    class Two(Net):
        def __init__(self):
            named = {
                "a": {"_target_": "sgd", "lr": 0.1, "of": "layer.0"},
                "b": {"_target_": "sgd", "lr": 0.2, "of": ["layer.1", "layer.2"]},
            }
            super().__init__(named)
            self.automatic_optimization = False

        def training_step(self, batch, batch_idx):
            loss = self.loss(batch)
            for optimizer in self.optimizers():
                optimizer.zero_grad()
            self.manual_backward(loss)
            for optimizer in self.optimizers():
                optimizer.step()
            return {"loss": loss}

        optimizer_step = L.LightningModule.optimizer_step

    fit(tmp_path, Two(), callbacks=[Record(every_n_steps=N)], enable_checkpointing=False, max_epochs=1)
    path = tmp_path / "record" / "steps.csv"
    assert numbers(path, "step") == [6, 10, 16]  # two a batch
    assert {*rows(path)[0]} >= {"lr/0/pg1", "lr/1/pg1"} or {*rows(path)[0]} >= {"lr/a", "lr/b"}
    assert len(numbers(path, "loss")) == len(numbers(path, "grad_norm")) == 3


class Manual(Net):
    """Optimizers that take some number of steps in each batch, in turn."""

    def __init__(self, taken, optimizers=1):
        named = {
            "a": {"_target_": "sgd", "lr": 0.1, "of": "layer.0"},
            "b": {"_target_": "sgd", "lr": 0.2, "of": ["layer.1", "layer.2"]},
        }
        super().__init__(named if optimizers == 2 else "sgd")
        self.automatic_optimization = False
        self.taken = taken

    def training_step(self, batch, batch_idx):
        optimizers = self.optimizers() if len(self.trainer.optimizers) > 1 else [self.optimizers()]
        for _ in range(self.taken[batch_idx % len(self.taken)]):
            optimizer = optimizers[self.global_step % len(optimizers)]
            optimizer.zero_grad()
            loss = self.loss(batch)
            self.manual_backward(loss)
            optimizer.step()
        return {"loss": loss}

    optimizer_step = L.LightningModule.optimizer_step


@pytest.mark.parametrize(
    ("taken", "optimizers", "n", "steps"),
    [
        ([2], 1, 10, [10, 20, 30, 40, 48]),
        ([1], 2, 5, [5, 10, 15, 20, 24]),
        ([3], 1, 10, [12, 21, 30, 42, 51, 60, 72]),
        ([4], 1, 3, [*range(8, 97, 4)]),  # the first batch is taken for one of 1 step
        ([1, 1, 1, 2], 1, 10, [11, 21, 30]),  # a multiple that comes unforeseen has its row a batch later
        ([2, 1], 1, 4, [3, 9, 12, 15, 21, 24, 27, 33, 36]),
    ],
)
def test_any_number_of_steps_a_batch_skips_no_row_and_doubles_none(tmp_path, taken, optimizers, n, steps):
    record = Record(every_n_steps=n)
    fit(tmp_path, Manual(taken, optimizers), callbacks=[record], enable_checkpointing=False)
    path = tmp_path / "record" / "steps.csv"
    assert numbers(path, "step") == steps
    assert len(numbers(path, "loss")) == len(steps)


def test_a_resumed_run_knows_how_many_steps_a_batch_takes(tmp_path):
    path, options = tmp_path / "8.ckpt", {"max_epochs": 1, "enable_checkpointing": False}
    saves = At(8, lambda trainer: trainer.save_checkpoint(path))
    fit(tmp_path, Manual([2]), callbacks=[Record(every_n_steps=10), saves], **options)
    fit(tmp_path, Manual([2]), path, callbacks=[Record(every_n_steps=10)], **options)
    assert numbers(tmp_path / "record" / "steps.csv", "step") == [10, 16]


def test_between_two_rows_there_is_no_hook_before_a_step_and_no_operation_on_tensors(tmp_path):
    operations, hooks = {}, {}

    class Counts(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            operations.setdefault(step, []).append(func)
            return func(*args, **(kwargs or {}))

    class Watched(Record):
        def on_train_batch_end(self, trainer, *args):
            nonlocal step
            step = trainer.global_step
            hooks[step] = self.on_before_optimizer_step is not None
            with Counts():
                super().on_train_batch_end(trainer, *args)

    step = 0
    fit(tmp_path, Seeded(), callbacks=[Watched(every_n_steps=N)], enable_checkpointing=False)
    assert [*operations] == [5, 10, 15, 20]
    assert [step for step, has_hook in hooks.items() if has_hook] == [5, 10, 15, 20]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"every_n_steps": 0}, "optim_callbacks.record.every_n_steps=0: must be a whole number, at least 1"),
        (
            {"diverged_above": 1},
            "optim_callbacks.record.diverged_above=1.0: must be a number above 1; write e.g. 10, or inf for no limit",
        ),
        ({"diverged_above": float("nan")}, "optim_callbacks.record.diverged_above=nan: "),
        ({"folder": " "}, "optim_callbacks.record.folder=' ': must be the path of a folder"),
    ],
)
def test_wrong_settings_name_their_key(tmp_path, settings, problem):
    with pytest.raises(ConfigError) as error:
        fit(tmp_path, recorded(settings=settings))
    assert str(error.value).startswith(problem)


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="must be the path of a folder"):
        Record(folder=tmp_path / "file")


def crc32(arrays):
    return zlib.crc32(b"".join(array.detach().numpy().tobytes() for array in arrays))


def test_what_the_run_starts_from(tmp_path):
    module = recorded(optimizer="sgd", scheduler="warmup_cosine", param_groups="no_decay")
    weights, batch = crc32(module.parameters()), crc32(next(iter(loader())))
    fit(tmp_path, module)
    run = run_json(tmp_path)
    assert run["start"] == {"parameters": weights, "batch": batch}
    assert run["total_steps"] == TOTAL
    named = [{k: g[k] for k in ("name", "tensors", "parameters", "lr")} for g in run["groups"]]
    lr = module.optimizers().param_groups[0]["initial_lr"]
    assert named == [
        {"name": "default", "tensors": 2, "parameters": 40, "lr": lr},
        {"name": "no_decay", "tensors": 4, "parameters": 25, "lr": lr},
    ]
    assert run["groups"][1]["weight_decay"] == 0


@pytest.mark.parametrize(
    ("options", "total"),
    [
        ({"max_epochs": -1, "max_steps": 5}, 5),
        ({"accumulate_grad_batches": 3}, 9),
        ({"max_epochs": -1, "max_time": "00:01:00:00"}, None),
    ],
)
def test_the_planned_length_of_the_run(tmp_path, options, total):
    fit(tmp_path, recorded(scheduler=None, settings={"stop_after": 6}), **options)
    assert run_json(tmp_path)["total_steps"] == total


def test_a_run_that_stops_for_an_estimate(tmp_path):
    module, run = fit(tmp_path, recorded(settings={"stop_after": 5}))
    found = run_json(tmp_path)
    assert (found["outcome"], found["steps"], found["total_steps"], run.global_step) == ("stopped", 5, TOTAL, 5)
    assert module.validations == 0


def test_metrics_of_a_test_join_those_of_the_validations(tmp_path):
    module, run = fit(tmp_path, recorded())
    before = rows(tmp_path / "record" / "metrics.csv")
    module.test_step = lambda batch, batch_idx: module.log("test/loss", torch.tensor(0.25))
    run.test(module, loader(), verbose=False)
    after = rows(tmp_path / "record" / "metrics.csv")
    assert after[:-1] == before
    assert [after[-1][key] for key in ("step", "epoch", "name", "value")] == [str(TOTAL), "2", "test/loss", "0.25"]


@pytest.mark.parametrize(
    "wrong", [{"every_n_steps": 1.5}, {"every_n_steps": True}, {"every_n_steps": "50"}, {"stop_after": 0.5},
              {"stop_after": "9"}, {"diverged_above": "10"}, {"diverged_above": True}]
)  # fmt: skip
def test_wrong_types_are_named(wrong):
    ((key, value),) = wrong.items()
    with pytest.raises(ConfigError, match=f"^{key}={value!r}: must be a "):
        Record(**wrong)


def test_all_wrong_arguments_at_once():
    with pytest.raises(ConfigError) as error:
        Record("", 0, 1.0, stop_after=-1)
    assert len(error.value.problems) == 4
