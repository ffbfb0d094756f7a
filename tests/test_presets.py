"""Contract of every preset, read from the files: a new one is tested without touching a test."""

import itertools

import pytest
import torch
from hydra import compose, initialize_config_module
from hydra.utils import get_class, instantiate
from omegaconf import OmegaConf

import lit_optim
import lit_optim.schedules
from conftest import CONF, OPTIMIZERS, SCHEDULERS, preset_names
from lit_optim.config import presets
from lit_optim.config.capabilities import WORDS, capabilities, table

ALL = [
    (group, name)
    for group in ("optimizer", "scheduler", "param_groups", "optim_callbacks")
    for name in preset_names(group)
]


class Problem(torch.nn.Module):
    """A small regression whose parameters are the kind that an optimizer's capability entry names."""

    def __init__(self, name):
        super().__init__()
        needs = capabilities(name)
        self.sparse = needs.sparse
        if needs.sparse:
            self.layer = torch.nn.Embedding(6, 3, sparse=True)
        elif needs.two_d:
            self.layer = torch.nn.Linear(4, 3, bias=False)
        else:
            self.layer = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.LayerNorm(3), torch.nn.Linear(3, 3))

    def loss(self):
        generator = torch.Generator().manual_seed(3)
        x = torch.arange(6) if self.sparse else torch.randn(6, 4, generator=generator)
        return (self.layer(x) - torch.randn(6, 3, generator=generator)).square().mean()

    def step(self, optimizer):
        def closure():
            optimizer.zero_grad()
            loss = self.loss()
            loss.backward()
            return loss

        return optimizer.step(closure).item()


def weights(problem):
    return torch.cat([p.detach().flatten() for p in problem.parameters()])


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

    check(presets.load(group, name))
    if group in ("optimizer", "scheduler"):
        assert "# source: " in text


@pytest.mark.parametrize(("group", "name"), ALL)
def test_our_reader_and_hydra_compose_the_same(group, name):
    with initialize_config_module("lit_optim.conf", version_base="1.3"):
        for package in ("", "@model.x"):
            composed = OmegaConf.to_container(compose(overrides=[f"+{group}{package}={name}"]), resolve=True)
            value = composed.get("model", {}).get("x", {}) if package else composed.get(group, {})
            assert value == presets.load(group, name)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_validates_and_lowers_the_loss(name):
    lit_optim.validate({"optimizer": name})
    problem = Problem(name)
    optimizer = lit_optim.build_optimizer(name, problem)
    before = problem.loss().item()
    for _ in range(5):
        problem.step(optimizer)
    assert problem.loss().item() < before


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_is_what_plain_hydra_builds(name):
    cfg = OmegaConf.create(presets.load("optimizer", name))
    ours, theirs = Problem(name), Problem(name)
    theirs.load_state_dict(ours.state_dict())
    optimizers = lit_optim.build_optimizer(cfg, ours), instantiate(cfg)(theirs.parameters())
    for _ in range(3):
        ours.step(optimizers[0])
        theirs.step(optimizers[1])
    torch.testing.assert_close(weights(ours), weights(theirs), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_continues_bit_for_bit_from_a_checkpoint_that_loads_safely(name, tmp_path):
    ours, again = Problem(name), Problem(name)
    first, second = lit_optim.build_optimizer(name, ours), lit_optim.build_optimizer(name, again)
    for _ in range(3):
        ours.step(first)
    torch.save((ours.state_dict(), first.state_dict()), tmp_path / "c.pt")
    module_state, optimizer_state = torch.load(tmp_path / "c.pt", weights_only=True)
    again.load_state_dict(module_state)
    second.load_state_dict(optimizer_state)
    for _ in range(3):
        ours.step(first)
        again.step(second)
    assert torch.equal(weights(ours), weights(again))


@pytest.mark.parametrize(("name", "scheduler"), list(itertools.product(OPTIMIZERS, SCHEDULERS)))
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
    preset = presets.load("scheduler", name)
    assert all(isinstance(preset[slot], dict) for slot in ("warmup", "main", "cooldown"))
    assert preset["warmup"]["steps"] == ("5%" if name.startswith("warmup_") else 0)


def test_every_shape_has_a_preset_and_one_with_warmup():
    shapes = lit_optim.schedules.shape_names()
    assert {*shapes, *(f"warmup_{shape}" for shape in shapes)} <= set(SCHEDULERS)


def test_every_optimizer_of_torch_has_a_preset():
    ours = {presets.load("optimizer", name)["_target_"] for name in OPTIMIZERS}
    theirs = {
        f"torch.optim.{name}"
        for name, value in vars(torch.optim).items()
        if isinstance(value, type) and issubclass(value, torch.optim.Optimizer) and value is not torch.optim.Optimizer
    }
    assert theirs <= ours


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_capability_entry_is_true(name):
    """Each need is shown by taking it away; no need is shown by training what would break it."""
    entry = table()[name]
    cls = get_class(presets.load("optimizer", name)["_target_"])
    options = {k: v for k, v in presets.load("optimizer", name).items() if not k.startswith("_")}

    def fails(params, grads, *, closure=None):
        params = [torch.nn.Parameter(p) for p in params]
        try:
            optimizer = cls([{"params": [p]} for p in params] if entry_groups else params, **options)
            for p, g in zip(params, grads, strict=True):
                p.grad = g
            optimizer.step(closure) if closure else optimizer.step()
        except (ValueError, RuntimeError, TypeError):
            return True
        return False

    matrix, dense = torch.ones(2, 2), torch.ones(2, 2)
    entry_groups = False
    closure = (lambda: torch.tensor(0.0)) if entry.closure else None
    assert fails([matrix], [dense]) == (entry.closure or entry.sparse)
    if entry.sparse:
        assert not fails([matrix], [dense.to_sparse()])
        return
    assert fails([torch.ones(2)], [torch.ones(2)], closure=closure) == entry.two_d
    entry_groups = True
    assert fails([matrix, matrix], [dense, dense], closure=closure) == entry.one_group


def test_a_schedule_has_an_effect_unless_the_table_says_no():
    for name in OPTIMIZERS:
        ends = []
        for factor in (1.0, 0.5):
            torch.manual_seed(0)
            problem = Problem(name)
            optimizer = lit_optim.build_optimizer(name, problem)
            problem.step(optimizer)
            for group in optimizer.param_groups:
                group["lr"] *= factor
            problem.step(optimizer)
            problem.step(optimizer)  # ASGD takes a new lr one step late
            ends.append(weights(problem))
        assert torch.equal(*ends) == capabilities(name).no_schedule, name


def test_needs_are_from_the_vocabulary():
    for name in OPTIMIZERS:
        assert set(presets.needs("optimizer", name)) <= set(WORDS)
