"""Specs that are objects: of frozen dataclasses, attrs, pydantic (its `model_dump` is all that is asked for), OmegaConf."""

import dataclasses
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from omegaconf import OmegaConf

from _support.net import Net, fit, weights
from lit_optim import ConfigError, build_callbacks, build_optimizer, build_scheduler, validate
from lit_optim.checkpoint.stamp import stamp
from lit_optim.config.read.plain_containers import to_plain, to_serializable
from lit_optim.duration import parse


@dataclasses.dataclass(frozen=True)
class Sgd:
    lr: float = 0.5
    momentum: float = 0.9
    _target_: str = "torch.optim.SGD"


@dataclasses.dataclass(frozen=True)
class Slot:
    steps: Any = 4
    shape: str = "linear"


@dataclasses.dataclass(frozen=True)
class Schedule:
    warmup: Any = dataclasses.field(default_factory=Slot)
    main: Any = dataclasses.field(default_factory=lambda: {"shape": "cosine"})


class Model:
    """As pydantic's BaseModel dumps itself: a field `target` has the alias `_target_`."""

    def __init__(self, **fields):
        self.fields = fields

    def model_dump(self, *, by_alias=False):
        return {"_target_" if by_alias and name == "target" else name: value for name, value in self.fields.items()}


@dataclasses.dataclass(frozen=True)
class Specs:
    optimizer: Any = dataclasses.field(default_factory=Sgd)
    scheduler: Any = dataclasses.field(default_factory=Schedule)


class ThirdPartys(torch.optim.SGD):
    def __init__(self, params, lr: float = 0.1, slot: Slot | None = None):
        assert slot is None or isinstance(slot, Slot)
        super().__init__(params, lr=lr)


SGDS = [Sgd(), Model(target="torch.optim.SGD", lr=0.5, momentum=0.9), OmegaConf.structured(Sgd)]


@pytest.mark.parametrize("spec", SGDS, ids=lambda spec: type(spec).__name__)
def test_an_object_is_an_optimizer_spec(spec):
    optimizer = build_optimizer(spec, torch.nn.Linear(2, 2), lr=0.25)
    assert (type(optimizer), optimizer.defaults["lr"], optimizer.defaults["momentum"]) == (torch.optim.SGD, 0.25, 0.9)


@pytest.mark.parametrize("warmup", [Slot(), Model(steps=4, shape="linear"), OmegaConf.structured(Slot)])
def test_a_schedule_and_its_slots_may_be_objects(warmup):
    scheduler = build_scheduler(Schedule(warmup=warmup), build_optimizer("sgd", torch.nn.Linear(2, 2)), total_steps=9)
    assert scheduler.phases[0].stop == 4


def test_objects_of_attrs_are_taken_too():
    attrs = pytest.importorskip("attrs")
    slot = attrs.make_class("Warmup", ["steps", "shape"], frozen=True)(4, "linear")
    assert to_plain({"warmup": slot}) == {"warmup": {"steps": 4, "shape": "linear"}}


def test_callbacks_and_rules_may_be_objects():
    lookahead = Model(target="lit_optim.callbacks.Lookahead", k=7)
    assert build_callbacks({"lookahead": lookahead})[0].k == 7
    rules = Model(rules=[Model(match={"type": ["norm", "bias"]}, weight_decay=0.0, name="plain")])
    optimizer = build_optimizer("adamw", torch.nn.Linear(2, 2), param_groups=rules)
    assert [group["name"] for group in optimizer.param_groups] == ["default", "plain"]


def test_wrong_fields_are_named_as_keys_are():
    with pytest.raises(ConfigError, match=r"optimizer.lr='x': SGD expects float"):
        validate(Specs(optimizer=Sgd(lr="x")))
    with pytest.raises(ConfigError, match=r"model.scheduler.warmup.steps='x'|model.scheduler.warmup='x'"):
        validate({"model": Specs(scheduler=Schedule(warmup=Slot(steps="x")))})


@pytest.mark.parametrize("where", ["hparams", "optim_spec"])
def test_a_run_is_the_same_and_resumes_from_a_checkpoint_of_plain_containers(tmp_path, where):
    def module():
        specs = Specs(optimizer=Sgd(lr=0.01))
        torch.manual_seed(0)
        net = Net(specs.optimizer, specs.scheduler) if where == "hparams" else Net()
        if where == "optim_spec":
            net.optim_spec = specs
        return net

    torch.manual_seed(0)
    expected, _ = fit(tmp_path, Net({**vars(Sgd(lr=0.01))}, {"warmup": 4, "main": {"shape": "cosine"}}))
    whole, _ = fit(
        tmp_path, module(), callbacks=[ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=12, save_top_k=-1)]
    )
    resumed, _ = fit(tmp_path, module(), tmp_path / "step=12.ckpt")
    assert whole.used == expected.used
    assert torch.equal(weights(whole), weights(expected))
    assert torch.equal(weights(resumed), weights(expected))
    saved = torch.load(tmp_path / "step=12.ckpt", weights_only=True)
    plain = {"_target_": "torch.optim.SGD", "lr": 0.01, "momentum": 0.9}
    assert saved["lit_optim"]["spec"]["optimizer"] == plain
    if where == "hparams":
        assert saved["hyper_parameters"]["optimizer"] == plain


def test_hyperparameters_that_are_no_specs_stay_objects_in_a_checkpoint():
    checkpoint = {"hyper_parameters": {"optimizer": Sgd(), "model": Slot()}}
    stamp(checkpoint, {"optimizer": Sgd()}, [])
    assert checkpoint["hyper_parameters"] == {"optimizer": vars(Sgd()), "model": Slot()}


def test_arguments_of_a_third_partys_class_stay_objects_and_are_saved_as_specs():
    path = f"{__name__}.ThirdPartys"
    spec = {"_target_": path, "slot": Slot(steps=2)}
    assert to_plain(spec) == spec
    build_optimizer(spec, torch.nn.Linear(2, 2))
    saved = to_serializable({"optimizer": spec})["optimizer"]
    assert saved == {"_target_": path, "slot": {"_target_": f"{__name__}.Slot", "steps": 2, "shape": "linear"}}
    build_optimizer(saved, torch.nn.Linear(2, 2))


def test_what_is_no_settings_stays():
    duration, partial = parse("5%"), dataclasses.make_dataclass("F", ["a"], namespace={"__call__": lambda self: 1})(2)
    assert to_plain([duration, Slot, partial]) == [duration, Slot, partial]
