"""Contract of every preset, read from the files: a new one is tested without touching a test."""

import pytest
import torch
from hydra import compose, initialize_config_module
from hydra.utils import instantiate
from omegaconf import OmegaConf

import lit_optim
import lit_optim.schedules
from _support.problem import Problem, weights
from conftest import CONF, OPTIMIZERS, SCHEDULERS, STEPPED, preset_names
from lit_optim.config.capabilities import WORDS, capabilities
from lit_optim.config.read import presets
from lit_optim.versions import is_need

ALL = [
    (group, name)
    for group in ("optimizer", "scheduler", "param_groups", "optim_callbacks")
    for name in preset_names(group)
]


@pytest.mark.parametrize(("group", "name"), ALL)
def test_first_line_describes_and_values_are_plain(group, name):
    text = (CONF / group / f"{name}.yaml").read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert 10 < len(lit_optim.presets(group)[name]) <= 120
    assert "${" not in text or "${.." in text, "only relative interpolations work wherever a group is mounted"

    def check(value):
        assert value is not None, "a null key could not be removed on the command line"
        for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
            check(item)

    check(presets.load_preset(group, name))
    if group in ("optimizer", "scheduler"):
        assert "# source: " in text


@pytest.mark.parametrize(("group", "name"), ALL)
def test_our_reader_and_hydra_compose_the_same(group, name):
    with initialize_config_module("lit_optim.conf", version_base="1.3"):
        for package in ("", "@model.x"):
            composed = OmegaConf.to_container(compose(overrides=[f"+{group}{package}={name}"]), resolve=True)
            value = composed.get("model", {}).get("x", {}) if package else composed.get(group, {})
            assert value == presets.load_preset(group, name)


@pytest.mark.parametrize("name", STEPPED)
def test_optimizer_validates_and_lowers_the_loss(name):
    lit_optim.validate({"optimizer": name})
    problem = Problem(name)
    optimizer = lit_optim.build_optimizer(name, problem)
    before = problem.loss().item()
    for _ in range(10):  # some only measure the gradient in their first steps
        problem.step(optimizer)
    assert problem.loss().item() < before


@pytest.mark.parametrize("name", STEPPED)
def test_optimizer_is_what_plain_hydra_builds(name):
    cfg = OmegaConf.create(presets.load_preset("optimizer", name))
    ours, theirs = Problem(name), Problem(name)
    theirs.load_state_dict(ours.state_dict())
    params = theirs if capabilities(name).hidden_matrices else theirs.parameters()
    optimizers = lit_optim.build_optimizer(cfg, ours), instantiate(cfg)(params)
    for step in range(8):
        torch.manual_seed(step)  # some draw random numbers
        ours.step(optimizers[0])
        torch.manual_seed(step)
        theirs.step(optimizers[1])
    torch.testing.assert_close(weights(ours), weights(theirs), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize(
    "name", [n for n, name in zip(STEPPED, OPTIMIZERS, strict=True) if not capabilities(name).no_schedule]
)
def test_every_optimizer_takes_every_schedule(name, scheduler):
    problem = Problem(name)
    optimizer = lit_optim.build_optimizer(
        name, problem, param_groups="no_decay" if not capabilities(name).sparse else None
    )
    schedule = lit_optim.build_scheduler(scheduler, optimizer, total_steps=40)
    before = weights(problem).clone()
    bases = [group["initial_lr"] for group in optimizer.param_groups]
    for step in range(3):
        for group, base in zip(optimizer.param_groups, bases, strict=True):
            assert group["lr"] == pytest.approx(base * schedule.factor(step), rel=1e-12)
        problem.step(optimizer)
        schedule.step()
    assert not torch.equal(weights(problem), before)
    assert torch.isfinite(weights(problem)).all()


@pytest.mark.parametrize("name", SCHEDULERS)
def test_scheduler_holds_all_three_slots_in_dict_form(name):
    preset = presets.load_preset("scheduler", name)
    assert all(isinstance(preset[slot], dict) for slot in ("warmup", "main", "cooldown"))
    assert preset["warmup"]["steps"] == ("5%" if name.startswith("warmup_") else 0)


def test_every_shape_has_a_preset_and_one_with_warmup():
    shapes = lit_optim.schedules.shape_names()
    assert {*shapes, *(f"warmup_{shape}" for shape in shapes)} <= set(SCHEDULERS)


def test_every_optimizer_of_torch_has_a_preset():
    ours = {presets.load_preset("optimizer", name)["_target_"] for name in OPTIMIZERS}
    theirs = {
        f"torch.optim.{name}"
        for name, value in vars(torch.optim).items()
        if isinstance(value, type) and issubclass(value, torch.optim.Optimizer) and value is not torch.optim.Optimizer
    }
    assert theirs <= ours


def test_needs_are_from_the_vocabulary():
    for name in preset_names("optimizer"):
        assert {need for need in presets.preset_needs("optimizer", name) if not is_need(need)} <= set(WORDS)
