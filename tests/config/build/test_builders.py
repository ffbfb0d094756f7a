import subprocess
import sys

import pytest
import torch
from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf
from torch.optim.lr_scheduler import StepLR

import lit_optim
from lit_optim import ConfigError
from lit_optim.config.checks.coerce import Mismatch, coerce
from lit_optim.config.read.plain_containers import to_plain, to_serializable

P = [torch.nn.Parameter(torch.ones(2, 2))]


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        ("1e-4", float, 1e-4), (1, float, 1.0), ("5", int, 5), (5.0, int, 5), ("true", bool, True), ([1, 2], tuple[float, float], (1.0, 2.0)),
        ((1, 2), tuple[int, ...], (1, 2)), (None, int | None, None), ("abc", int | str, "abc"), ([1], list[float], [1.0]), ("1", int | float | str, "1"),
    ],
)  # fmt: skip
def test_coerces_where_nothing_is_lost(value, hint, expected):
    result = coerce(value, hint)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (True, float), (True, int), (1, bool), ("yes", bool), (1.5, int), ("abc", float), ([1], tuple[float, float]), ("ab", list[str]),
        (None, float), (3, str), ({}, float), ("1.5", int), ([1, "x"], tuple[float, float]),
    ],
)  # fmt: skip
def test_refuses_what_would_be_a_guess(value, hint):
    with pytest.raises(Mismatch):
        coerce(value, hint)


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


def test_compose_works_beside_a_running_app():
    with initialize_config_module("lit_optim.conf", version_base="1.3"):
        running = GlobalHydra.instance().hydra
        cfg = lit_optim.compose(["optimizer=sgd", "scheduler=warmup_step", "param_groups=no_decay", "optimizer.lr=0.7"])
        assert GlobalHydra.instance().hydra is running
        assert compose(overrides=["+optimizer=adam"]).optimizer.lr == 1e-3
    assert cfg.optimizer.lr == 0.7
    lit_optim.validate(cfg)
    assert lit_optim.compose().optimizer.betas == [0.9, 0.999]


def test_presets_are_found_by_pattern():
    assert list(lit_optim.presets("scheduler", "warmup_p*")) == ["warmup_plateau", "warmup_polynomial"]
    with pytest.raises(ConfigError, match="did you mean 'scheduler'"):
        lit_optim.presets("schedulr")


def test_plain_and_portable():
    import functools

    assert to_plain({"a": OmegaConf.create([1, {"b": 2}]), "t": (1, OmegaConf.create({}))}) == {
        "a": [1, {"b": 2}],
        "t": (1, {}),
    }
    partial = functools.partial(torch.optim.AdamW, betas=OmegaConf.create([0.9, 0.99]))
    assert to_serializable({"x": partial, "f": torch.optim.SGD, "o": object}) == {
        "x": {"_target_": "torch.optim.AdamW", "_partial_": True, "betas": [0.9, 0.99]}, "f": "torch.optim.SGD", "o": "builtins.object"
    }  # fmt: skip


def test_importing_the_package_imports_neither_torch_nor_lightning():
    code = (
        "import sys, lit_optim, lit_optim.conf; lit_optim.presets(); "
        "print([m for m in ('torch', 'lightning', 'hydra', 'omegaconf', 'numpy') if m in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_public_names():
    assert {"ConfigureOptimizersMixin", "build_optimizer", "exit_on_config_error"} <= set(dir(lit_optim))
    for name in lit_optim.__all__:
        assert getattr(lit_optim, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'bulid_optimizer'"):
        _ = lit_optim.bulid_optimizer
