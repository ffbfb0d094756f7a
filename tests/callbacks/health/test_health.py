"""Health in Lightning: its values against a slow reference, and that it changes nothing."""

import warnings

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.plugins import MixedPrecision

import lit_optim
from _support.net import BATCHES, Net, fit, weights
from _support.references.health_reference import Copies, assert_equal_to_reference, read
from lit_optim import ConfigError
from lit_optim.callbacks import Health
from lit_optim.callbacks.health import step_probe
from lit_optim.plots import report_files

EVERY = {"_target_": "lit_optim.callbacks.Health", "every_n_steps": 1}
HEALTH = {"health": EVERY}
TORCH = {"_target_": "torch.optim.AdamW", "lr": 1e-3}


@pytest.fixture(autouse=True)
def no_picture(monkeypatch):
    """It takes longer than a fit."""
    monkeypatch.setattr(report_files, "find_spec", lambda name: None)


def quietly(work):
    """Toy runs are not healthy."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "optim_callbacks.health")
        return work()


OPTIMIZERS = {
    "adamw": {},
    "momentum": {},
    "nadam": {},
    "adabound": {},
    "lion": {},
    "muon_adamw": {},
    "lars": {},  # changes the gradients
    "torch": {"optimizer": TORCH},
    "eps": {"optimizer": {**TORCH, "eps": 0.05}},
    "adagrad": {"optimizer": {"_target_": "torch.optim.Adagrad", "lr": 0.01}},
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_step_equals_the_reference(tmp_path, name):
    specs = {"optimizer": name, "param_groups": "no_decay", **OPTIMIZERS[name]}
    module = Copies(**specs, optim_callbacks=HEALTH)
    quietly(lambda: fit(tmp_path, module, max_epochs=2, gradient_clip_val=0.5))
    rows = read(tmp_path / "optim" / "health.csv")
    first_changed = 1 if name == "lars" else 0  # in which it is found out that a copy is needed
    assert ("cosine/default" in rows[0]) == (name != "muon_adamw")
    assert_equal_to_reference(rows[first_changed:], module.taken, measured=[*range(first_changed, 2 * BATCHES)])
    if name == "eps":
        assert 0.2 < float(rows[-1]["saturation/default"]) < 1


def test_the_whole_model_and_what_clipping_does(tmp_path):
    module = Copies(optimizer="sgd", param_groups="no_decay", optim_callbacks=HEALTH)
    quietly(lambda: fit(tmp_path, module, max_epochs=1, gradient_clip_val=0.1))
    for row, taken in zip(read(tmp_path / "optim" / "health.csv"), module.taken, strict=True):
        squares = sum(values["gradient_norm"] ** 2 for values in taken.values())
        assert float(row["gradient_norm"]) == pytest.approx(squares**0.5, rel=1e-5)
        assert float(row["gradient_norm_clipped"]) == pytest.approx(0.1, rel=1e-4)
        assert float(row["effective_lr"]) == pytest.approx(0.01, rel=1e-3)  # plain SGD: its lr
        assert float(row["cosine/default"]) == pytest.approx(1, rel=1e-4)


def test_which_steps_are_measured_and_under_accumulation(tmp_path):
    module = Copies(optim_callbacks={"health": {**EVERY, "every_n_steps": 6}})
    quietly(lambda: fit(tmp_path, module, max_epochs=6, accumulate_grad_batches=3))
    assert len(module.taken) == 18
    rows = read(tmp_path / "optim" / "health.csv")
    assert_equal_to_reference(rows, module.taken, measured=[1, 4, 5, 11, 17])  # the 2nd and 5th, and each 6th


@pytest.mark.parametrize("optimizer", ["adamw", "muon_adamw", TORCH, "lars"])
@pytest.mark.parametrize("every", [1, 3])
def test_training_is_the_same_bit_for_bit(tmp_path, optimizer, every):
    def run(callbacks):
        torch.manual_seed(0)
        module = Net(optimizer, "warmup_cosine", "no_decay")
        return weights(fit(tmp_path, module, max_epochs=2, callbacks=callbacks, enable_checkpointing=False)[0])

    assert torch.equal(run([]), quietly(lambda: run([Health(every_n_steps=every)])))


def test_other_steps_have_no_hook_and_read_nothing(tmp_path, monkeypatch):
    read_steps, hooks = [], []

    class Watch(L.Callback):
        def on_train_batch_end(self, trainer, *_):
            (optimizer,) = trainer.optimizers
            hooks.append(len(optimizer._optimizer_step_pre_hooks) + len(optimizer._optimizer_step_post_hooks))

    def spy(self):
        read_steps.append(self.steps)
        original(self)

    original = step_probe.StepProbe.read_gradients
    monkeypatch.setattr(step_probe.StepProbe, "read_gradients", spy)
    callbacks = [Health(every_n_steps=7), Watch()]
    fit(tmp_path, Net("sgd"), max_epochs=4, callbacks=callbacks, enable_checkpointing=False)
    assert read_steps == [2, 5, 7, 14, 21, 28]
    assert [i + 1 for i, count in enumerate(hooks) if count > min(hooks)] == sorted(
        {s - 1 for s in read_steps} | {*read_steps}
    )


def test_logged_names_and_values(tmp_path):
    logger = CSVLogger(tmp_path, name="", version="")
    module = Net("adamw", param_groups="no_decay", optim_callbacks={"health": {**EVERY, "every_n_steps": 4}})
    fit(tmp_path, module, max_epochs=1, logger=logger, log_every_n_steps=3, enable_checkpointing=False)
    rows = [row for row in read(tmp_path / "metrics.csv") if row.get("health/update_ratio/default")]
    assert [int(row["step"]) for row in rows] == [1, 3, 7]
    names = {name for name in rows[0] if name.startswith("health/")}
    quantities = ("gradient_norm", "gradient_norm_clipped", "update_ratio", "effective_lr", "cosine", "saturation")
    assert names == {f"health/{q}{group}" for q in quantities for group in ("", "/default", "/no_decay")}
    saved = read(tmp_path / "optim" / "health.csv")
    assert float(rows[1]["health/cosine/no_decay"]) == pytest.approx(float(saved[1]["cosine/no_decay"]), rel=1e-6)


def test_gradients_are_read_before_any_callback_changes_them(tmp_path):
    spec = {"agc": {"_target_": "lit_optim.callbacks.Agc", "lam": 1e-4}, **HEALTH}
    module = Copies(optimizer="sgd", optim_callbacks=spec)
    raw = []
    module.on_after_backward = lambda: raw.append(
        sum(p.grad.double().square().sum() for p in module.parameters()).sqrt().item()
    )
    quietly(lambda: fit(tmp_path, module, max_epochs=1))
    rows = read(tmp_path / "optim" / "health.csv")
    assert [float(row["gradient_norm"]) for row in rows] == pytest.approx(raw, rel=1e-5)
    for row, taken in zip(rows, module.taken, strict=True):
        assert float(row["gradient_norm_clipped"]) == pytest.approx(taken[""]["gradient_norm_clipped"], rel=1e-5)
        assert float(row["gradient_norm_clipped"]) < 0.1 * float(row["gradient_norm"])


@pytest.mark.parametrize("averages", ["lookahead", "ema"])
def test_the_weights_are_those_that_are_trained(tmp_path, averages):
    spec = {averages: {"_target_": {"lookahead": "lit_optim.callbacks.Lookahead"}.get(averages, "lit_optim.callbacks.ExponentialMovingAverage")}, **HEALTH}  # fmt: skip
    quietly(lambda: fit(tmp_path, Net("sgd", optim_callbacks=spec), max_epochs=2))
    rows = read(tmp_path / "optim" / "health.csv")
    assert [float(row["effective_lr"]) for row in rows] == pytest.approx([0.01] * 2 * BATCHES, rel=1e-3)
    assert [float(row["cosine"]) for row in rows] == pytest.approx([1] * 2 * BATCHES, rel=1e-4)


def test_swats_on_both_sides_of_its_switch(tmp_path):
    spec = {"swats": {"_target_": "lit_optim.callbacks.SWATS", "at": 6}, **HEALTH}
    module = Copies(optimizer="adam", optim_callbacks=spec)
    quietly(lambda: fit(tmp_path, module, max_epochs=2))
    rows = read(tmp_path / "optim" / "health.csv")
    at = module.trainer.optimizers[0].param_groups[0]["switched_at"]
    assert [bool(row["saturation"]) for row in rows] == [i < at - 1 for i in range(2 * BATCHES)]


def test_a_planned_change_of_optimizer(tmp_path):
    spec = {"switch": {"_target_": "lit_optim.callbacks.Switch", "to": "momentum", "at": 6}, **HEALTH}
    module = Copies(optimizer="adamw", param_groups="no_decay", optim_callbacks=spec)
    quietly(lambda: fit(tmp_path, module, max_epochs=2))
    rows = read(tmp_path / "optim" / "health.csv")
    assert_equal_to_reference(rows, module.taken)
    assert [bool(row["saturation/default"]) for row in rows] == [i < 6 for i in range(2 * BATCHES)]


def test_groups_that_are_frozen_have_no_values(tmp_path):
    stages = {"unfreeze": {"_target_": "lit_optim.callbacks.Unfreeze", "stages": {"body": {"match": {"module": "layer.0"}, "at": 6}}}}  # fmt: skip
    module = Net("sgd", optim_callbacks={**stages, **HEALTH})
    quietly(lambda: fit(tmp_path, module, max_epochs=2))
    rows = read(tmp_path / "optim" / "health.csv")
    (column,) = [name for name in rows[0] if name.startswith("update_ratio/") and "body" in name]
    assert [bool(row[column]) for row in rows] == [i >= 6 for i in range(2 * BATCHES)]


def test_lbfgs_is_not_measured_and_says_so(tmp_path):
    with pytest.warns(UserWarning, match="LBFGS evaluates its closure [0-9]+ times in a step.*not measured") as found:
        fit(tmp_path, Net("lbfgs", optim_callbacks=HEALTH), max_epochs=1)
    assert len([w for w in found if "health" in str(w.message)]) == 1
    assert not (tmp_path / "optim" / "health.csv").exists()


class TwoOptimizers(lit_optim.ConfigureOptimizersMixin, L.LightningModule):
    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.first, self.second = torch.nn.Linear(4, 4), torch.nn.Linear(4, 1)
        self.optim_spec = {
            "optimizer": {"first": {"_target_": "sgd", "lr": 0.1}, "second": {"_target_": "sgd", "lr": 0.2}},
            "optim_callbacks": HEALTH,
        }

    def training_step(self, batch, batch_idx):
        for name, optimizer in self.named_optimizers().items():
            if name == "second" and batch_idx % 2:
                continue
            optimizer.zero_grad()
            self.manual_backward(self.second(self.first(batch[0])).square().mean())
            optimizer.step()

    def validation_step(self, batch, batch_idx):
        pass


def test_several_optimizers_have_steps_and_rows_of_their_own(tmp_path):
    quietly(lambda: fit(tmp_path, TwoOptimizers(), max_epochs=1))
    rows = read(tmp_path / "optim" / "health.csv")
    assert [row["effective_lr/first"] != "" for row in rows] == [True, False, True] * (BATCHES // 2)
    for row in rows:
        lr, name = (0.1, "first") if row["effective_lr/first"] else (0.2, "second")
        assert float(row[f"effective_lr/{name}"]) == pytest.approx(lr, rel=1e-3)


class Overflows(Net):
    def training_step(self, batch, batch_idx):
        return super().training_step(batch, batch_idx) * (1e38 * 1e38 if batch_idx in (1, 3, 4) else 1.0)


class Fused(L.LightningModule):
    """Without the mixin, which has the scaler unscale before the step."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Linear(8, 1))

    def training_step(self, batch, batch_idx):
        return (self.layer(batch[0]) - batch[1]).square().mean() * (1e38 * 1e38 if batch_idx in (1, 3, 4) else 1.0)

    validation_step = training_step

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), fused=True)


@pytest.mark.parametrize("net", [Overflows, Fused])
def test_steps_that_a_scaler_skips_are_counted_and_not_measured(tmp_path, net):
    scaler = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=4096.0))
    options = dict(plugins=[scaler], callbacks=[Health(every_n_steps=1)], enable_checkpointing=False)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        fit(tmp_path, net(), max_epochs=1, **options)
    assert not [w for w in found if "NaN or infinity" in str(w.message)]
    rows = read(tmp_path / "optim" / "health.csv")
    assert [int(row["step"]) for row in rows] == [0, 2, 5, 6, 7]
    assert [float(row["amp_skips"]) for row in rows] == [0, 1, 2, 0, 0]
    assert all(0.1 < float(row["gradient_norm"]) < 100 for row in rows)  # unscaled
    assert all(row["gradient_norm_clipped"] == row["gradient_norm"] for row in rows)


def test_a_fused_kernel_is_left_to_unscale_in_other_steps(tmp_path):
    scaler = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=4096.0))
    options = dict(plugins=[scaler], callbacks=[Health(every_n_steps=4)], enable_checkpointing=False)
    module, _ = quietly(lambda: fit(tmp_path, Fused(), max_epochs=1, **options))
    rows = read(tmp_path / "optim" / "health.csv")
    assert [int(row["step"]) for row in rows] == [2, 5, 7]  # the 2nd is skipped, and so are the 4th and 5th
    assert [float(row["amp_skips"]) for row in rows] == [1, 2, 0]
    assert module.trainer.optimizers[0]._step_supports_amp_scaling


def test_a_step_that_the_finite_guard_leaves_out_is_not_measured(tmp_path):
    guard = {"finite": {"_target_": "lit_optim.callbacks.FiniteGuard"}}
    for spec in ({**guard, **HEALTH}, {**HEALTH, **guard}):
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            fit(tmp_path, Overflows(optimizer="adamw", optim_callbacks=spec), max_epochs=1)
        assert not [w for w in found if "NaN or infinity" in str(w.message)]
        rows = read(tmp_path / "optim" / "health.csv")
        assert [int(row["step"]) for row in rows] == [0, 2, 5, 6, 7]


@pytest.mark.parametrize("at", [3, 6, 7])
def test_a_resumed_run_measures_the_same_steps(tmp_path, at):
    spec = {"health": {**EVERY, "every_n_steps": 7}}
    saves = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1)
    unbroken, _ = quietly(lambda: fit(tmp_path, Net(optim_callbacks=spec), max_epochs=3, callbacks=[saves]))
    expected = read(tmp_path / "optim" / "health.csv")
    resumed, _ = quietly(
        lambda: fit(tmp_path / "again", Net(optim_callbacks=spec), tmp_path / f"step={at}.ckpt", max_epochs=3)
    )
    assert torch.equal(weights(resumed), weights(unbroken))
    assert read(tmp_path / "again" / "optim" / "health.csv") == [row for row in expected if int(row["step"]) >= at]


def test_a_sparse_gradient(tmp_path):
    class Embeds(Net):
        def __init__(self, **specs):
            super().__init__(**specs)
            self.save_hyperparameters()
            self.table = torch.nn.Embedding(6, 4, sparse=True)
            self.layer = torch.nn.Identity()

        def loss(self, batch):
            return self.table(torch.tensor([1, 2, 2])).square().sum()

    module = Embeds(optimizer={"_target_": "torch.optim.SGD", "lr": 0.1}, optim_callbacks=HEALTH)
    before = module.table.weight.detach().double()
    quietly(lambda: fit(tmp_path, module, max_epochs=1, limit_train_batches=1))
    (row,) = read(tmp_path / "optim" / "health.csv")
    norm = (4 * before[1].square().sum() + 16 * before[2].square().sum()).sqrt()
    assert float(row["gradient_norm"]) == pytest.approx(norm.item(), rel=1e-5)
    assert float(row["effective_lr"]) == pytest.approx(0.1, rel=1e-5)
    assert float(row["cosine"]) == pytest.approx(1, rel=1e-5)
    assert float(row["update_ratio"]) == pytest.approx((0.1 * norm / before.norm()).item(), rel=1e-5)


def test_files_of_a_fit_that_fails_and_of_the_next(tmp_path, monkeypatch):
    monkeypatch.undo()

    class Fails(L.Callback):
        def on_train_batch_end(self, trainer, *_):
            if trainer.global_step == 3:
                raise RuntimeError("out of luck")

    health = Health(every_n_steps=1)
    with pytest.raises(RuntimeError, match="out of luck"):
        quietly(lambda: fit(tmp_path, Net("sgd"), callbacks=[health, Fails()]))
    assert len(read(tmp_path / "optim" / "health.csv")) == 3
    quietly(lambda: fit(tmp_path, Net("sgd"), callbacks=[health], max_epochs=1))
    assert len(read(tmp_path / "optim" / "health.csv")) == BATCHES
    assert (tmp_path / "optim" / "health.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "options", [{"every_n_steps": 0}, {"every_n_steps": True}, {"every_n_steps": 2.5}, {"folder": " "}]
)
def test_wrong_options(options):
    with pytest.raises(ConfigError, match=f"{next(iter(options))}="):
        Health(**options)


def test_strategies_that_hide_the_gradients(tmp_path, monkeypatch):
    monkeypatch.setattr("lit_optim.callbacks.health.callback.is_instance", lambda *_: True)
    with pytest.raises(ConfigError, match="SingleDeviceStrategy flattens parameters.*use ModelParallelStrategy"):
        fit(tmp_path, Net(optim_callbacks="health"), max_epochs=1)
