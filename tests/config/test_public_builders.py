import sys

import pytest
import torch
from omegaconf import OmegaConf
from torch.optim.lr_scheduler import StepLR

import lit_optim
from lit_optim import ConfigError

P = [torch.nn.Parameter(torch.ones(2, 2))]


def test_nothing_of_omegaconf_reaches_groups_or_state():
    spec = OmegaConf.create({"_target_": "torch.optim.NAdam", "betas": [0.9, 0.99]})
    optimizer = lit_optim.build_optimizer(spec, P)
    assert type(optimizer.param_groups[0]["betas"]) is tuple
    assert "omegaconf" not in repr(
        {type(v) for group in optimizer.state_dict()["param_groups"] for v in group.values()}
    )


def test_overrides_beat_the_spec_and_slots_merge():
    assert lit_optim.build_optimizer("adamw", P, lr=0.5).param_groups[0]["lr"] == 0.5
    optimizer = lit_optim.build_optimizer("sgd", P, lr=1.0)
    scheduler = lit_optim.build_scheduler(
        "warmup_cosine", optimizer, total_steps=20, warmup="50%", main={"end_factor": 0.5}
    )
    assert [(phase.name, phase.start, phase.stop) for phase in scheduler.phases] == [
        ("warmup", 0, 10),
        ("main", 10, 20),
    ]
    assert scheduler.factor(20) == 0.5


@pytest.mark.parametrize(
    ("alias", "warmup_steps"),
    [({"warmup_steps": 7}, 7), ({"warmup_ratio": 0.5}, 10), ({"warmup_epochs": 2}, 8), ({"warmup_epochs": "1.5"}, 6)],
)
def test_other_libraries_spellings(alias, warmup_steps):
    optimizer = lit_optim.build_optimizer("sgd", P, lr=1.0)
    for preset in ("cosine", "warmup_cosine"):
        scheduler = lit_optim.build_scheduler(
            preset, optimizer, total_steps=20, steps_per_epoch=4, min_lr=0.25, **alias
        )
        assert scheduler.phases[0].stop == warmup_steps
        assert scheduler.factor(20) == pytest.approx(0.25)


def test_a_length_in_place_of_main_keeps_its_shape():
    scheduler = lit_optim.build_scheduler(
        "cosine", lit_optim.build_optimizer("sgd", P, lr=1.0), total_steps=20, main="50%"
    )
    assert [scheduler.factor(t) for t in (0, 5, 10, 15)] == pytest.approx([1.0, 0.5, 0.0, 0.0])


@pytest.mark.parametrize("total", [1, 2, 3])
def test_a_share_of_a_very_short_run_drops_nothing_before_its_first_step(total):
    optimizer = lit_optim.build_optimizer("sgd", P, lr=1.0)
    assert lit_optim.build_scheduler("multistep", optimizer, total_steps=total).factor(0) == 1.0


def test_min_lr_is_a_floor_under_a_rate():
    main = {"shape": "exponential", "gamma": 0.5, "min_lr": 0.2}
    scheduler = lit_optim.build_scheduler({"main": main}, lit_optim.build_optimizer("sgd", P, lr=1.0))
    assert [scheduler.factor(t) for t in range(4)] == [1.0, 0.5, 0.25, 0.2]


def test_torchs_own_scheduler():
    optimizer = lit_optim.build_optimizer("sgd", P, lr=1.0)
    scheduler = lit_optim.build_scheduler({"_target_": "torch.optim.lr_scheduler.StepLR", "step_size": "3"}, optimizer)
    assert type(scheduler) is StepLR
    assert scheduler.step_size == 3


def test_a_plateau_without_lightning_needs_no_monitor():
    optimizer = lit_optim.build_optimizer("sgd", P, lr=1.0)
    scheduler = lit_optim.build_scheduler({"main": {"shape": "plateau", "patience": 0, "factor": "0.5"}}, optimizer)
    scheduler.step_metric(1.0)
    scheduler.step_metric(1.0)
    assert optimizer.param_groups[0]["lr"] == 0.5
    to_plain = {"_target_": "torch.optim.lr_scheduler.ReduceLROnPlateau", "patience": 0}
    lit_optim.build_scheduler(to_plain, optimizer).step(1.0)
    with pytest.raises(ConfigError, match=r"scheduler.monitor: missing"):
        lit_optim.validate({"scheduler": to_plain})


def test_a_shape_of_the_users_own(monkeypatch):
    module = type(sys)("my_shapes")
    exec(
        "def halves(total_steps, *, power: float = 1.0):\n    return lambda step: 0.5 ** (power * step)",
        module.__dict__,
    )
    monkeypatch.setitem(sys.modules, "my_shapes", module)
    optimizer = lit_optim.build_optimizer("sgd", P, lr=1.0)
    scheduler = lit_optim.build_scheduler({"main": {"shape": "my_shapes.halves", "power": 2}}, optimizer, total_steps=9)
    assert scheduler.factor(2) == 1 / 16
    with pytest.raises(ConfigError, match="did you mean 'power'"):
        lit_optim.build_scheduler({"main": {"shape": "my_shapes.halves", "pwer": 2}}, optimizer, total_steps=9)


def test_a_path_of_an_older_version_leads_to_what_it_named():
    spec = {"_target_": "lit_optim.schedule_lr.ScheduleLR", "main": {"shape": "cosine"}}
    optimizer = lit_optim.build_optimizer("sgd", torch.nn.Linear(1, 1))
    assert type(lit_optim.build_scheduler(spec, optimizer, total_steps=9)) is lit_optim.ScheduleLR
