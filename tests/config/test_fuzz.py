"""Any spec is either built, and steps, or refused by a ConfigError; never another exception."""

import inspect
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

import lit_optim
from conftest import OPTIMIZERS, SCHEDULERS
from lit_optim import ConfigError
from lit_optim.config.capabilities import capabilities
from lit_optim.config.checks.locate import locate
from lit_optim.config.read.presets import load_preset
from lit_optim.schedules import shape_names

TORCH = torch.optim.lr_scheduler
ENDLESS = 2  # steps that a fuzzed optimizer takes
SHAPES = [*shape_names(), "cosin", "os.system", "torch.optim.SGD", ""]
DURATIONS = [0, 1, 3, 0.5, "5%", "2ep", "100%", "1.5ep", "-1", "1e3", 1.5, True, "nan%", 10**30]

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6), st.sampled_from([10**400, -(10**400), 1e308, 5e-324, b"x", 1j]),
    st.sampled_from(["1e-3", "1e400", "nan", "-inf", "true", "None", "é", "\u202e", "0x10", "1_000", " 1 ", "\uff11"]),
    st.floats(0, 1), st.integers(0, 10),
)  # fmt: skip
targets = st.sampled_from(["torch.optim.SGD", "torch.optim.Adam", "os.system", "torch", "", "a.b", "..", None, 3, torch.optim.SGD, len, "lit_optim.ScheduleLR"])  # fmt: skip
objects = st.sampled_from([torch.tensor(0.1), torch.tensor([0.1, 0.2]), torch.tensor(float("nan")), object(), len, torch.optim.SGD, lambda step: 1.0, {1, 2}, range(3)])  # fmt: skip
keys = st.one_of(st.text(max_size=4), st.sampled_from(["_target_", "lr", "rules", "match", "type", "steps", "shape"]))
values = st.recursive(
    st.one_of(scalars, objects),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.tuples(inner, inner), st.dictionaries(st.one_of(keys, st.none(), st.integers()), inner, max_size=3),
        st.fixed_dictionaries({"_target_": targets}, optional={"lr": inner}),
    ),
    max_leaves=5,
)  # fmt: skip


def quiet(function):
    """Call a function without its warnings: classes have many about the unlikely values of this test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function()


def built_and_stepped(build, after=lambda optimizer: None):
    def run():
        layer = torch.nn.Linear(2, 2, bias=False)
        try:
            optimizer = build(layer)
        except ConfigError:
            return

        def closure():
            optimizer.zero_grad()
            loss = layer(torch.ones(1, 2)).square().sum()
            loss.backward()
            return loss

        if hasattr(optimizer, "train"):
            optimizer.train()
        for _ in range(ENDLESS):
            optimizer.step(closure)
        after(optimizer)

    quiet(run)


@pytest.mark.parametrize(
    "name", [name for name in OPTIMIZERS if not (capabilities(name).sparse or capabilities(name).second_order)]
)
@settings(max_examples=40)
@given(data=st.data())
def test_optimizers(name, data):
    spec = load_preset("optimizer", name)
    cls = locate(spec["_target_"], torch.optim.Optimizer, "optimizer")
    own = [key for key in inspect.signature(cls).parameters if key != "params"]
    spec.update(data.draw(st.dictionaries(st.one_of(st.sampled_from(own), keys), values, max_size=3)))
    built_and_stepped(lambda layer: lit_optim.build_optimizer(spec, layer))


@settings(max_examples=150)
@given(values, st.dictionaries(st.sampled_from(["lr", "momentum", "x"]), values, max_size=2))
def test_whatever_is_given_as_an_optimizer(spec, overrides):
    built_and_stepped(lambda layer: lit_optim.build_optimizer(spec, layer, **overrides))


slots = st.one_of(
    values, st.sampled_from(DURATIONS),
    st.dictionaries(
        st.sampled_from(["steps", "end_factor", "start_factor", "min_lr", "gamma", "step_size", "milestones", "power", "patience", "factor", "x"]),
        st.one_of(values, st.sampled_from(DURATIONS), st.floats(0, 1)), max_size=3,
    ).flatmap(lambda slot: st.sampled_from(SHAPES).map(lambda shape: {**slot, "shape": shape})),
)  # fmt: skip
schedule_keys = st.sampled_from(["warmup", "main", "cooldown", "mode", "monitor", "interval", "total_steps", "warmup_steps", "warmup_ratio", "min_lr", "frequency", "name", "x"])  # fmt: skip


@settings(max_examples=300)
@given(st.dictionaries(schedule_keys, slots, max_size=4), st.sampled_from([None, 1, 10]), st.sampled_from([None, 1, 3]))
def test_schedules(arguments, total_steps, steps_per_epoch):
    def run():
        optimizer = torch.optim.SGD([torch.ones(2)], lr=0.1)
        try:
            scheduler = lit_optim.build_scheduler(arguments, optimizer, total_steps=total_steps, steps_per_epoch=steps_per_epoch)  # fmt: skip
        except ConfigError:
            return
        for i in range(13):
            optimizer.step()
            scheduler.step()
            if scheduler.state_dict().get("plateau"):
                scheduler.step_metric(float(i))
            assert torch.isfinite(torch.tensor(optimizer.param_groups[0]["lr"]))

    quiet(run)


@pytest.mark.parametrize("name", ["StepLR", "CosineAnnealingLR", "OneCycleLR", "CyclicLR", "MultiStepLR", "LambdaLR", "ReduceLROnPlateau", "PolynomialLR", "ChainedScheduler", "SequentialLR"])  # fmt: skip
@settings(max_examples=40)
@given(data=st.data())
def test_schedulers_of_torch(name, data):
    own = [key for key in inspect.signature(getattr(TORCH, name)).parameters if key != "optimizer"]
    arguments = data.draw(st.dictionaries(st.sampled_from([*own, "interval", "frequency", "monitor"]), values, max_size=4))  # fmt: skip

    def run():
        optimizer = torch.optim.SGD([torch.ones(2)], lr=0.1, momentum=0.9)
        try:
            lit_optim.build_scheduler({"_target_": f"torch.optim.lr_scheduler.{name}", **arguments}, optimizer)
        except ConfigError:
            return
        optimizer.step()

    quiet(run)


rules = st.one_of(values, st.lists(st.fixed_dictionaries({"match": values}, optional={"lr": values, "name": values}), max_size=2),
                  st.lists(st.fixed_dictionaries({"match": st.fixed_dictionaries({"type": values})}, optional={"lr": values, "weight_decay": values}), max_size=2))  # fmt: skip


@settings(max_examples=150)
@given(st.one_of(rules, st.fixed_dictionaries({"rules": rules})))
def test_param_groups(spec):
    built_and_stepped(lambda layer: lit_optim.build_optimizer("adamw", layer, param_groups=spec))


@settings(max_examples=150)
@given(values)
def test_callbacks(spec):
    def run():
        try:
            lit_optim.build_callbacks(spec)
        except ConfigError:
            return

    quiet(run)


@settings(max_examples=300)
@given(st.one_of(values, st.dictionaries(st.sampled_from(["optimizer", "scheduler", "param_groups", "optim_callbacks", "model"]),
       st.one_of(values, st.sampled_from([*OPTIMIZERS, *SCHEDULERS, "no_decay", "schedule_report"])), max_size=4)))  # fmt: skip
def test_whole_configurations(cfg):
    def run():
        for form in (cfg, as_config(cfg)):
            try:
                lit_optim.validate(form)
            except ConfigError:
                continue

    quiet(run)


def as_config(cfg):
    try:
        return OmegaConf.create(cfg)
    except Exception:  # what OmegaConf cannot hold
        return {}


@settings(max_examples=100)
@given(st.text(max_size=8), st.sampled_from(["optimizer", "scheduler", "param_groups", "optim_callbacks"]))
def test_names(text, group):
    with pytest.raises(ConfigError):
        lit_optim.validate({group: f"{text}.{text}x"})
