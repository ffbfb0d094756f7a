import functools
import warnings
from typing import ClassVar

import lightning as L
import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from lightning.pytorch.plugins import MixedPrecision
from omegaconf import OmegaConf

import lit_optim
from _support.net import BATCHES, Net, data, fit, loader, trainer, weights
from conftest import LACKING
from lit_optim import ConfigError, ScheduleLR
from lit_optim.config.read import presets

ADAMW = {"_target_": "torch.optim.AdamW", "lr": 0.02, "betas": [0.8, 0.9]}
FORMS = {
    "name": ("adamw", 1e-3),
    "path": ("torch.optim.AdamW", 1e-3),
    "dict": (ADAMW, 0.02),
    "dict with Hydra's keys": ({**ADAMW, "_partial_": True, "_convert_": "all"}, 0.02),
    "DictConfig": (OmegaConf.create(ADAMW), 0.02),
    "Hydra partial": (instantiate(OmegaConf.create({**ADAMW, "_partial_": True})), 0.02),
    "converted Hydra partial": (instantiate(OmegaConf.create({**ADAMW, "_partial_": True, "_convert_": "all"})), 0.02),
    "functools.partial": (functools.partial(torch.optim.AdamW, lr=0.02), 0.02),
    "class": (torch.optim.AdamW, 1e-3),
    "numbers as text": ({**ADAMW, "lr": "2e-2"}, 0.02),
    "a preset with changes": ({"_target_": "adamw", "lr": 0.02}, 0.02),
    "a preset with changes in a DictConfig": (OmegaConf.create({"_target_": "adamw", "lr": 0.02}), 0.02),
    "class_path": ({"class_path": "torch.optim.AdamW", "init_args": {"lr": 0.02}}, 0.02),
    "class_path in a DictConfig": (OmegaConf.create({"class_path": "adamw", "init_args": {"lr": 0.02}}), 0.02),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_spec_builds_the_same_optimizer(form):
    spec, lr = FORMS[form]
    optimizer = Net(optimizer=spec).configure_optimizers()["optimizer"]
    assert type(optimizer) is torch.optim.AdamW
    assert optimizer.param_groups[0]["lr"] == lr
    assert type(optimizer.param_groups[0]["betas"]) is tuple
    assert optimizer.param_groups[0]["fused"] is True


def test_a_factory_of_the_users_own():
    module = Net(optimizer=lambda params: torch.optim.SGD(params, lr=0.5))
    assert module.configure_optimizers()["optimizer"].param_groups[0]["lr"] == 0.5
    with pytest.raises(ConfigError, match=r"not a torch.optim.Optimizer"):
        Net(optimizer=lambda params: 3).configure_optimizers()


def test_specs_that_cannot_be_pickled_are_not_lost_with_the_hyper_parameters(tmp_path):
    module = Net(lambda params: torch.optim.SGD(params, lr=0.25), scheduler="warmup_cosine")
    with pytest.warns(UserWarning, match="'optimizer' removed from hparams because it cannot be pickled"):
        _, run = fit(tmp_path, module, max_epochs=1)
    assert "optimizer" not in module.hparams
    assert type(run.optimizers[0]) is torch.optim.SGD


def test_scheduler_forms():
    spec = presets.load_preset("scheduler", "warmup_linear")
    for form in ("warmup_linear", spec, OmegaConf.create(spec), instantiate(OmegaConf.create(spec))):
        module = Net(scheduler=form)
        _, run = fit("unused", module, max_epochs=1, limit_val_batches=0)
        scheduler = run.lr_scheduler_configs[0].scheduler
        assert type(scheduler) is ScheduleLR
        assert [used[0] for used in module.used] == pytest.approx([1e-3 * f for f in (1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8)])  # fmt: skip


def test_what_lightning_gets():
    configured = Net(scheduler="constant").configure_optimizers()
    assert set(configured) == {"optimizer", "lr_scheduler"}
    assert set(configured["lr_scheduler"]) == {"scheduler", "interval", "name"}
    assert configured["lr_scheduler"]["interval"] == "step"
    named = Net(scheduler={"name": "mine"}).configure_optimizers()
    assert named["lr_scheduler"]["name"] == "mine"


def test_torchs_own_scheduler_keeps_lightnings_keys(tmp_path):
    spec = {
        "_target_": "torch.optim.lr_scheduler.StepLR",
        "step_size": 2,
        "gamma": 0.5,
        "interval": "step",
        "frequency": 2,
    }
    module, _ = fit(tmp_path, Net(scheduler=spec), max_epochs=1)
    assert [used[0] for used in module.used] == pytest.approx([1e-3] * 4 + [5e-4] * 4)
    spec = {
        "_target_": "torch.optim.lr_scheduler.ReduceLROnPlateau",
        "patience": 0,
        "factor": 0.5,
        "monitor": "val/loss",
    }
    module, _ = fit(tmp_path, Net(scheduler=spec, val_losses=[1.0, 1.0, 1.0]))
    assert [module.used[i * BATCHES][0] for i in range(3)] == pytest.approx([1e-3, 1e-3, 5e-4])


class Halving(torch.optim.lr_scheduler.LRScheduler):
    """A third party's: it knows nothing of lit-optim."""

    def __init__(self, optimizer, every=1, last_epoch=-1):
        self.every = every
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        return [lr * 0.5 ** (self.last_epoch // self.every) for lr in self.base_lrs]


@pytest.mark.parametrize(
    ("keys", "halved_before"),
    [({"interval": "step"}, lambda step: step // 2), ({"interval": "step", "frequency": 4}, lambda step: step // 4 // 2), ({}, lambda step: step // BATCHES // 2)],
)  # fmt: skip
def test_a_third_partys_scheduler_has_lightnings_rhythm(tmp_path, keys, halved_before):
    spec = {"_target_": f"{__name__}.Halving", "every": 2, **keys}
    module, run = fit(tmp_path, Net(scheduler=spec), max_epochs=4)
    assert type(run.lr_scheduler_configs[0].scheduler) is Halving
    assert [used[0] for used in module.used] == pytest.approx(
        [1e-3 * 0.5 ** halved_before(t) for t in range(4 * BATCHES)]
    )


def test_only_what_requires_grad_is_optimized():
    module = Net()
    module.layer[0].requires_grad_(False)
    optimizer = module.configure_optimizers()["optimizer"]
    assert sum(p.numel() for group in optimizer.param_groups for p in group["params"]) == 16 + 9
    module.requires_grad_(False)
    with pytest.raises(ConfigError, match="no parameter requires grad"):
        module.configure_optimizers()


def test_optim_spec_goes_before_hparams():
    module = Net(optimizer="sgd")
    module.optim_spec = {"optimizer": "adam", "scheduler": "constant"}
    assert type(module.configure_optimizers()["optimizer"]) is torch.optim.Adam


def test_no_spec_shows_both_ways(tmp_path):
    class Bare(lit_optim.ConfigureOptimizersMixin, L.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(2, 2)

    for call in (Bare().configure_optimizers, lambda: trainer(tmp_path).fit(Bare(), loader())):
        with pytest.raises(ConfigError, match=r"save_hyperparameters\(\), or set self.optim_spec"):
            call()
    assert Bare().lr is None


def test_bases_in_an_order_that_hides_the_mixin_are_rejected():
    with pytest.raises(ConfigError, match=r"Wrong: LightningModule is listed before the mixin; write class Net\(Conf"):
        type("Wrong", (L.LightningModule, lit_optim.ConfigureOptimizersMixin), {})


def test_the_mixin_may_be_listed_behind_another_module():
    class Base(L.LightningModule):
        pass

    class Late(Base, lit_optim.ConfigureOptimizersMixin):
        optim_spec: ClassVar = {"optimizer": "sgd"}

    class Later(Late):
        pass

    order = [cls.__name__ for cls in Later.__mro__]
    assert order[:4] == ["Later", "Late", "Base", "ConfigureOptimizersMixin"]
    assert order.index("ModuleWithSpecs") < order.index("LightningModule")
    module = Later()
    module.layer = torch.nn.Linear(1, 1)
    assert type(module.configure_optimizers()["optimizer"]) is torch.optim.SGD


def test_the_mixin_alone_is_no_module():
    class Alone(lit_optim.ConfigureOptimizersMixin):
        def __init__(self, optimizer="sgd"):
            super().__init__()
            self.save_hyperparameters()

    with pytest.raises(ConfigError, match=r"Alone: inherits from no LightningModule; write class Net\(Conf"):
        Alone()


@pytest.mark.parametrize("hook", ["configure_optimizers", "configure_callbacks"])
def test_an_override_without_super_is_warned_about(hook):
    with pytest.warns(UserWarning, match=rf"Mine.{hook} does not call super\(\).{hook}"):
        type("Mine", (Net,), {hook: lambda self: []})
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        class Good(Net):
            def configure_callbacks(self):
                return [*super().configure_callbacks(), L.pytorch.callbacks.Timer()]

            def configure_optimizers(self):
                return super().configure_optimizers()


def test_an_override_in_another_base_is_warned_about():
    class Own(L.LightningModule):
        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=1.0)

    with pytest.warns(UserWarning, match=r"Own.configure_optimizers does not call super"):
        type("Wrong", (Own, lit_optim.ConfigureOptimizersMixin), {})


def test_optim_spec_is_checked_for_keys():
    module = Net()
    for spec, message in (({"schedulr": 1}, "did you mean 'scheduler'"), ("adamw", "expects a mapping")):
        module.optim_spec = spec
        with pytest.raises(ConfigError, match=message):
            module.configure_optimizers()


def test_specs_are_validated_before_data_is_prepared(tmp_path):
    class Data(L.LightningDataModule):
        def prepare_data(self):
            raise AssertionError("data was touched")

    rules = [{"match": {"type": "bias"}, "wd": 0}]
    with pytest.raises(ConfigError, match=r"param_groups.rules\[0\].wd=0: AdamW has no 'wd'"):
        trainer(tmp_path).fit(Net(param_groups=rules), datamodule=Data())
    with pytest.raises(ConfigError, match="trainer.max_epochs=0"):
        trainer(tmp_path, max_epochs=0).fit(Net(), datamodule=Data())
    module = Net(optimizer={**ADAMW, "lrr": 1}, scheduler={"warmup": 1.5}, param_groups="no_dcay")
    with pytest.raises(ConfigError) as caught:
        trainer(tmp_path).fit(module, datamodule=Data())
    assert [problem.partition("=")[0] for problem in caught.value.problems] == [
        "optimizer.lrr",
        "scheduler.warmup",
        "param_groups",
    ]


@pytest.mark.filterwarnings("ignore:checkpoints do not hold callbacks")
def test_optim_callbacks_are_returned_and_lightnings_own_stay(tmp_path):
    spec = {"timer": {"_target_": "lightning.pytorch.callbacks.Timer", "duration": "00:12:00:00"}}
    for form in (spec, OmegaConf.create(spec), [spec], [L.pytorch.callbacks.Timer()], L.pytorch.callbacks.Timer()):
        mine = L.pytorch.callbacks.EarlyStopping("val/loss")
        _, run = fit(tmp_path, Net(optim_callbacks=form), callbacks=[mine], max_epochs=1)
        assert mine in run.callbacks
        assert sum(isinstance(callback, L.pytorch.callbacks.Timer) for callback in run.callbacks) == 1
        assert isinstance(run.callbacks[-1], L.pytorch.callbacks.ModelCheckpoint)


def test_monitor_names_the_groups(tmp_path):
    monitor = L.pytorch.callbacks.LearningRateMonitor()
    logger = L.pytorch.loggers.CSVLogger(tmp_path)
    fit(tmp_path, Net(scheduler="cosine", param_groups="no_decay"), callbacks=[monitor], logger=logger, max_epochs=1)
    assert set(monitor.lrs) == {"lr/default", "lr/no_decay"}
    monitor = L.pytorch.callbacks.LearningRateMonitor()
    fit(tmp_path, Net(), callbacks=[monitor], logger=logger, max_epochs=1)
    assert set(monitor.lrs) == {"lr"}


@pytest.mark.parametrize("accumulate", [1, 3])
def test_the_lr_inside_every_optimizer_step_is_the_documented_one(tmp_path, accumulate):
    scheduler = {"warmup": {"steps": 2}, "main": {"shape": "linear"}}
    module, run = fit(tmp_path, Net(scheduler=scheduler), max_epochs=2, accumulate_grad_batches=accumulate)
    steps = 2 * -(-BATCHES // accumulate)
    assert run.global_step == len(module.used) == steps
    expected = [0.5, 1.0] + [1 - t / (steps - 2) for t in range(steps - 2)]
    assert [used[0] for used in module.used] == pytest.approx([1e-3 * factor for factor in expected])


def test_a_schedule_on_an_optimizer_that_ignores_it_is_reported():
    with pytest.warns(UserWarning, match="a schedule has no effect"):
        Net(optimizer="rprop", scheduler={"warmup": 5}).configure_optimizers()
    with pytest.warns(UserWarning, match="a schedule has no effect"):
        Net(optimizer="rprop", scheduler={"main": {"shape": "linear", "steps": 9}}).configure_optimizers()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Net(optimizer="rprop", scheduler="none").configure_optimizers()


def test_what_an_optimizer_cannot_take_is_refused_by_name():
    muon = "needs torch 2.9 or newer" if "muon" in LACKING else "Muon takes 2-D parameters only, and 4 of 6 are not"
    with pytest.raises(ConfigError, match=muon):
        Net(optimizer="muon").configure_optimizers()
    with pytest.raises(ConfigError, match=r"SparseAdam takes sparse gradients only, and 6 of 6"):
        Net(optimizer="sparse_adam").configure_optimizers()


def test_lbfgs_trains_in_one_group_whatever_the_rules(tmp_path):
    _module, run = fit(tmp_path, Net(optimizer="lbfgs", param_groups="no_decay"), max_epochs=1)
    assert len(run.optimizers[0].param_groups) == 1
    assert run.global_step == BATCHES


class TestLr:
    def test_reading_never_raises(self):
        assert Net().lr == 1e-3
        assert Net(optimizer="sdg").lr is None
        assert Net(optimizer=torch.optim.AdamW).lr is None

    def test_assigned_beats_the_spec_and_goes_into_hparams(self):
        module = Net(optimizer=OmegaConf.create(ADAMW))
        module.lr = 0.5
        assert module.lr == 0.5
        assert module.hparams["optimizer"]["lr"] == 0.5
        assert module.configure_optimizers()["optimizer"].param_groups[0]["lr"] == 0.5
        module.lr = None
        assert module.lr == 0.5, "it is in hparams"

    def test_assigned_in_init_before_hparams_exist(self):
        class Early(Net):
            def __init__(self, lr=0.25, **kwargs):
                L.LightningModule.__init__(self)
                self.lr = lr
                Net.__init__(self, **kwargs)
                self.lr = lr

        assert Early().configure_optimizers()["optimizer"].param_groups[0]["lr"] == 0.25

    @pytest.mark.parametrize("value", ["0.5", np.float64(0.5), np.float32(0.5), torch.tensor(0.5)], ids=repr)
    def test_numbers_of_every_kind(self, value):
        module = Net()
        module.lr = value
        assert module.lr == 0.5
        assert type(module.lr) is float

    @pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "abc", True, [1], torch.ones(2)], ids=str)
    def test_nonsense_is_refused(self, value):
        with pytest.raises(ConfigError, match=r"^lr="):
            Net().lr = value

    @pytest.mark.parametrize(
        "scheduler",
        ["warmup_cosine", None, {"_target_": "torch.optim.lr_scheduler.StepLR", "step_size": 9, "interval": "step"}],
    )
    def test_live_groups_are_scaled_and_keep_their_ratios(self, tmp_path, scheduler):
        class Halfway(L.Callback):
            def on_train_batch_end(self, trainer, module, *_):
                if trainer.global_step == 4:
                    before = [group["lr"] for group in trainer.optimizers[0].param_groups]
                    module.lr = 1e-2
                    after = [group["lr"] for group in trainer.optimizers[0].param_groups]
                    assert after == pytest.approx([10 * lr for lr in before])

        groups = {"rules": [{"match": {"type": "bias"}, "lr": 2e-3}]}
        module, _run = fit(tmp_path, Net(scheduler=scheduler, param_groups=groups), callbacks=[Halfway()], max_epochs=1)
        assert all(b == pytest.approx(2 * a) for a, b in module.used)
        assert module.used[4][0] == pytest.approx(module.used[3][0] * 10, rel=0.3)

    @pytest.mark.parametrize(
        "hook", ["on_train_batch_start", "training_step", "on_before_optimizer_step", "on_train_batch_end"]
    )
    @pytest.mark.parametrize("value", [0.02, 0.01])
    def test_assigned_within_a_batch_the_schedule_goes_on_from_there(self, tmp_path, hook, value):
        class Mine(Net):
            pass

        def assigning(self, *args, **kwargs):
            if self.trainer.global_step == 4:
                self.lr = value
            return getattr(Net, hook)(self, *args, **kwargs)

        setattr(Mine, hook, assigning)
        spec = {"_target_": "torch.optim.SGD", "lr": 0.01}
        module, _ = fit(tmp_path, Mine(spec, scheduler={"main": {"shape": "linear"}}), max_epochs=1)
        expected = [value * (1 - t / BATCHES) for t in range(BATCHES)]
        assert [used[0] for used in module.used][5:] == pytest.approx(expected[5:])

    def test_assigned_before_hparams_is_in_the_checkpoint(self, tmp_path):
        class Early(Net):
            def __init__(self, **kwargs):
                super().__init__(**kwargs)
                self._run_state.assigned_lr = 0.25  # as if it had been assigned before save_hyperparameters

        _, run = fit(tmp_path, Early(), max_epochs=1)
        run.save_checkpoint(tmp_path / "c.ckpt")
        saved = torch.load(tmp_path / "c.ckpt", weights_only=True)
        assert saved["hyper_parameters"]["optimizer"]["lr"] == saved["lit_optim"]["spec"]["optimizer"]["lr"] == 0.25

    @pytest.mark.parametrize(
        "scheduler", [None, {"_target_": "torch.optim.lr_scheduler.StepLR", "step_size": 9, "interval": "step"}]
    )
    def test_assigned_where_the_configured_lr_is_0(self, tmp_path, scheduler):
        class AtStart(L.Callback):
            def on_train_start(self, trainer, module):
                module.lr = 0.1

        spec = {"_target_": "torch.optim.SGD", "lr": 0.0}
        module, _ = fit(tmp_path, Net(spec, scheduler=scheduler), callbacks=[AtStart()], max_epochs=1)
        assert module.used == [[0.1]] * BATCHES

    def test_an_absolute_floor_stays(self, tmp_path):
        class AtStart(L.Callback):
            def on_train_start(self, trainer, module):
                module.lr = 0.1

        scheduler = {"main": {"shape": "cosine", "min_lr": 5e-4}}
        module, run = fit(tmp_path, Net(scheduler=scheduler), callbacks=[AtStart()], max_epochs=1)
        assert module.used[0][0] == pytest.approx(0.1)
        assert run.optimizers[0].param_groups[0]["lr"] == pytest.approx(5e-4)


def test_data_of_this_suite_is_fixed():
    assert torch.equal(data()[0][0], data()[0][0])


@pytest.mark.filterwarnings("ignore:.*lr_scheduler.step.*")
@pytest.mark.parametrize("optimizer", ["adamw", "momentum"])
def test_grad_scaler_and_clipping_with_the_fused_step(tmp_path, optimizer):
    ends = []
    for fused in (True, False):
        spec = optimizer if fused else {**presets.load_preset("optimizer", optimizer), "fused": False, "foreach": False}
        torch.manual_seed(3)
        plugin = MixedPrecision("16-mixed", "cpu", scaler=torch.amp.GradScaler("cpu", init_scale=64.0))
        module, run = fit(tmp_path, Net(spec), plugins=[plugin], gradient_clip_val=0.1, max_epochs=1)
        assert bool(run.optimizers[0].param_groups[0]["fused"]) == fused
        ends.append(weights(module))
    torch.testing.assert_close(*ends, rtol=1e-5, atol=1e-6)


def test_without_a_trainer_no_optimizer_callback_takes_part():
    """Nothing would switch it: the callbacks are the Trainer's."""
    assert type(Net("adam", optim_callbacks="swats").configure_optimizers()["optimizer"]) is torch.optim.Adam


def test_callbacks_that_a_module_drops_do_not_take_part(tmp_path):
    class Drops(Net):
        def configure_callbacks(self):
            super().configure_callbacks()
            return []

    with pytest.warns(UserWarning, match="drops what super"):
        _, run = fit(tmp_path, Drops("adam", optim_callbacks="swats"), max_epochs=1)
    assert type(run.optimizers[0]) is torch.optim.Adam


def test_a_wrong_spec_keeps_its_key():
    with pytest.raises(ConfigError, match="^optimizer: a partial with positional arguments"):
        Net(functools.partial(torch.optim.AdamW, [1])).configure_optimizers()
