"""Other hyper-parameters and single groups that follow schedules, chains of phases, noise."""

import copy
import math
import pickle

import pytest
import torch
from torch.optim.lr_scheduler import CyclicLR, OneCycleLR

import lit_optim
from lit_optim import ConfigError, ScheduleLR

TOTAL = 20


def adamw(**options):
    groups = [
        {"params": [torch.nn.Parameter(torch.ones(2))], "name": "body"},
        {"params": [torch.nn.Parameter(torch.ones(2))], "name": "head", "lr": 0.01, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, **{"lr": 0.1, "weight_decay": 0.04, **options})


def sgd(momentum=0.9):
    return torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.1, momentum=momentum)


def run(optimizer, scheduler, steps, read):
    seen = []
    for _ in range(steps):
        seen.append(read(optimizer))
        optimizer.step()
        scheduler.step()
    return seen


def curve(optimizer, read, steps=TOTAL, total_steps=TOTAL, **options):
    return run(optimizer, ScheduleLR(optimizer, total_steps=total_steps, **options), steps, read)


def test_weight_decay_between_absolute_values():
    """DINO's: a cosine from .04 to .4; a group without decay keeps none."""
    drive = {"weight_decay": {"main": {"shape": "cosine"}, "values": [0.04, 0.4]}}
    both = curve(adamw(), lambda o: [g["weight_decay"] for g in o.param_groups], drive=drive)
    for step, (body, head) in enumerate(both):
        assert body == pytest.approx(0.4 - 0.36 * (1 + math.cos(math.pi * step / TOTAL)) / 2, rel=1e-12)
        assert head == 0.0


def test_values_may_stand_in_main_and_warm_up():
    drive = {"weight_decay": {"warmup": 4, "main": {"shape": "linear", "values": [0.2, 0.1]}}}
    body = curve(adamw(), lambda o: o.param_groups[0]["weight_decay"], drive=drive)
    assert body[:5] == pytest.approx([0.125, 0.15, 0.175, 0.2, 0.2])
    assert body[12] == pytest.approx(0.15)


def test_without_values_groups_keep_their_ratios():
    optimizer = adamw(betas=(0.8, 0.99))
    optimizer.param_groups[1]["betas"] = (0.4, 0.99)
    drive = {"betas[0]": {"main": {"shape": "linear", "end_factor": 0.5}}}
    both = curve(optimizer, lambda o: [g["betas"] for g in o.param_groups], drive=drive)
    assert both[0] == [(0.8, 0.99), (0.4, 0.99)]
    assert both[10] == [(pytest.approx(0.6), 0.99), (pytest.approx(0.3), 0.99)]


def test_a_key_whose_default_is_0_takes_absolute_values():
    optimizer = sgd()
    drive = {"weight_decay": {"main": {"shape": "linear"}, "values": [0.1, 0.3]}}
    seen = curve(optimizer, lambda o: o.param_groups[0]["weight_decay"], drive=drive)
    assert seen[0] == pytest.approx(0.1)
    assert seen[10] == pytest.approx(0.2)


@pytest.mark.parametrize("three_phase", [False, True])
@pytest.mark.parametrize("anneal", ["cos", "linear"])
def test_one_cycle_with_momentum_is_torchs(three_phase, anneal):
    theirs = sgd()
    reference = OneCycleLR(theirs, 0.1, total_steps=50, three_phase=three_phase, anneal_strategy=anneal)
    shape = {"shape": "one_cycle", "three_phase": three_phase, "anneal_strategy": anneal}
    ours = sgd()
    drive = {"momentum": {"main": {**shape, "start_factor": 0.0, "end_factor": 0.0}, "values": [0.85, 0.95]}}
    scheduler = ScheduleLR(ours, main=shape, total_steps=50, drive=drive)
    for step in range(50):
        assert ours.param_groups[0]["lr"] == pytest.approx(theirs.param_groups[0]["lr"], rel=1e-12), step
        assert ours.param_groups[0]["momentum"] == pytest.approx(theirs.param_groups[0]["momentum"], rel=1e-12), step
        for optimizer in (ours, theirs):
            optimizer.step()
        scheduler.step()
        if step < 49:
            reference.step()


@pytest.mark.parametrize("build", [OneCycleLR, CyclicLR])
def test_the_first_beta_is_cycled_as_by_torch(build):
    theirs, ours = adamw(), adamw()
    theirs.param_groups[1]["lr"] = ours.param_groups[1]["lr"] = 0.1
    if build is OneCycleLR:
        reference = OneCycleLR(theirs, 0.1, total_steps=50)
        main, own, low, high = {"shape": "one_cycle"}, {"start_factor": 0.0, "end_factor": 0.0}, 0.85, 0.95
    else:
        reference = CyclicLR(theirs, 0.01, 0.1, 7, 4)
        main = {"shape": "triangular", "step_size_up": 7, "step_size_down": 4, "base_factor": 0.1}
        own, low, high = {"base_factor": 0.0}, 0.8, 0.9
    drive = {"momentum": {"main": {**main, **own}, "values": [low, high]}}
    scheduler = ScheduleLR(ours, main=main, total_steps=50, drive=drive)
    for step in range(50):
        for mine, torchs in zip(ours.param_groups, theirs.param_groups, strict=True):
            assert [mine["lr"], *mine["betas"]] == pytest.approx([torchs["lr"], *torchs["betas"]], rel=1e-12), step
        for optimizer in (ours, theirs):
            optimizer.step()
        scheduler.step()
        if step < 49:
            reference.step()


@pytest.mark.parametrize("mode", ["triangular", "triangular2", "exp_range"])
def test_cyclic_with_momentum_is_torchs(mode):
    theirs, ours = sgd(), sgd()
    gamma = {"gamma": 0.99} if mode == "exp_range" else {}
    reference = CyclicLR(theirs, 0.01, 0.1, 7, 4, mode=mode, **gamma)
    shape = {"shape": mode, "step_size_up": 7, "step_size_down": 4, **gamma}
    drive = {"momentum": {"main": {**shape, "base_factor": 0.0}, "values": [0.8, 0.9]}}
    scheduler = ScheduleLR(ours, main={**shape, "base_factor": 0.1}, drive=drive)
    for step in range(60):
        for key in ("lr", "momentum"):
            assert ours.param_groups[0][key] == pytest.approx(theirs.param_groups[0][key], rel=1e-12), (key, step)
        for optimizer in (ours, theirs):
            optimizer.step()
        scheduler.step()
        reference.step()


def test_momentum_is_the_first_beta_where_there_is_none():
    seen = curve(adamw(), lambda o: o.param_groups[0]["betas"], drive={"momentum": {"main": {"shape": "linear"}}})
    assert seen[10] == (pytest.approx(0.45), 0.999)


def test_groups_with_schedules_of_their_own():
    groups = {
        "head": {"main": {"shape": "constant"}, "drive": {"betas[1]": {"main": {"shape": "linear", "end_factor": 0.5}}}}
    }
    optimizer = adamw()
    scheduler = ScheduleLR(optimizer, warmup=4, main={"shape": "cosine"}, total_steps=TOTAL, groups=groups)
    seen = run(optimizer, scheduler, TOTAL, lambda o: [(g["lr"], g["betas"][1]) for g in o.param_groups])
    assert [head for _, (head, _) in seen] == [0.01] * TOTAL
    assert [body for (body, _), _ in seen[:4]] == pytest.approx([0.025, 0.05, 0.075, 0.1])
    assert seen[12][0] == (pytest.approx(0.05), 0.999)
    assert seen[10][1][1] == pytest.approx(0.999 * 0.75)


def test_a_group_may_have_a_presets_schedule():
    scheduler = lit_optim.build_scheduler("cosine", adamw(), total_steps=TOTAL, groups={"head": "constant"})
    scheduler.step(10)
    assert [g["lr"] for g in scheduler.optimizer.param_groups] == [pytest.approx(0.05), 0.01]


PHASES = {
    "decay": {"shape": "cosine", "end_factor": 0.1},
    "hold": {"steps": 5, "shape": "constant"},
    "warmup": {"steps": "20%"},
    "tail": {"steps": 4, "shape": "linear"},
}


def test_a_chain_of_phases_in_its_order():
    scheduler = ScheduleLR(sgd(), phases=PHASES, order=["warmup", "hold", "decay", "tail"], total_steps=TOTAL)
    assert [(p.name, p.start, p.stop) for p in scheduler.phases] == [
        ("warmup", 0, 4), ("hold", 4, 9), ("decay", 9, 16), ("tail", 16, 20)
    ]  # fmt: skip
    factors = [scheduler.factor(t) for t in range(23)]
    assert factors[:10] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    assert factors[15] == pytest.approx(0.1 + 0.9 * (1 + math.cos(math.pi * 6 / 7)) / 2)
    assert factors[16:] == pytest.approx([0.1, 0.075, 0.05, 0.025, 0.0, 0.0, 0.0]), (
        "it goes on where the one before ends"
    )


def test_a_shape_that_begins_at_1_by_itself_goes_on_from_the_phase_before():
    phases = {
        "down": {"steps": 4, "shape": "linear", "end_factor": 0.5},
        "stairs": {"shape": "step", "step_size": 2, "gamma": 0.5},
    }
    scheduler = ScheduleLR(sgd(), phases=phases, order=["down", "stairs"])
    assert [scheduler.factor(t) for t in (0, 4, 5, 6, 8)] == [1.0, 0.5, 0.5, 0.25, 0.125]


def test_several_plateaus_each_in_its_phase():
    plateau = {"shape": "plateau", "patience": 0, "factor": 0.5}
    phases = {"one": {"steps": 3, **plateau}, "hold": {"steps": 2, "shape": "constant"}, "two": plateau}
    optimizer = sgd()
    scheduler = ScheduleLR(optimizer, phases=phases, order=["one", "hold", "two"], monitor="loss")
    seen = []
    for _ in range(9):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step_metric(1.0)
        scheduler.step()
    # the first value of each plateau is its best one; every further one halves; values in `hold` do not count
    assert seen == pytest.approx([0.1, 0.1, 0.05, 0.025, 0.025, 0.025, 0.025, 0.0125, 0.00625])
    again = ScheduleLR(sgd(), phases=phases, order=["one", "hold", "two"], monitor="loss")
    again.load_state_dict(scheduler.state_dict())
    assert again.state_dict() == scheduler.state_dict()
    assert again.get_last_lr() == scheduler.get_last_lr()


def test_a_plateau_between_absolute_values_goes_to_the_one_at_factor_0():
    drive = {"weight_decay": {"main": {"shape": "plateau", "factor": 0.5, "patience": 0}, "values": [0.04, 0.4]}}
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1, weight_decay=0.1)
    scheduler = ScheduleLR(optimizer, drive=drive, monitor="loss")
    for expected in (0.04, 0.22, 0.31, 0.355):
        scheduler.step_metric(1.0)
        scheduler.step()
        assert optimizer.param_groups[0]["weight_decay"] == pytest.approx(expected, rel=1e-12)


def test_noise_is_the_same_wherever_it_is_drawn():
    one, other = (
        ScheduleLR(sgd(), main={"shape": "constant"}, noise={"std": 0.2, "limit": 0.4, "seed": 3}) for _ in range(2)
    )
    factors = [one.factor(t) for t in range(500)]
    assert factors == [other.factor(t) for t in range(500)]
    assert all(0.6 < factor < 1.4 for factor in factors)
    assert len(set(factors)) == 500
    mean = sum(factors) / 500
    assert abs(mean - 1) < 0.04
    assert 0.1 < (sum((f - mean) ** 2 for f in factors) / 500) ** 0.5 < 0.2


EVERYTHING = dict(
    warmup=3, main={"shape": "cosine"}, total_steps=TOTAL, noise={"std": 0.1, "limit": 0.2},
    drive={"weight_decay": {"main": {"shape": "cosine"}, "values": [0.04, 0.4]}, "betas[0]": {"main": {"shape": "linear"}}},
    groups={"head": {"main": {"shape": "exponential", "gamma": 0.9}}},
)  # fmt: skip


def values(optimizer):
    return [(g["lr"], g["weight_decay"], g["betas"]) for g in optimizer.param_groups]


@pytest.mark.parametrize("at", [0, 1, 3, 10, 19, 25])
@pytest.mark.parametrize("optimizer_first", [True, False])
def test_a_resume_at_any_step_is_exact(at, optimizer_first):
    whole = adamw()
    scheduler = ScheduleLR(whole, **EVERYTHING)
    run(whole, scheduler, at, values)
    saved = pickle.loads(pickle.dumps((whole.state_dict(), scheduler.state_dict())))
    fresh = adamw()
    restored = ScheduleLR(fresh, **EVERYTHING)
    if optimizer_first:
        fresh.load_state_dict(saved[0])
        restored.load_state_dict(saved[1])
    else:
        restored.load_state_dict(saved[1])
        fresh.load_state_dict(saved[0])
    assert run(fresh, restored, 8, values) == run(whole, scheduler, 8, values)


def test_the_state_is_counters_only():
    state = ScheduleLR(adamw(), **EVERYTHING).state_dict()
    assert set(state) == {"last_epoch", "factor", "lanes"}
    assert {k: set(v) for k, v in state["lanes"].items()} == {"weight_decay": {"factor"}, "betas[0]": {"factor"}, "lr@head": {"factor"}}  # fmt: skip


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_copies_go_on_alike(copied):
    optimizer = adamw()
    scheduler = ScheduleLR(optimizer, **EVERYTHING)
    run(optimizer, scheduler, 5, values)
    twin, its = copied((optimizer, scheduler))
    assert run(twin, its, 5, values) == run(optimizer, scheduler, 5, values)


def test_a_foreign_value_of_a_driven_key_wins():
    optimizer = adamw()
    scheduler = ScheduleLR(
        optimizer, total_steps=TOTAL, drive={"weight_decay": {"main": {"shape": "linear", "end_factor": 0.5}}}
    )
    scheduler.step(10)
    optimizer.param_groups[0]["weight_decay"] = 0.3  # the schedule stands at 0.75
    scheduler.step()
    assert optimizer.param_groups[0]["weight_decay"] == pytest.approx(0.3 / 0.75 * 0.725)


def test_a_group_that_is_added_later_follows():
    optimizer = adamw()
    scheduler = ScheduleLR(optimizer, total_steps=TOTAL, drive={"weight_decay": {"main": {"shape": "linear"}}})
    scheduler.step(10)
    optimizer.add_param_group({"params": [torch.nn.Parameter(torch.ones(1))], "name": "late"})
    scheduler.step()
    assert optimizer.param_groups[2]["weight_decay"] == pytest.approx(0.04 * 0.45)
    assert optimizer.param_groups[2]["lr"] == pytest.approx(0.1)


WRONG = [
    ({"drive": {"momentun": {"main": {"shape": "linear"}}}}, "scheduler.drive.momentun: AdamW has no number 'momentun' in its param groups"),
    ({"drive": {"betas": {"main": {"shape": "linear"}}}}, "did you mean 'betas[0]'?"),
    ({"drive": {"betas[7]": {}}}, "scheduler.drive.betas[7]: AdamW has no number"),
    ({"drive": {"amsgrad": {}}}, "scheduler.drive.amsgrad: AdamW has no number 'amsgrad'"),
    ({"drive": {"lr": {}}}, "scheduler.drive.lr: the lr has the scheduler's own slots"),
    ({"drive": {"weight_decay": 3}}, "scheduler.drive.weight_decay=3: expects slots"),
    ({"drive": {"weight_decay": {"mian": {}}}}, "scheduler.drive.weight_decay.mian={}: no such key; did you mean 'main'?"),
    ({"drive": {"weight_decay": {"values": [1]}}}, "scheduler.drive.weight_decay.values=[1]: expects two numbers"),
    ({"drive": {"weight_decay": {"main": {"shape": "cosin"}}}}, "scheduler.drive.weight_decay.main.shape='cosin': no shape of that name; did you mean 'cosine'?"),
    ({"drive": {"momentum": {}, "betas[0]": {}}}, "scheduler.drive.betas[0]: the same value as momentum, which has a schedule already; remove one of them"),
    ({"drive": {"betas[0]": {}, "momentum": {}}}, "scheduler.drive.momentum: the same value as betas[0], which has a schedule already"),
    ({"groups": {"head": {"drive": {"momentum": {}, "betas[0]": {}}}}}, "scheduler.groups.head.drive.betas[0]: the same value as momentum"),
    ({"groups": {"haed": {"main": {"shape": "constant"}}}}, "scheduler.groups.haed: no group of that name; did you mean 'head'?"),
    ({"groups": {"head": 3}}, "scheduler.groups.head=3: expects a preset's name or slots"),
    ({"groups": {"head": "cosin"}}, "scheduler.groups.head='cosin': no preset of that name; did you mean 'cosine'?"),
    ({"phases": PHASES}, "scheduler.order=None: write the order of the phases: [decay, hold, warmup, tail]"),
    ({"phases": PHASES, "order": ["warmup", "hold"]}, "must name each of decay, hold, warmup, tail once"),
    ({"phases": PHASES, "order": ["warmup", "hold", "decay", "tial"]}, "scheduler.order='tial': no such phase; did you mean 'tail'?"),
    ({"phases": {"a": {}, "b": {}}, "order": ["a", "b"]}, "scheduler.phases.b.steps: only one phase can take what is left, and a does"),
    ({"phases": {"a": {"steps": -1}}, "order": ["a"]}, "scheduler.phases.a.steps=-1: a duration cannot be negative"),
    ({"phases": {"a": {"steps": 30}}, "order": ["a"]}, "scheduler.phases.a.steps=30: longer than the run, which has 20 optimizer steps"),
    ({"main": {"shape": "linear", "steps": 0}}, "scheduler: none of its phases has any steps; leave scheduler.main.steps out"),
    ({"main": {"shape": "triangular", "step_size_up": 3, "min_lr": 0.5, "max_lr": 0.4}}, "scheduler.main.min_lr=0.5: must be an absolute lr between 0 and max_lr=0.4"),
    ({"phases": {"a": {"steps": 0}}, "order": ["a"]}, "scheduler: none of its phases has any steps; leave scheduler.phases.a.steps out, or write a length"),
    ({"phases": {"a": {}}, "order": ["a"], "warmup": 3}, "scheduler.warmup=3: give either the three slots, or phases and order"),
    ({"order": ["a"]}, "scheduler.order=['a']: there are no phases to be put in order"),
    ({"noise": {"sdt": 1}}, "scheduler.noise.sdt=1: no such key; did you mean 'std'?"),
    ({"noise": {"std": -1}}, "scheduler.noise.std=-1: must be above 0"),
    ({"noise": {"limit": 2}}, "scheduler.noise.limit=2: must be at most 1"),
    ({"noise": 3}, "scheduler.noise=3: ScheduleLR expects Mapping"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "message"), WRONG, ids=[message[:45] for _, message in WRONG])
def test_what_is_wrong_is_named(spec, message):
    with pytest.raises(ConfigError) as caught:
        lit_optim.build_scheduler(spec, adamw(), total_steps=TOTAL)
    assert message in str(caught.value)
