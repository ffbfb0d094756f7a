"""Specs that a review got past the validator, or that it refused though they are right."""

import dataclasses
import functools
from datetime import timedelta

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar, ThroughputMonitor
from omegaconf import OmegaConf

import lit_optim
from _support.net import Net, fit
from lit_optim import ConfigError
from lit_optim.config.canonical_specs import canonical_specs, differences
from lit_optim.config.resolve import resolve_specs

TORCH = "torch.optim.lr_scheduler."


def scheduler(name, **arguments):
    return {"scheduler": {"_target_": TORCH + name, **arguments}}


SCHEDULERS = [
    (scheduler("StepLR", step_size=0), "scheduler.step_size=0: must be at least 1"),
    (scheduler("StepLR", step_size=-2), "scheduler.step_size=-2: must be at least 1"),
    (scheduler("StepLR", step_size=1, gamma=-1), "scheduler.gamma=-1.0: must be at least 0"),
    (scheduler("CosineAnnealingLR", T_max=0), "scheduler.T_max=0: must be at least 1"),
    (scheduler("CosineAnnealingLR", T_max=-5), "scheduler.T_max=-5: must be at least 1"),
    (scheduler("LRScheduler"), "it is the base of all schedulers, and none itself"),
    (scheduler("LinearLR", start_factor=0), "scheduler.start_factor=0.0: LinearLR refused it"),
    (scheduler("ReduceLROnPlateau", factor=1.5, monitor="x"), "scheduler.factor=1.5: ReduceLROnPlateau refused it"),
    (scheduler("ReduceLROnPlateau", patience=-1, monitor="x"), "scheduler.patience=-1: must be at least 0"),
    (scheduler("OneCycleLR", max_lr=0.1), "OneCycleLR refused"),
    (scheduler("OneCycleLR", max_lr=-1, total_steps=5), "scheduler.max_lr=-1.0: must be at least 0"),
    (scheduler("CyclicLR", base_lr=0.1, max_lr=1, step_size_up=0), "scheduler.step_size_up=0: must be at least 1"),
    (scheduler("LambdaLR", lr_lambda="math.sqrt"), "scheduler.lr_lambda='math.sqrt': not a function of your own, step -> factor"),
    (scheduler("MultiStepLR", milestones=["a"]), "scheduler.milestones=['a']"),
    (scheduler("MultiStepLR", milestones="24"), ": MultiStepLR expects "),
    (scheduler("ExponentialLR", gamma=-0.9), "scheduler.gamma=-0.9: must be at least 0"),
    (scheduler("PolynomialLR", total_iters=0), "scheduler.total_iters=0: must be at least 1"),
    (scheduler("SequentialLR", schedulers=[]), "it is made of schedulers that are built already; write warmup, main and cooldown instead"),
    (scheduler("NoSuch"), "torch.optim.lr_scheduler has no 'NoSuch'"),
    ({"scheduler": {"warmup_epochs": "a"}}, "scheduler.warmup_epochs='a': expects a number of epochs, e.g. 2"),
]  # fmt: skip


@pytest.mark.parametrize(("cfg", "message"), SCHEDULERS, ids=[message[:50] for _, message in SCHEDULERS])
def test_schedulers_are_tried_before_anything_trains(cfg, message):
    with pytest.raises(ConfigError) as caught:
        lit_optim.validate(cfg)
    assert message in str(caught.value)
    assert "math?" not in str(caught.value), "a module is no suggestion"


def test_milestones_as_texts_are_numbers():
    built = lit_optim.build_scheduler(scheduler("MultiStepLR", milestones=["2", 4])["scheduler"], sgd())
    assert sorted(built.milestones) == [2, 4]


def test_lists_for_several_groups_are_no_mistake():
    cfg = scheduler("OneCycleLR", max_lr=[0.1, 0.2], total_steps=9)["scheduler"]
    groups = [{"params": [torch.ones(1)], "lr": 0.1, "momentum": 0.9} for _ in range(2)]
    assert lit_optim.build_scheduler(cfg, torch.optim.SGD(groups))
    lit_optim.validate(scheduler("LambdaLR", lr_lambda=[lambda step: 1.0, lambda step: 0.5]))


def test_a_one_cycle_that_ends_before_the_run_does_not_begin(tmp_path):
    spec = scheduler("OneCycleLR", max_lr=0.1, total_steps=3, interval="step")["scheduler"]
    with pytest.raises(ConfigError, match="the run has 8 optimizer steps, and OneCycleLR raises an error after 3"):
        fit(tmp_path, Net({"_target_": "torch.optim.SGD", "momentum": 0.9}, scheduler=spec), max_epochs=1)


def sgd():
    return torch.optim.SGD([torch.ones(1)], lr=0.1)


class Counts(torch.optim.SGD):
    def __init__(self, params, lr=0.1, every=10, beta=(0.9, 1)):
        super().__init__(params, lr)
        self.slots = [0.0] * every


class PositionalOnly(torch.optim.SGD):
    def __init__(self, params, /, lr=0.1):
        super().__init__(params, lr)


class Untyped(torch.optim.Optimizer):
    def __init__(self, params, lr, rate: "float", **kwargs):
        super().__init__(params, {"lr": lr, "rate": rate, **kwargs})

    def step(self, closure=None): ...


class SubAdam(torch.optim.AdamW):
    def __init__(self, params, **kwargs):
        super().__init__(params, **kwargs)


class Exits(torch.optim.SGD):
    def __init__(self, params, lr=0.1):
        raise SystemExit(3)


class Wraps(torch.optim.Optimizer):
    def __init__(self, params, base_optimizer: type[torch.optim.Optimizer], rho: float = 0.05):
        super().__init__(params, {"rho": rho})
        self.base = base_optimizer(self.param_groups, lr=0.1)

    def step(self, closure=None): ...


GOOD = {
    "an int stays an int": (Counts, {"every": 20}, lambda o: len(o.slots) == 20),
    "positional only": (PositionalOnly, {"lr": "0.5"}, lambda o: o.defaults["lr"] == 0.5),
    "no hints": (Untyped, {"lr": "1e-4", "rate": "2"}, lambda o: (o.defaults["lr"], o.defaults["rate"]) == (1e-4, 2.0)),
    "taken by **kwargs and handed on": (SubAdam, {"lr": "1e-4"}, lambda o: o.defaults["lr"] == 1e-4),
    "a class inside": (Wraps, {"base_optimizer": {"_target_": "torch.optim.SGD"}}, lambda o: type(o.base) is torch.optim.SGD),
    "numpy": (Counts, {"lr": np.float64(0.5), "every": np.int64(3)}, lambda o: o.defaults["lr"] == 0.5 and len(o.slots) == 3),
}  # fmt: skip


@pytest.mark.parametrize("case", GOOD)
def test_right_ones_are_built(case):
    cls, arguments, holds = GOOD[case]
    assert holds(lit_optim.build_optimizer({"_target_": cls, **arguments}, [torch.nn.Parameter(torch.ones(1))]))


def test_what_is_made_for_a_gpu_is_no_mistake_of_the_configuration():
    for name in ("adamw", "rmsprop", "nadam"):
        lit_optim.validate({"optimizer": {"_target_": name, "capturable": True}})
    if not torch.accelerator.is_available():
        with pytest.raises(ConfigError, match="optimizer.capturable=True: is for parameters on a GPU"):
            lit_optim.build_optimizer("adamw", torch.nn.Linear(1, 1), capturable=True)


class RaisesInRepr:
    def __repr__(self):
        raise RuntimeError


def itself():
    spec = {"_target_": "torch.optim.SGD"}
    spec["lr"] = spec
    return spec


A = "torch.optim.AdamW"
BAD = [
    ({"optimizer": {"_target_": Exits}}, "Exits refused"),
    ({"optimizer": {"_target_": A, "lr": RaisesInRepr()}}, "optimizer.lr=<RaisesInRepr>: AdamW expects"),
    ({"optimizer": {"_target_": A, 3: 4}}, "optimizer: 3 is not the name of an argument"),
    ({"optimizer": itself()}, "config: nested too deeply, or a part of it holds itself"),
    ({"optimizer": {"_target_": A, "betas": torch.ones(3)}, "model": {"optimizer": {"_target_": A, "betas": torch.ones(3)}}}, "optimizer.betas"),
    ({"optimizer": {"_target_": Wraps, "base_optimizer": {"_target_": A, "lr": -1}}}, "optimizer.base_optimizer.lr=-1.0: AdamW refused it"),
    ({"optimizer": {"class_path": A, "init_args": {"lr": 1}, "lr": 2}}, "optimizer.lr=2: init_args.lr is there too; keep one of them"),
    (OmegaConf.create({"optimizer": "???"}), "optimizer: Missing mandatory value: optimizer"),
    ({"model": {"optimizer": "adam", "schedular": "cosine"}}, "model.schedular: no such group; did you mean 'scheduler'?"),
    ({"optim_callbacks": {"_target_": "lightning.pytorch.callbacks.Timer", "_args_": [1]}}, "optim_callbacks._args_: positional arguments are not taken"),
]  # fmt: skip


@pytest.mark.parametrize(("cfg", "message"), BAD, ids=[message[:50] for _, message in BAD])
def test_wrong_ones_are_rejected_by_a_config_error(cfg, message):
    with pytest.raises(ConfigError) as caught:
        lit_optim.validate(cfg)
    assert message in str(caught.value)


def test_all_errors_at_once_also_beside_a_dead_interpolation():
    cfg = OmegaConf.create({"optimizer": "${a}", "scheduler": "cosin", "model": {"optimizer": "${nope}"}})
    with pytest.raises(ConfigError) as caught:
        lit_optim.validate(cfg)
    assert [problem.partition(":")[0].partition("=")[0] for problem in caught.value.problems] == [
        "optimizer", "scheduler", "model.optimizer"
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["torch.optim.\nSGD", "torch.optim.\x1b[31mSGD", "x.\r\ny"])
def test_messages_are_of_one_line_and_print_nothing_else(text):
    for cfg in ({"optimizer": {"_target_": text}}, {"optimizer": {"_target_": A, text: 1}}, {"optimizer": text}):
        with pytest.raises(ConfigError) as caught:
            lit_optim.validate(cfg)
        assert all(problem.isprintable() for problem in caught.value.problems)


def test_keys_of_an_app_that_only_look_like_groups():
    lit_optim.validate({"optimizer_g": {"_target_": A}, "optimizer_d": {"_target_": A}})
    lit_optim.validate({"model": {"optimizer": "adam"}, "optimizers": {"a": 1}, "lr_scheduler": {"name": "x"}})


def test_arguments_that_ask_for_an_object_of_their_own():
    theme = {
        "_target_": "lightning.pytorch.callbacks.progress.rich_progress.RichProgressBarTheme",
        "description": "red",
    }
    bar, checkpoint, monitor = lit_optim.build_callbacks({
        "bar": {"_target_": RichProgressBar, "theme": theme},
        "checkpoint": {"_target_": ModelCheckpoint, "train_time_interval": {"hours": 1}},
        "monitor": {"_target_": ThroughputMonitor, "batch_size_fn": len, "window_size": 50},
    })  # fmt: skip
    assert dataclasses.asdict(bar.theme)["description"] == "red"
    assert checkpoint._train_time_interval == timedelta(hours=1)
    assert isinstance(monitor, ThroughputMonitor)
    with pytest.raises(ConfigError, match="a length of time is written e.g. {hours: 1, minutes: 30}"):
        lit_optim.build_callbacks({"x": {"_target_": ModelCheckpoint, "train_time_interval": {"hour": 1}}})


EQUAL = [
    ({"optimizer": {"_target_": A, "lr": "1e-3"}}, {"optimizer": {"_target_": A, "lr": 0.001}}),
    ({"scheduler": {"warmup": "5%"}}, {"scheduler": {"warmup": {"steps": 0.05}}}),
    ({"scheduler": None}, {"scheduler": "none"}),
    ({"param_groups": None}, {"param_groups": "all"}),
]


@pytest.mark.parametrize(("one", "other"), EQUAL, ids=str)
def test_however_it_is_written_the_same_is_the_same(one, other):
    one, other = (canonical_specs(resolve_specs({"optimizer": "sgd", **specs})) for specs in (one, other))
    assert differences(one, other) == []


class Data(L.LightningDataModule):
    def __init__(self, cfg=None):
        super().__init__()
        self.save_hyperparameters()

    def train_dataloader(self):
        from _support.net import loader

        return loader()

    val_dataloader = train_dataloader

    def state_dict(self):
        return {"cfg": OmegaConf.create({"a": 1})}


def test_a_datamodules_hyper_parameters_load_safely_too(tmp_path):
    from _support.net import trainer

    run = trainer(tmp_path, max_epochs=1)
    run.fit(Net(), Data(OmegaConf.create({"a": [1, 2]})))
    run.save_checkpoint(tmp_path / "c.ckpt")
    checkpoint = torch.load(tmp_path / "c.ckpt", weights_only=True)
    assert checkpoint["datamodule_hyper_parameters"] == {"cfg": {"a": [1, 2]}}
    Net.load_from_checkpoint(tmp_path / "c.ckpt", weights_only=True)


@pytest.mark.parametrize(
    "states", [[3], [{}], [{"state": {}, "param_groups": [{"params": list(range(6)), "lr": "abc"}]}]]
)
def test_an_optimizer_state_made_by_hand(tmp_path, states):
    _, run = fit(tmp_path, Net(), max_epochs=1)
    run.save_checkpoint(tmp_path / "c.ckpt")
    checkpoint = torch.load(tmp_path / "c.ckpt", weights_only=True)
    checkpoint["optimizer_states"] = states
    torch.save(checkpoint, tmp_path / "c.ckpt")
    with pytest.raises(ConfigError, match="ckpt_path: "):
        fit(tmp_path, Net(), ckpt_path=tmp_path / "c.ckpt", max_epochs=2)


class NoRepr:
    def __repr__(self):
        raise RuntimeError("no repr")


@pytest.mark.parametrize("key", ["drive", "groups"])
def test_a_tensor_in_place_of_schedules_is_reported_beside_other_errors(key):
    spec = {"main": {"shape": "cosine"}, key: torch.tensor([0.1, 0.2])}
    with pytest.raises(ConfigError, match=f"optimizer='sdg'.*\n.*scheduler.{key}=tensor.*expects Mapping"):
        lit_optim.validate({"optimizer": "sdg", "scheduler": spec})


def test_a_value_without_repr_is_reported_beside_other_errors():
    spec = {"x": {"_target_": "lit_optim.callbacks.Lookahead", "evaluate": NoRepr()}}
    with pytest.raises(ConfigError, match="optimizer='sdg'.*\n.*x.evaluate=<NoRepr>"):
        lit_optim.validate({"optimizer": "sdg", "optim_callbacks": spec})
    with pytest.raises(ConfigError, match="x._target_=<NoRepr>: not a"):
        lit_optim.build_callbacks({"x": {"_target_": NoRepr()}})


@pytest.mark.parametrize(
    ("model", "rule"), [("???", "model: Missing mandatory value"), ("${nope}", "model: Interpolation key 'nope'")]
)
def test_an_unreadable_model_is_reported_beside_other_errors(model, rule):
    with pytest.raises(ConfigError, match=rule) as found:
        lit_optim.validate(OmegaConf.create({"optimizer": "sdg", "model": model}))
    assert "optimizer='sdg'" in str(found.value)


def test_an_optimizer_inside_a_rule_is_a_wrong_value():
    rules = [{"match": {"type": "norm"}, "weight_decay": functools.partial(torch.optim.SGD, lr=0.1)}]
    with pytest.raises(ConfigError, match="weight_decay=functools.partial.*AdamW expects float"):
        lit_optim.validate({"optimizer": "adamw", "param_groups": rules})
