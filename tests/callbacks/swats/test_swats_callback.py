"""SWATS through the Trainer: who builds it, when it switches, what it leaves behind, and that a resume is exact."""

import csv
import math
import warnings

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import Callback, LearningRateFinder, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.plugins import MixedPrecision
from lightning.pytorch.tuner import Tuner

import lit_optim
from _support.net import Net, fit, loader, trainer, weights
from conftest import SCHEDULERS
from lit_optim import ConfigError
from lit_optim.callbacks import SWATS as Callback_
from lit_optim.config.read import presets
from lit_optim.optimizers import SWATS

TARGET = "lit_optim.callbacks.SWATS"
FORCED = {"_target_": TARGET, "at": 10}
STEPS = 24  # 3 epochs of 8


def net(optimizer="adamw", scheduler=None, swats=FORCED, **specs):
    torch.manual_seed(1)
    return Net(optimizer, scheduler=scheduler, optim_callbacks=None if swats is None else {"swats": swats}, **specs)


def checkpoints(folder):
    return [
        ModelCheckpoint(folder, "s{step}", every_n_train_steps=1, save_top_k=-1, save_on_train_epoch_end=False, auto_insert_metric_name=False),
        ModelCheckpoint(folder, "e{epoch}", save_top_k=-1, save_on_train_epoch_end=True, auto_insert_metric_name=False),
        ModelCheckpoint(folder, "v{epoch}", monitor="val/loss", save_top_k=-1, save_on_train_epoch_end=False, auto_insert_metric_name=False),
    ]  # fmt: skip


def table(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def group(run):
    return run.optimizers[0].param_groups[0]


@pytest.mark.parametrize(
    "optimizer", ["adam", "adamw", "amsgrad", "swats", {"_target_": "torch.optim.Adam", "lr": 0.01}]
)
def test_mixin_builds_it_from_an_adam(tmp_path, optimizer):
    _, run = fit(tmp_path, net(optimizer, "cosine"))
    assert type(run.optimizers[0]) is SWATS
    assert (group(run)["phase"], group(run)["switched_at"], group(run)["k"]) == ("sgd", 10, 10)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "amsgrad"])
def test_same_path_as_without_until_the_switch(tmp_path, optimizer):
    options = dict(max_steps=9, max_epochs=-1)
    plain, _ = fit(tmp_path, net(optimizer, "warmup_cosine", swats=None), **options)
    never = {"_target_": TARGET, "switch_tol": 0.0}
    with pytest.warns(UserWarning, match="SWATS did not switch in 9 steps of Adam"):
        ours, _ = fit(tmp_path, net(optimizer, "warmup_cosine", never), **options)
    torch.testing.assert_close(weights(ours), weights(plain), rtol=1e-5, atol=1e-7)


# resume

WAYS = {
    "at": (FORCED, 10),
    "criterion": ({"_target_": TARGET, "switch_rtol": 0.2, "min_steps": 9}, None),
    "metric": ({"_target_": TARGET, "on_metric": {"monitor": "val/loss", "patience": 0, "threshold": 10.0}}, 16),
}


@pytest.mark.parametrize(
    ("way", "scheduler"),
    [("at", "warmup_cosine"), *(pytest.param(way, None, marks=pytest.mark.slow) for way in WAYS)],
)
def test_resume_is_exact_from_every_checkpoint(tmp_path, scheduler, way):
    """Before, at and after the switch, mid-epoch, at the end of an epoch, after a validation, at a last batch."""
    swats, at = WAYS[way]
    whole, run = fit(tmp_path / "whole", net("adamw", scheduler, swats), callbacks=checkpoints(tmp_path / "saved"))
    found = group(run)
    assert at in (None, found["switched_at"])
    assert 8 < found["switched_at"] < 20
    names = sorted(path.name for path in (tmp_path / "saved").iterdir())
    assert len(names) == STEPS + 3 + 3
    for name in names:
        last_batch = way == "metric" and name in ("s8.ckpt", "s16.ckpt")
        with warnings.catch_warnings(record=last_batch) as caught:
            if last_batch:
                warnings.simplefilter("always")
            resumed, again = fit(tmp_path / "again", net("adamw", scheduler, swats), tmp_path / "saved" / name)
        if last_batch:  # the one value of a metric that Lightning does not make up for
            assert any("the switch of SWATS misses one value of 'val/loss'" in str(w.message) for w in caught)
            continue
        assert torch.equal(weights(resumed), weights(whole)), name
        assert all(group(again)[key] == value for key, value in found.items() if key != "params"), name


def test_a_plain_adam_checkpoint_begins_with_the_estimate(tmp_path):
    fit(tmp_path, net("adamw", swats=None), callbacks=checkpoints(tmp_path / "saved"))
    _, run = fit(tmp_path, net("adamw"), tmp_path / "saved" / "s6.ckpt")
    assert (group(run)["switched_at"], group(run)["phase"]) == (4, "sgd"), "10 steps of the run, of which it saw 4"
    assert group(run)["sgd_lr"] > 0


def test_its_checkpoint_before_the_switch_goes_on_as_adam_without_it(tmp_path):
    fit(tmp_path, net("adamw"), callbacks=checkpoints(tmp_path / "saved"))
    plain, run = fit(tmp_path, net("adamw", swats=None), tmp_path / "saved" / "s6.ckpt")
    assert type(run.optimizers[0]) is torch.optim.AdamW
    expected, _ = fit(tmp_path, net("adamw", swats=None))
    torch.testing.assert_close(weights(plain), weights(expected), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_checkpoint_of_its_sgd_phase_needs_it(tmp_path, optimizer):
    fit(tmp_path, net("adamw"), callbacks=checkpoints(tmp_path / "saved"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the checkpoint's optimizer is the one that is built
        with pytest.raises(ConfigError, match="its optimizer has switched to SGD.*add optim_callbacks=swats"):
            fit(tmp_path, net(optimizer, swats=None), tmp_path / "saved" / "s12.ckpt")


# schedules


@pytest.mark.parametrize("name", [name for name in SCHEDULERS if name != "lambda"])
def test_lr_after_the_switch_is_the_documented_one_under_every_preset(tmp_path, name):
    """lr_k = (1 - beta1) Lambda s_k / s_k_sw, s being the factors of the same run without a switch."""
    spec = dict(presets.load_preset("scheduler", name))
    if "plateau" in name:
        spec["main"] = {**spec["main"], "patience": 0}
    losses = [1.0, 1.0, 0.5]
    options = dict(param_groups={"rules": [{"match": {"type": "bias"}, "lr": 2e-4}]}, val_losses=losses)
    plain, _ = fit(tmp_path, net("adam", spec, swats=None, **options))
    ours, run = fit(tmp_path, net("adam", spec, **options))
    for i, found in enumerate(run.optimizers[0].param_groups):
        s = [lrs[i] for lrs in plain.used]
        adam_lr = max(plain.used[9])
        first = 0.1 * found["sgd_lr"] * s[9] / adam_lr
        assert [lrs[i] for lrs in ours.used[:10]] == pytest.approx(s[:10], rel=1e-12)
        assert [lrs[i] for lrs in ours.used[10:]] == pytest.approx([first * x / s[9] for x in s[10:]], rel=1e-9)


def test_fixed_lr_after_the_switch(tmp_path):
    ours, run = fit(tmp_path, net("adam", "cosine", {**FORCED, "follow_schedule": False}))
    assert [lrs[0] for lrs in ours.used[10:]] == pytest.approx([0.1 * group(run)["sgd_lr"]] * 14, rel=1e-12)


def test_a_switch_late_in_a_schedule_is_no_foreign_lr(tmp_path):
    """At a factor below 0.1, where a schedule warns of what others write."""
    _, run = fit(tmp_path, net("adam", "cosine", {**FORCED, "at": 22}))
    assert group(run)["switched_at"] == 22


@pytest.mark.parametrize(
    ("scheduler", "message"),
    [
        ({"_target_": "torch.optim.lr_scheduler.OneCycleLR", "max_lr": 0.01, "total_steps": 24}, "OneCycleLR.*after 1 steps"),
        ({"_target_": "torch.optim.lr_scheduler.CosineAnnealingWarmRestarts", "T_0": 5}, "CosineAnnealingWarmRestarts"),
        ({"_target_": "torch.optim.lr_scheduler.CyclicLR", "base_lr": 1e-4, "max_lr": 1e-3, "cycle_momentum": False}, "CyclicLR"),
        ({"_target_": "torch.optim.lr_scheduler.CosineAnnealingLR", "T_max": 8}, "CosineAnnealingLR.*after 9 steps"),
    ],
)  # fmt: skip
def test_schedulers_that_overwrite_the_lr_are_refused(tmp_path, scheduler, message):
    with pytest.raises(ConfigError, match=f"{message}.*in place of SGD's; choose one of lit-optim's"):
        fit(tmp_path, net("adam", {**scheduler, "interval": "step"}))


def test_without_the_callback_a_scheduler_that_overwrites_the_lr_is_refused_too(tmp_path):
    scheduler = {"_target_": "torch.optim.lr_scheduler.CosineAnnealingWarmRestarts", "T_0": 5, "interval": "step"}
    with pytest.raises(ConfigError, match="CosineAnnealingWarmRestarts.*in place of SGD's; choose one of lit-optim's"):
        fit(tmp_path, Net("swats", scheduler))


@pytest.mark.parametrize(
    "scheduler",
    [
        {"_target_": "torch.optim.lr_scheduler.StepLR", "step_size": 5},
        {"_target_": "torch.optim.lr_scheduler.CosineAnnealingLR", "T_max": 24},
        {"_target_": "torch.optim.lr_scheduler.PolynomialLR", "total_iters": 24},
    ],
)
def test_schedulers_that_go_on_from_any_lr_are_taken(tmp_path, scheduler):
    plain, _ = fit(tmp_path, net("adam", {**scheduler, "interval": "step"}, swats=None))
    ours, run = fit(tmp_path, net("adam", {**scheduler, "interval": "step"}))
    factor = 0.1 * group(run)["sgd_lr"] / plain.used[9][0]
    assert [lr for (lr,) in ours.used[10:]] == pytest.approx([lr * factor for (lr,) in plain.used[10:]], rel=1e-6)
    with pytest.raises(ConfigError, match="does not know groups whose lr is fixed"):
        fit(tmp_path, net("adam", {**scheduler, "interval": "step"}, {**FORCED, "follow_schedule": False}))


# wrong configurations


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "nadam", "adabound"])
def test_other_optimizers_are_refused_before_any_data(tmp_path, optimizer):
    class Untouched:
        def __iter__(self):
            raise AssertionError("data was read")

        def __len__(self):
            raise AssertionError("data was asked for its length")

    message = "optim_callbacks=swats switches from an Adam to SGD; choose optimizer=adam, adamw, amsgrad or swats"
    with pytest.raises(ConfigError, match=message):
        trainer(tmp_path).fit(net(optimizer), Untouched())


def test_an_adam_built_by_hand_is_refused(tmp_path):
    class ByHand(Net):
        def configure_optimizers(self):
            super().configure_optimizers()
            return torch.optim.Adam(self.parameters())

    with pytest.raises(
        ConfigError, match=r"by hand, return lit_optim.optimizers.SWATS\(params, lr=...\); here it is Adam"
    ):
        fit(tmp_path, ByHand(), callbacks=[Callback_(at=3)])


def test_built_by_hand_without_the_mixin(tmp_path):
    class ByHand(L.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def training_step(self, batch, _):
            return (self.layer(batch[0]) - batch[1]).square().mean()

        def configure_optimizers(self):
            return SWATS(self.parameters(), lr=0.01)

    run = trainer(tmp_path, callbacks=[Callback_(at=3)], enable_checkpointing=False)
    run.fit(ByHand(), loader())
    assert group(run)["switched_at"] == 3


BAD = {
    r"optim_callbacks.swats.at=0: must be after the first step": {"at": 0},
    r"optim_callbacks.swats.at=1.5: neither a share": {"at": 1.5},
    r"optim_callbacks.swats.switch_tol=-1.0: must be a finite number": {"switch_tol": -1.0},
    r"optim_callbacks.swats.on_metric=\{'patience': 3\}: write e.g.": {"on_metric": {"patience": 3}},
    r"optim_callbacks.swats.on_metric.patienc: no such key; did you mean 'patience'": {"on_metric": {"monitor": "x", "patienc": 3}},
    r"optim_callbacks.swats.on_metric.mode='mn': must be min or max": {"on_metric": {"monitor": "x", "mode": "mn"}},
    r"optim_callbacks.swats.on_metric.patience=-1": {"on_metric": {"monitor": "x", "patience": -1}},
    r"optim_callbacks.swats.scope='tensor': SWATS expects 'global' | 'group'": {"scope": "tensor"},
}  # fmt: skip


@pytest.mark.parametrize("message", BAD)
def test_bad_values_name_their_key(message):
    with pytest.raises(ConfigError, match=message):
        lit_optim.validate({"optimizer": "adam", "optim_callbacks": {"swats": {"_target_": TARGET, **BAD[message]}}})


def test_optimizer_and_callback_that_contradict_each_other(tmp_path):
    optimizer = {**presets.load_preset("optimizer", "swats"), "switch_tol": 1e-5}
    with pytest.raises(
        ConfigError, match=r"optimizer.switch_tol=1e-05: and optim_callbacks.swats.switch_tol=0.001; remove"
    ):
        fit(tmp_path, net(optimizer, swats={**FORCED, "switch_tol": 1e-3}))
    _, run = fit(tmp_path, net(optimizer, swats={**FORCED, "switch_rtol": 0.5}))
    assert (group(run)["switch_tol"], group(run)["switch_rtol"]) == (1e-5, 0.5)


def test_a_metric_that_is_never_logged(tmp_path):
    watching = {"_target_": TARGET, "on_metric": {"monitor": "val/los"}}
    with pytest.raises(
        ConfigError, match="swats.on_metric.monitor='val/los': not among the logged.*did you mean 'val/loss'"
    ):
        fit(tmp_path, net(swats=watching))  # after the sanity check
    with pytest.raises(ConfigError, match="not among the logged"):
        fit(tmp_path, net(swats=watching), num_sanity_val_steps=0)


def test_a_time_after_the_end_is_reported(tmp_path):
    with pytest.warns(UserWarning, match="a change after 100 optimizer steps never comes, the run has 24"):
        fit(tmp_path, net(swats={**FORCED, "at": 100}))


def test_at_of_an_endless_run_needs_steps(tmp_path):
    with pytest.raises(ConfigError, match="optim_callbacks.swats.at: total_steps is unknown because max_epochs=-1"):
        fit(tmp_path, net(swats={**FORCED, "at": "50%"}), max_epochs=-1)


# real steps


def test_an_exact_first_step_of_sgd(tmp_path):
    """Clipping and accumulation: g is what the step consumes."""

    class Watch(Callback):
        def on_train_start(self, run, module):
            self.before, self.moved = weights(module).clone(), []
            run.optimizers[0].register_step_post_hook(lambda *_: self.note(module))

        def note(self, module):
            now = weights(module).clone()
            self.moved.append((now - self.before, torch.cat([p.grad.flatten() for p in module.parameters()])))
            self.before = now

    watch = Watch()
    options = dict(gradient_clip_val=0.05, accumulate_grad_batches=2)
    _, run = fit(
        tmp_path, net("adam", swats={**FORCED, "at": 3}), callbacks=[watch], enable_checkpointing=False, **options
    )
    found = group(run)
    assert found["switched_at"] == 3
    average = 0.0
    for p, g in ((p.double(), g.double()) for p, g in watch.moved[:3]):
        assert g.norm() <= 0.05 * (1 + 1e-5)
        average = 0.999 * average + 0.001 * float(p.dot(p) / -p.dot(g))
    assert found["sgd_lr"] == pytest.approx(average / (1 - 0.999**3), rel=1e-3)
    p, g = watch.moved[3]
    torch.testing.assert_close(p, -found["lr"] * g, rtol=1e-3, atol=1e-7)


class Overflowing(Net):
    """Its 4th loss is too much for the scaler; its 6th batch has none at all."""

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        if self.trainer.current_epoch == 0 and batch_idx == 5:
            return None
        return loss * math.inf if self.trainer.current_epoch == 0 and batch_idx == 3 else loss


def test_skipped_steps_are_none(tmp_path):
    torch.manual_seed(1)
    module = Overflowing("adam", optim_callbacks={"swats": FORCED})
    scaler = MixedPrecision("16-mixed", "cpu", scaler=torch.amp.GradScaler("cpu", init_scale=4.0))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`training_step` returned `None`")
        _, run = fit(tmp_path, module, plugins=[scaler])
    found = group(run)
    assert all(torch.isfinite(weights(module)))
    steps = {float(state["step"]) for state in run.optimizers[0].state.values()}
    assert steps == {22.0}
    assert (found["phase"], found["k"]) == ("sgd", found["switched_at"])
    assert math.isfinite(found["lam"])
    assert 8 <= found["k"] <= 10


class Clean(Callback):
    def on_train_batch_start(self, run, module, batch, batch_idx):
        if run.global_step == 0:
            self.k, self.phase, self.lr = (group(run)[name] for name in ("k", "phase", "lr"))


@pytest.mark.parametrize("switch_rtol", [0.0, 1e9])
def test_lr_find_leaves_nothing_behind(tmp_path, monkeypatch, switch_rtol):
    monkeypatch.chdir(tmp_path)
    swats = {**FORCED, "switch_rtol": switch_rtol, "min_steps": 5}
    clean, module = Clean(), net("adam", swats=swats)
    run = trainer(tmp_path, callbacks=[clean], enable_checkpointing=False)
    found = Tuner(run).lr_find(module, loader(), loader(8), num_training=30, early_stop_threshold=None).suggestion()
    run.fit(module, loader(), loader(8))
    assert (clean.k, clean.phase, clean.lr) == (0, "adam", pytest.approx(found))

    clean, module = Clean(), net("adam", swats=swats)
    finder = LearningRateFinder(num_training_steps=30, early_stop_threshold=None)
    _, run = fit(tmp_path, module, callbacks=[finder, clean], enable_checkpointing=False)
    assert (clean.k, clean.phase, clean.lr) == (0, "adam", pytest.approx(finder.optimal_lr.suggestion()))
    assert group(run)["switched_at"] == (5 if switch_rtol else 10)


# what it leaves behind


def test_report(tmp_path):
    pytest.importorskip("matplotlib")
    logger = CSVLogger(tmp_path, name="", version="")
    fit(tmp_path, net("adam", "cosine"), logger=logger, log_every_n_steps=4)
    rows = table(tmp_path / "optim" / "swats.csv")
    assert [int(row["step"]) for row in rows] == list(range(1, 11))
    average = 0.0
    for k, row in enumerate(rows, 1):
        average = 0.999 * average + 0.001 * float(row["gamma"])
        assert float(row["sgd_lr"]) == pytest.approx(average / (1 - 0.999**k), rel=1e-9)
        assert float(row["distance"]) == pytest.approx(abs(float(row["sgd_lr"]) - float(row["gamma"])), abs=1e-12)
    assert (tmp_path / "optim" / "swats.png").stat().st_size > 5000
    logged = [row for row in table(tmp_path / "metrics.csv") if row["swats/gamma"]]
    assert [float(row["swats/sgd_lr"]) for row in logged] == [float(rows[i]["sgd_lr"]) for i in (3, 7, 9)]


def test_report_of_groups(tmp_path):
    pytest.importorskip("matplotlib")
    rules = {"rules": [{"match": {"type": "bias"}, "name": "biases", "lr": 2e-4}]}
    swats = {**FORCED, "scope": "group", "normalize_by_lr": True}
    _, run = fit(tmp_path, net("adam", swats=swats, param_groups=rules))
    rows = table(tmp_path / "optim" / "swats.csv")
    at = {found["name"]: found["switched_at"] for found in run.optimizers[0].param_groups}
    assert at["default"] == 10 <= at["biases"]
    assert [row["group"] for row in rows] == ["default"] * 10 + ["biases"] * at["biases"]
    for row in rows:
        lr = 2e-4 if row["group"] == "biases" else 1e-3
        away = abs(float(row["sgd_lr"]) - float(row["gamma"])) / lr
        assert float(row["distance"]) == pytest.approx(away, rel=1e-9, abs=1e-12)


def test_progress_bar_tells_the_phase(tmp_path):
    class Bar(Callback):
        def __init__(self):
            self.seen = []

        def on_train_batch_end(self, run, *_):
            self.seen.append(run.progress_bar_metrics["swats/sgd"])

    bar = Bar()
    fit(tmp_path, net(swats=None), callbacks=[Callback_(at=10), bar], enable_checkpointing=False)
    assert bar.seen == [0.0] * 9 + [1.0] * 15


def test_advice_at_the_end_of_a_run_that_never_switched(tmp_path):
    with pytest.warns(UserWarning, match="SWATS did not switch in 24 steps") as caught:
        fit(tmp_path, net("adam", "cosine", {"_target_": TARGET}))
    text = str(next(w.message for w in caught if "SWATS" in str(w.message)))
    rows = table(tmp_path / "optim" / "swats.csv")
    closest = min(float(row["distance"]) for row in rows[1:])
    assert f"came within {closest:.1e} of each other" in text
    assert "switch_tol=1e-09" in text
    assert "at=50%; a schedule moves the lr, and the estimate with it: normalize_by_lr=true" in text
    tolerance = float(text.partition("Write optim_callbacks.swats.switch_tol=")[2].partition(" ")[0])
    _, run = fit(tmp_path, net("adam", "cosine", {"_target_": TARGET, "switch_tol": tolerance}))
    assert group(run)["phase"] == "sgd", "the advice is good"


@pytest.mark.parametrize("preset", ["swats"])
def test_preset_validates(preset):
    spec = {"optimizer": "adam", "optim_callbacks": presets.load_preset("optim_callbacks", preset)}
    lit_optim.validate(spec)
    (callback,) = lit_optim.build_callbacks(spec["optim_callbacks"])
    assert (callback.at, callback.monitor) == (None, None)
