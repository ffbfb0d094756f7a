import copy
import pickle

import pytest
import torch

from lit_optim import ConfigError, ScheduleLR


def optimizer(*lrs, cls=torch.optim.SGD):
    return cls(
        [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in lrs or (1.0,)], lr=(lrs or (1.0,))[0]
    )


def run(scheduler, steps):
    """The lr of the first group before each of the next steps."""
    seen = []
    for _ in range(steps):
        seen.append(float(scheduler.optimizer.param_groups[0]["lr"]))
        scheduler.step()
    return seen


LINEAR = {"main": {"shape": "linear"}, "total_steps": 10}


def test_the_lr_of_step_t_is_there_before_step_t():
    assert run(ScheduleLR(optimizer(), **LINEAR), 12) == pytest.approx(
        [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0, 0.0]
    )


def test_groups_keep_their_ratios_in_every_phase():
    opt = optimizer(1.0, 0.1, 5.0)
    scheduler = ScheduleLR(opt, warmup=3, main={"shape": "cosine", "min_lr": 0.01}, cooldown=2, total_steps=12)
    for _ in range(12):
        lrs = [group["lr"] for group in opt.param_groups]
        assert lrs[1] == pytest.approx(lrs[0] * 0.1, rel=1e-12)
        assert lrs[2] == pytest.approx(lrs[0] * 5.0, rel=1e-12)
        scheduler.step()


def test_min_lr_is_absolute_and_every_shape_takes_it():
    for shape in ("cosine", "linear", "polynomial"):
        scheduler = ScheduleLR(optimizer(0.5), main={"shape": shape, "min_lr": 0.05}, total_steps=10)
        assert run(scheduler, 12)[-2:] == pytest.approx([0.05, 0.05])
    scheduler = ScheduleLR(optimizer(0.5), main={"shape": "step", "step_size": 1, "min_lr": 0.02}, total_steps=10)
    assert run(scheduler, 5) == pytest.approx([0.5, 0.05, 0.02, 0.02, 0.02])
    scheduler = ScheduleLR(optimizer(0.5), warmup={"steps": 5, "min_lr": 0.1}, total_steps=10)
    assert run(scheduler, 2) == pytest.approx([0.1, 0.18])


def test_a_foreign_lr_wins_and_the_schedule_goes_on_from_there():
    opt = optimizer(1.0)
    scheduler = ScheduleLR(opt, **LINEAR)
    run(scheduler, 5)
    opt.param_groups[0]["lr"] = 5.0  # the schedule stands at 0.5, so the new initial lr is 10
    scheduler.step()
    assert opt.param_groups[0]["lr"] == pytest.approx(4.0)
    assert scheduler.base_lrs == [pytest.approx(10.0)]


def test_a_foreign_lr_where_the_factor_is_0_becomes_the_initial_one():
    opt = optimizer(1.0)
    scheduler = ScheduleLR(opt, main={"shape": "step", "step_size": 2, "gamma": 0.0})
    run(scheduler, 3)
    opt.param_groups[0]["lr"] = 0.3
    scheduler.step()
    assert opt.param_groups[0]["initial_lr"] == 0.3


def test_a_group_added_on_the_way_is_scheduled_from_its_first_step():
    opt = optimizer(1.0)
    scheduler = ScheduleLR(opt, **LINEAR)
    run(scheduler, 5)
    opt.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 0.2})
    opt.param_groups = [*opt.param_groups]  # as BaseFinetuning does
    scheduler.step()
    assert [group["lr"] for group in opt.param_groups] == pytest.approx([0.4, 0.16])


def test_a_group_without_an_lr_of_its_own_follows_the_others():
    opt = optimizer(0.1)
    scheduler = ScheduleLR(opt, warmup=500, main={"shape": "cosine"}, total_steps=10_000)
    scheduler.step()
    opt.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))]})
    for _ in range(499):
        scheduler.step()
        assert opt.param_groups[1]["lr"] == pytest.approx(opt.param_groups[0]["lr"])
    assert opt.param_groups[1]["lr"] == pytest.approx(0.1)


def test_a_foreign_lr_at_a_small_factor_is_warned_about():
    tiny = ScheduleLR(optimizer(1.0), warmup={"steps": 5, "start_factor": 1e-3})
    tiny.optimizer.param_groups[0]["lr"] = 0.05
    with pytest.warns(UserWarning, match="stands at factor 0.001; it goes on from there, towards 50 at factor 1"):
        tiny.step()


def test_a_group_that_is_not_scheduled_is_left_alone():
    opt = optimizer(1.0, 1.0)
    opt.param_groups[1]["scheduled"] = False
    scheduler = ScheduleLR(opt, **LINEAR)
    run(scheduler, 3)
    opt.param_groups[0]["scheduled"] = False  # without touching the lr
    scheduler.step()
    opt.param_groups[1]["lr"] = 7.0
    scheduler.step()
    assert [group["lr"] for group in opt.param_groups] == pytest.approx([0.7, 7.0])


@pytest.mark.parametrize("stop", range(12))
def test_state_is_counters_and_restores_every_step_exactly(stop):
    slots = {"warmup": 3, "main": {"shape": "cosine"}, "cooldown": 2, "total_steps": 10}
    unbroken = run(ScheduleLR(optimizer(0.3), **slots), 14)
    first = ScheduleLR(optimizer(0.3), **slots)
    run(first, stop)
    state = first.state_dict()
    assert set(state) == {"last_epoch", "factor"}
    second = ScheduleLR(optimizer(0.3), **slots)
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    second.load_state_dict(state)
    assert run(second, 14 - stop) == unbroken[stop:]


@pytest.mark.parametrize("order", ["optimizer first", "scheduler first", "scheduler only"])
def test_any_order_of_restoring_also_under_another_schedule(order):
    first = ScheduleLR(optimizer(1.0), **LINEAR)
    run(first, 5)
    longer = ScheduleLR(optimizer(1.0), main={"shape": "linear"}, total_steps=20)
    if order == "optimizer first":
        longer.optimizer.load_state_dict(first.optimizer.state_dict())
    longer.load_state_dict(first.state_dict())
    if order == "scheduler first":
        longer.optimizer.load_state_dict(first.optimizer.state_dict())
        longer.step()
        assert longer.optimizer.param_groups[0]["lr"] == pytest.approx(0.7)
    else:
        assert run(longer, 2) == pytest.approx([0.75, 0.7])
    assert longer.base_lrs == [pytest.approx(1.0)]
    run(longer, 3)
    longer.optimizer.param_groups[0]["lr"] = 0.5  # foreign again, though it is what the checkpoint held
    before = longer.factor(longer.last_epoch)
    longer.step()
    assert longer.base_lrs == [pytest.approx(0.5 / before)]


def test_tensor_lrs_are_written_in_place_and_never_shared():
    lr = torch.tensor(1.0)
    opt = torch.optim.SGD([{"params": [torch.zeros(1)]}, {"params": [torch.zeros(2)]}], lr=lr)
    opt.param_groups[1]["lr"] = lr
    scheduler = ScheduleLR(opt, **LINEAR)
    first = opt.param_groups[0]["lr"]
    assert run(scheduler, 5) == pytest.approx([1.0, 0.9, 0.8, 0.7, 0.6])
    assert opt.param_groups[0]["lr"] is first
    assert opt.param_groups[0]["lr"] is not opt.param_groups[1]["lr"]
    opt.param_groups[1]["lr"].fill_(5.0)
    scheduler.step()
    assert [float(group["lr"]) for group in opt.param_groups] == pytest.approx([0.4, 4.0])


def test_plateau_after_warmup_counts_from_the_end_of_the_warmup():
    scheduler = ScheduleLR(optimizer(), warmup=4, main={"shape": "plateau", "factor": 0.5, "patience": 1})
    for _ in range(4):  # flat values during the warmup do not count
        scheduler.step_metric(1.0)
        scheduler.step()
    assert scheduler.plateau.num_bad == 0
    lrs = []
    for _ in range(4):
        scheduler.step_metric(1.0)
        lrs.append(scheduler.optimizer.param_groups[0]["lr"])
        scheduler.step()
    assert lrs == [1.0, 1.0, 0.5, 0.5]  # the first value is the best so far, two bad ones are one too many


@pytest.mark.parametrize("stop", range(8))
def test_plateau_restores_exactly(stop):
    metrics = [1.0, 1.0, 1.0, 0.2, 0.3, 0.3, 0.3, 0.3]
    slots = {"warmup": 2, "main": {"shape": "plateau", "patience": 1}}

    def play(scheduler, values):
        for value in values:
            scheduler.step()
            scheduler.step_metric(value)
        return scheduler.optimizer.param_groups[0]["lr"]

    expected = play(ScheduleLR(optimizer(), **slots), metrics)
    first = ScheduleLR(optimizer(), **slots)
    play(first, metrics[:stop])
    second = ScheduleLR(optimizer(), **slots)
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    second.load_state_dict(first.state_dict())
    assert second.plateau == first.plateau
    assert play(second, metrics[stop:]) == expected


def test_a_foreign_lr_survives_a_reduction():
    opt = optimizer()
    scheduler = ScheduleLR(opt, main={"shape": "plateau", "factor": 0.5, "patience": 0})
    scheduler.step_metric(1.0)
    opt.param_groups[0]["lr"] = 8.0
    scheduler.step_metric(1.0)
    assert opt.param_groups[0]["lr"] == 4.0


def test_interval_epoch_holds_each_value_for_an_epoch():
    scheduler = ScheduleLR(optimizer(), **LINEAR, steps_per_epoch=5, interval="epoch")
    assert run(scheduler, 10) == pytest.approx([1.0] * 5 + [0.5] * 5)
    with pytest.raises(ConfigError, match="length of an epoch is unknown"):
        ScheduleLR(optimizer(), **LINEAR, interval="epoch")


@pytest.mark.parametrize(("steps", "factors"), [(15, [1, 1 / 3, 0, 0]), (20, [1, 0.5, 0, 0]), (5, [1, 0, 0, 0])])
def test_a_phase_that_ends_within_an_epoch_has_ended_in_the_next_one(steps, factors):
    main = {"shape": "linear", "steps": steps}
    scheduler = ScheduleLR(optimizer(), main=main, total_steps=40, steps_per_epoch=10, interval="epoch")
    assert run(scheduler, 40) == pytest.approx([factor for factor in factors for _ in range(10)])


def test_an_explicit_main_length_needs_no_total_and_holds_its_last_value():
    scheduler = ScheduleLR(optimizer(), warmup=2, main={"shape": "step", "steps": 4, "step_size": 2})
    assert run(scheduler, 9) == pytest.approx([0.5, 1, 1, 1, 0.1, 0.1, 0.01, 0.01, 0.01])


def test_step_to_a_given_index():
    scheduler = ScheduleLR(optimizer(), **LINEAR)
    scheduler.step(7)
    assert scheduler.get_last_lr() == [pytest.approx(0.3)]
    assert scheduler.last_epoch == 7


@pytest.mark.parametrize("again", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_copies_go_on_alike(again):
    scheduler = ScheduleLR(optimizer(), warmup=3, main={"shape": "cosine"}, total_steps=20)
    run(scheduler, 6)
    twin = again(scheduler)
    assert run(twin, 20) == run(scheduler, 20)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_a_reduction_survives_a_copy_and_another_lr(again):
    scheduler = ScheduleLR(optimizer(), main={"shape": "plateau", "factor": 0.5, "patience": 1})
    for _ in range(4):
        scheduler.step_metric(1.0)
    copied = again(scheduler)
    assert copied.plateau == scheduler.plateau
    copied.rescale(3.0)
    copied.step()
    assert copied.optimizer.param_groups[0]["lr"] == 1.5
    copied.step_metric(1.0)
    assert copied.optimizer.param_groups[0]["lr"] == 0.75


def test_it_does_not_touch_the_optimizer_beyond_its_groups():
    opt = optimizer()
    step = opt.step
    ScheduleLR(opt, **LINEAR)
    assert opt.step == step
    assert not opt._optimizer_step_post_hooks


def test_state_loads_as_plain_data(tmp_path):
    scheduler = ScheduleLR(optimizer(), main={"shape": "plateau"})
    scheduler.step_metric(3.0)
    torch.save(scheduler.state_dict(), tmp_path / "s.pt")
    assert torch.load(tmp_path / "s.pt", weights_only=True) == scheduler.state_dict()


@pytest.mark.parametrize(
    ("rhythm", "held_for"),
    [({}, 1), ({"frequency": 3}, 3), ({"interval": "epoch"}, 2), ({"interval": "epoch", "frequency": 2}, 4)],
)
def test_a_value_is_held_for_frequency_intervals(rhythm, held_for):
    scheduler = ScheduleLR(optimizer(), **LINEAR, steps_per_epoch=2, **rhythm)
    assert run(scheduler, 10) == pytest.approx([1 - step // held_for * held_for / 10 for step in range(10)])


def test_of_a_plateau_frequency_counts_values_of_the_metric():
    scheduler = ScheduleLR(optimizer(), main={"shape": "plateau", "factor": 0.5, "patience": 0}, frequency=2)
    seen = []
    for _ in range(6):
        scheduler.step_metric(1.0)
        seen.append(scheduler.get_last_lr()[0])
    assert seen == [1.0, 1.0, 1.0, 0.5, 0.5, 0.25]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"main": {"shape": "cosine"}}, "scheduler: total_steps is unknown"),
        (
            {"warmup": 11, "total_steps": 10},
            "scheduler.warmup=11: longer than the run, which has 10 optimizer steps; write a share of the run, e.g. 5%",
        ),
        ({"warmup": "60%", "cooldown": "50%", "total_steps": 10}, r"warmup, cooldown together: 11\); write a share"),
        (
            {"main": {"shape": "cosine", "steps": 30}, "total_steps": 20},
            "20 optimizer steps; scheduler.total_steps=30 plans past its end",
        ),
        ({"total_steps": 0}, "scheduler.total_steps=0"),
        ({"total_steps": float("inf")}, "scheduler.total_steps=inf"),
        ({"total_steps": -1}, "scheduler.total_steps=-1"),
        ({"frequency": 0}, "scheduler.frequency=0: must be a whole number of at least 1"),
        ({"mode": "mni"}, "scheduler.mode='mni'.*did you mean 'min'"),
        ({"interval": "steps"}, "scheduler.interval='steps'.*did you mean 'step'"),
        ({"main": {"shape": "cosin"}}, "scheduler.main.shape='cosin'.*did you mean 'cosine'"),
        ({"main": {"shape": "cosine", "ende": 1}, "total_steps": 9}, "scheduler.main.ende=1.*has no argument 'ende'"),
        ({"main": {"shape": "cosine", "min_lr": 2.0}, "total_steps": 9}, "scheduler.main.min_lr=2.0.*between 0 and"),
        ({"main": {"shape": "cosine", "min_lr": 0.1, "end_factor": 0.5}, "total_steps": 9}, "either min_lr or"),
        ({"warmup": {"steps": 3, "end_factor": 0.5}, "total_steps": 9}, "a warmup ends at factor 1"),
        ({"cooldown": 5}, "scheduler: total_steps is unknown"),
        ({"main": {"shape": "step", "step_size": "1ep"}}, "length of an epoch is unknown"),
    ],
)
def test_what_cannot_be_a_schedule_is_rejected(arguments, message):
    with pytest.raises(ConfigError, match=message):
        ScheduleLR(optimizer(), **arguments)


def test_not_an_optimizer():
    with pytest.raises(ConfigError, match=r"expected a torch.optim.Optimizer, got list"):
        ScheduleLR([])
