"""Tables of configurations: those in which something goes wrong in silence, and their right neighbours."""

import json

import pytest
import torch
from torch.optim import lr_scheduler

from lit_optim.config.build.scheduler import check_scheduler
from lit_optim.config.pitfalls import Finding, find
from lit_optim.config.pitfalls.drop_after_warmup import drop_after_warmup
from lit_optim.config.pitfalls.floor_above_lr import floor_above_lr
from lit_optim.config.pitfalls.logged import Logged
from lit_optim.config.pitfalls.momentum_cycling import momentum_cycling
from lit_optim.config.pitfalls.monitor_not_logged import monitor_not_logged
from lit_optim.config.pitfalls.one_cycle_length import one_cycle_length
from lit_optim.config.pitfalls.stepped_per_epoch import stepped_per_epoch
from lit_optim.config.pitfalls.two_owners import two_owners
from lit_optim.config.pitfalls.warmup_too_long import switch_after_the_end, warmup_too_long
from lit_optim.config.read import presets
from lit_optim.config.read.spec import Spec, read_spec
from lit_optim.duration import RunLength
from lit_optim.param_groups import Rule, read_match


def torchs(name, **arguments):
    return Spec(f"torch.optim.lr_scheduler.{name}", arguments, "scheduler")


def ours(**arguments):
    return Spec("lit_optim.ScheduleLR", arguments, "scheduler")


def severities_and_keys(findings):
    return [(finding.severity, finding.key) for finding in findings]


EPOCHS, STEPS = RunLength(max_epochs=10), RunLength(1000, 100, max_epochs=10)
STEPPED = [
    (torchs("OneCycleLR", max_lr=1, total_steps=1000), EPOCHS, [("error", "scheduler.total_steps=1000")]),
    (torchs("OneCycleLR", max_lr=1, total_steps=10), EPOCHS, []),
    (torchs("OneCycleLR", max_lr=1, total_steps=5), EPOCHS, [("error", "scheduler.total_steps=5")]),
    (torchs("OneCycleLR", max_lr=1, total_steps=1000, interval="epoch"), EPOCHS, [("error", "scheduler.total_steps=1000")]),
    (torchs("OneCycleLR", max_lr=1, epochs=10, steps_per_epoch=100), EPOCHS, [("error", "scheduler.steps_per_epoch")]),
    (torchs("OneCycleLR", max_lr=1, epochs=10, steps_per_epoch=1), EPOCHS, []),
    (torchs("OneCycleLR", max_lr=1, epochs=10, steps_per_epoch=100), RunLength(), [("error", "scheduler.steps_per_epoch")]),
    (torchs("OneCycleLR", max_lr=1, total_steps=1000), RunLength(), [("warning", "scheduler.total_steps=1000")]),
    (torchs("OneCycleLR", max_lr=1, total_steps=1000, interval="step"), STEPS, []),
    (torchs("OneCycleLR", max_lr=1, total_steps=999, interval="step"), STEPS, [("error", "scheduler.total_steps=999")]),
    (torchs("OneCycleLR", max_lr=1, total_steps=2000, interval="step"), STEPS, [("warning", "scheduler.total_steps=2000")]),
    (torchs("OneCycleLR", max_lr=1, total_steps=1000, interval="step"), EPOCHS, []),
    (torchs("OneCycleLR", max_lr=1), EPOCHS, []),  # refused by torch itself
    (torchs("CosineAnnealingLR", T_max=1000), EPOCHS, [("error", "scheduler.T_max=1000")]),
    (torchs("CosineAnnealingLR", T_max=1000, interval="epoch"), EPOCHS, [("warning", "scheduler.T_max=1000")]),
    (torchs("CosineAnnealingLR", T_max=10), EPOCHS, []),
    (torchs("CosineAnnealingLR", T_max=11), EPOCHS, [("error", "scheduler.T_max=11")]),
    (torchs("CosineAnnealingLR", T_max=1000, interval="step"), EPOCHS, []),
    (torchs("CosineAnnealingLR", T_max=1000), RunLength(), []),
    (torchs("CosineAnnealingLR", T_max=10, frequency=2), EPOCHS, [("error", "scheduler.T_max=10")]),
    (torchs("CosineAnnealingLR", T_max=1000), RunLength(total_steps=1000, steps_per_epoch=100), [("error", "scheduler.T_max=1000")]),
    (torchs("LinearLR", total_iters=500), EPOCHS, [("error", "scheduler.total_iters=500")]),
    (torchs("LinearLR"), EPOCHS, []),  # its default is 5
    (torchs("LinearLR"), RunLength(max_epochs=3), [("error", "scheduler.total_iters=5")]),
    (torchs("PolynomialLR", total_iters=500), EPOCHS, [("error", "scheduler.total_iters=500")]),
    (torchs("ConstantLR", total_iters=500), EPOCHS, [("error", "scheduler.total_iters=500")]),
    (torchs("CosineAnnealingWarmRestarts", T_0=500), EPOCHS, [("error", "scheduler.T_0=500")]),
    (torchs("StepLR", step_size=30), EPOCHS, [("error", "scheduler.step_size=30")]),
    (torchs("MultiStepLR", milestones=[5, 400]), EPOCHS, [("error", "scheduler.milestones=[5, 400]")]),
    (torchs("MultiStepLR", milestones=[5, 8]), EPOCHS, []),
    (torchs("CyclicLR", base_lr=0.1, max_lr=1), EPOCHS, [("error", "scheduler.step_size_up=2000")]),
    (torchs("ExponentialLR", gamma=0.9), EPOCHS, []),
    (ours(main={"shape": "cosine"}), EPOCHS, []),
    (Spec("no.such.Scheduler", {}, "scheduler"), EPOCHS, []),
]  # fmt: skip


@pytest.mark.parametrize(("scheduler", "run", "expected"), STEPPED)
def test_stepped_per_epoch(scheduler, run, expected):
    findings = stepped_per_epoch(scheduler, run) + one_cycle_length(scheduler, run)
    assert severities_and_keys(findings) == expected
    too_short = [finding.check == "one_cycle_too_short" for finding in findings]
    assert [finding.fatal for finding in findings] == too_short == [f.endswith("=999") for _, f in expected]


def test_one_cycle_says_what_to_write():
    spec = torchs("OneCycleLR", max_lr=1, total_steps=1000)
    (finding,) = one_cycle_length(spec, EPOCHS)
    assert str(finding) == (
        "scheduler.total_steps=1000: OneCycleLR is stepped once an epoch, 10 times in the run, and plans 1000 steps; "
        "set scheduler.interval=step, or scheduler.total_steps=10"
    )


def test_one_cycle_really_raises_past_its_end():
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1, momentum=0.9)
    scheduler = lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=3)
    optimizer.step()
    for _ in range(3):
        scheduler.step()
    with pytest.raises(ValueError, match="Tried to step"):
        scheduler.step()


WARMUPS = [
    ({"warmup": {"steps": 1000}}, RunLength(total_steps=1000), ["scheduler.warmup.steps=1000"]),
    ({"warmup": {"steps": 999}}, RunLength(total_steps=1000), []),
    ({"warmup": 1000}, RunLength(total_steps=1000), ["scheduler.warmup.steps=1000"]),
    ({"warmup": 1000, "total_steps": 5000}, RunLength(total_steps=1000), []),
    ({"warmup": 1000, "total_steps": 500}, RunLength(), ["scheduler.warmup.steps=1000"]),
    ({"warmup": "1e3"}, STEPS, ["scheduler.warmup.steps=1e3"]),
    ({"warmup": "9ep"}, EPOCHS, []),
    ({"warmup": "10ep"}, EPOCHS, ["scheduler.warmup.steps=10ep"]),
    ({"warmup": "2ep"}, RunLength(total_steps=150, steps_per_epoch=100), ["scheduler.warmup.steps=2ep"]),
    ({"warmup": "100%"}, RunLength(), ["scheduler.warmup.steps=100%"]),
    ({"warmup": "99%"}, STEPS, []),
    ({"warmup": 0}, STEPS, []),
    ({}, STEPS, []),
    ({"warmup_steps": 1000}, STEPS, ["scheduler.warmup.steps=1000"]),
    ({"warmup_epochs": 10}, EPOCHS, ["scheduler.warmup.steps=10ep"]),
    ({"warmup": 1000}, EPOCHS, []),  # the number of steps is not known
    ({"warmup": 1.5}, STEPS, []),  # wrong by itself
]


@pytest.mark.parametrize(("arguments", "run", "expected"), WARMUPS)
def test_warmup_too_long(arguments, run, expected):
    assert severities_and_keys(warmup_too_long(ours(**arguments), run)) == [("error", key) for key in expected]


@pytest.mark.parametrize(
    ("callbacks", "run", "expected"),
    [
        ({"switch": {"at": 1000}}, STEPS, ["optim_callbacks.switch.at=1000"]),
        ({"switch": {"at": 999}, "swats": {"at": "never"}, "ema": {}}, STEPS, []),
        ({"swats": {"at": "10ep"}}, EPOCHS, ["optim_callbacks.swats.at=10ep"]),
        ({"switch": {"at": "100%"}}, RunLength(), ["optim_callbacks.switch.at=100%"]),
        (["switch", {"switch": {"at": 2000}}], STEPS, ["optim_callbacks.switch.at=2000"]),
        ({"switch": {"at": 1000}}, RunLength(), []),
        ({"switch": {"at": "soon"}}, STEPS, []),
        (None, STEPS, []),
    ],
)
def test_switch_after_the_end(callbacks, run, expected):
    assert severities_and_keys(switch_after_the_end(callbacks, run)) == [("error", key) for key in expected]
    config = {"optimizer": "adamw", "optim_callbacks": callbacks, "total_steps": run.total_steps}
    assert [f.key for f in find(config, Logged())] == [key for key in expected if run is not EPOCHS]


SGD = Spec("torch.optim.SGD", {"lr": 0.01}, "optimizer")
FLOORS = [
    (ours(main={"shape": "cosine", "min_lr": 0.02}), SGD, [], [("error", "scheduler.main.min_lr=0.02")]),
    (ours(main={"shape": "cosine", "min_lr": 0.01}), SGD, [], []),
    (ours(min_lr=0.02), SGD, [], [("error", "scheduler.min_lr=0.02")]),
    (ours(cooldown={"steps": 9, "min_lr": "2e-2"}), SGD, [], [("error", "scheduler.cooldown.min_lr=0.02")]),
    (ours(main={"min_lr": 0.005}), SGD, [Rule("norm", read_match({"type": "norm"}), {"lr": 0.001})], [("warning", "scheduler.main.min_lr=0.005")]),
    (ours(main={"min_lr": 0.005}), SGD, [Rule("norm", read_match({"type": "norm"}), {"weight_decay": 0})], []),
    (ours(main={"min_lr": 0.005}), Spec("torch.optim.SGD"), [], [("error", "scheduler.main.min_lr=0.005")]),  # 0.001
    (torchs("CosineAnnealingLR", T_max=9, eta_min=0.1), SGD, [], [("error", "scheduler.eta_min=0.1")]),
    (torchs("CosineAnnealingLR", T_max=9), SGD, [], []),
    (torchs("CosineAnnealingLR", T_max=9, eta_min=0.005), SGD, [Rule("bias", read_match({"type": "bias"}), {"lr": 0.001})], [("error", "scheduler.eta_min=0.005")]),
    (torchs("ReduceLROnPlateau", min_lr=[0.001, 0.1]), SGD, [], [("error", "scheduler.min_lr=0.1")]),
    (torchs("ReduceLROnPlateau"), SGD, [], []),
    (ours(main={"min_lr": 0.02}), Spec("no.such.Optimizer", {"lr": 0.001}, "optimizer"), [], []),
]  # fmt: skip


@pytest.mark.parametrize(("scheduler", "optimizer", "rules", "expected"), FLOORS)
def test_floor_above_lr(scheduler, optimizer, rules, expected):
    assert severities_and_keys(floor_above_lr(scheduler, optimizer, rules)) == expected


def test_a_floor_above_the_lr_really_raises_the_lr_in_torch():
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.01)
    scheduler = lr_scheduler.CosineAnnealingLR(optimizer, T_max=2, eta_min=0.1)
    for _ in range(2):
        optimizer.step()
        scheduler.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1)


def cycle(name="OneCycleLR", **more):
    return torchs(name, **({"total_steps": 9} if name == "OneCycleLR" else {"base_lr": 0.1}), max_lr=1.0, **more)


CYCLES = [
    (cycle(), Spec("torch.optim.Adagrad"), "refuses"),
    (cycle("CyclicLR"), Spec("torch.optim.Adadelta"), "refuses"),
    (cycle(), Spec("torch.optim.SGD"), "turns it on, between 0.85 and 0.95"),
    (cycle("CyclicLR"), Spec("torch.optim.RMSprop"), "turns it on, between 0.8 and 0.9"),
    (cycle(), Spec("torch.optim.SGD", {"momentum": 0.9}), ""),
    (cycle(), Spec("torch.optim.AdamW"), ""),
    (cycle(cycle_momentum=False), Spec("torch.optim.SGD"), ""),
    (cycle("CyclicLR", cycle_momentum=False), Spec("torch.optim.Adagrad"), ""),
    (torchs("StepLR", step_size=1), Spec("torch.optim.Adagrad"), ""),
    (ours(), Spec("torch.optim.SGD"), ""),
]


@pytest.mark.parametrize(("scheduler", "optimizer", "problem"), CYCLES)
def test_momentum_cycling_and_what_torch_does(scheduler, optimizer, problem):
    findings = momentum_cycling(scheduler, optimizer)
    assert len(findings) == bool(problem)
    assert problem in "".join(finding.problem for finding in findings)
    if "ScheduleLR" in scheduler.target:
        return
    cls, schedule = (eval(spec.target, {"torch": torch}) for spec in (optimizer, scheduler))
    built = cls([torch.zeros(1)], **optimizer.arguments)
    before = built.param_groups[0].get("momentum")
    if problem == "refuses":
        with pytest.raises(ValueError, match="momentum"):
            schedule(built, **scheduler.arguments)
        return
    schedule(built, **scheduler.arguments)
    assert (before == 0 and built.param_groups[0]["momentum"] > 0) == bool(problem)


PLATEAU = {"main": {"shape": "plateau"}, "monitor": "val/loss"}
MONITORS = [
    (ours(**PLATEAU), Logged(("val/loss",)), []),
    (ours(**PLATEAU), Logged(("*/loss",)), []),
    (ours(**PLATEAU), Logged(("val/los",)), [("error", "scheduler.monitor=val/loss")]),
    (ours(**PLATEAU), Logged(()), [("error", "scheduler.monitor=val/loss")]),
    (ours(**PLATEAU), Logged(("a",), ("Net: self.log(name, 1)",)), [("note", "scheduler.monitor=val/loss")]),
    (ours(main={"shape": "cosine"}, monitor="nothing"), Logged(("a",)), []),
    (torchs("ReduceLROnPlateau", monitor="b"), Logged(("a",)), [("error", "scheduler.monitor=b")]),
    (torchs("ReduceLROnPlateau", monitor="a"), Logged(("a",)), []),
    (torchs("ReduceLROnPlateau"), Logged(("a",)), []),  # missing: its own check reports it
    (torchs("StepLR", step_size=1, monitor="b"), Logged(("a",)), []),
]


@pytest.mark.parametrize(("scheduler", "logged", "expected"), MONITORS)
def test_monitor_not_logged(scheduler, logged, expected):
    assert severities_and_keys(monitor_not_logged(check_scheduler(scheduler, monitored=False), logged)) == expected


DEEPSPEED = "lightning.pytorch.strategies.DeepSpeedStrategy"
BOTH = {"optimizer": {"type": "Adam"}, "scheduler": {"type": "WarmupLR"}}
COSINE, STILL = ours(main={"shape": "cosine"}), ours(main={"shape": "constant"})
OWNERS = [
    ({"_target_": DEEPSPEED, "config": BOTH}, SGD, COSINE, ["trainer.strategy.config.optimizer", "trainer.strategy.config.scheduler"]),
    ({"_target_": DEEPSPEED, "config": {"zero_optimization": {}}}, SGD, COSINE, []),
    ({"_target_": DEEPSPEED, "config": {"scheduler": {}}}, SGD, STILL, []),
    ({"_target_": DEEPSPEED, "config": {"scheduler": {}}}, SGD, None, []),
    ({"_target_": DEEPSPEED, "stage": 2}, SGD, COSINE, []),
    ({"_target_": DEEPSPEED, "config": "ds.json"}, SGD, COSINE, ["trainer.strategy.config=ds.json: optimizer", "trainer.strategy.config=ds.json: scheduler"]),
    ({"_target_": "lightning.pytorch.strategies.DDPStrategy", "config": BOTH}, SGD, COSINE, []),
    ("ddp", SGD, COSINE, []),
    ("deepspeed_stage_2", SGD, COSINE, []),
    (None, SGD, COSINE, []),
]  # fmt: skip


@pytest.mark.parametrize(("strategy", "optimizer", "scheduler", "expected"), OWNERS)
def test_two_owners(strategy, optimizer, scheduler, expected, tmp_path):
    (tmp_path / "ds.json").write_text(json.dumps(BOTH))
    assert [
        f.key for f in two_owners(strategy, optimizer, scheduler and check_scheduler(scheduler), folder=tmp_path)
    ] == expected


def test_deepspeeds_config_from_the_environment(tmp_path):
    (tmp_path / "ds.json").write_text(json.dumps(BOTH))
    environment = {"PL_DEEPSPEED_CONFIG_PATH": str(tmp_path / "ds.json")}
    (finding,) = two_owners("deepspeed", None, check_scheduler(COSINE), environment=environment)
    assert finding.key == f"PL_DEEPSPEED_CONFIG_PATH={tmp_path / 'ds.json'}: scheduler"


@pytest.mark.parametrize("text", [None, "{not json"])
def test_a_deepspeed_config_that_cannot_be_read_is_no_verdict(text, tmp_path):
    if text:
        (tmp_path / "ds.json").write_text(text)
    strategy = {"_target_": DEEPSPEED, "config": "ds.json"}
    assert [f.severity for f in two_owners(strategy, SGD, check_scheduler(COSINE), folder=tmp_path)] == ["note"]


LENGTHS = [
    ({"trainer": {"max_epochs": 3, "max_steps": -1}}, (None, 3)),
    ({"trainer": {"max_epochs": -1, "max_steps": 100}}, (100, None)),
    ({"trainer": {"max_epochs": 3}, "steps_per_epoch": 10}, (30, 3)),
    ({"trainer": {"max_epochs": 3, "max_steps": 12}, "steps_per_epoch": 10}, (12, 2)),
    ({"total_steps": 7, "trainer": {"max_steps": 100}}, (7, None)),
    ({"total_steps": 90, "trainer": {"max_epochs": 3}, "steps_per_epoch": 10}, (90, 3)),
    ({"trainer": {"max_epochs": "many", "max_steps": True}}, (None, None)),
    ({"trainer": "none"}, (None, None)),
    ({}, (None, None)),
]


@pytest.mark.parametrize(("config", "expected"), LENGTHS)
def test_run_length(config, expected):
    run = RunLength.from_config(config)
    assert (run.total_steps, run.epochs) == expected


def test_every_check_is_called_and_a_mount_under_model_is_looked_at_once():
    wrong = {
        "optimizer": {"_target_": "torch.optim.SGD", "lr": 0.01},
        "scheduler": {"_target_": "torch.optim.lr_scheduler.OneCycleLR", "max_lr": 1.0, "total_steps": 99, "min_lr": 1},
        "trainer": {"max_epochs": 3, "strategy": {"_target_": DEEPSPEED, "config": BOTH}},
    }
    checks = {"stepped_per_epoch", "floor_above_lr", "momentum_cycling", "two_owners"}
    found = find(wrong, Logged())
    assert {finding.check for finding in found} == checks
    assert {finding.check for finding in found if finding.fatal} == {"two_owners"}
    assert find({**wrong, "model": {"optimizer": wrong["optimizer"]}}, Logged()) == found
    mounted = {"model": {k: wrong[k] for k in ("optimizer", "scheduler")}, "trainer": wrong["trainer"]}
    assert {f.check for f in find(mounted, Logged())} == checks
    assert {f.key.partition(".")[0] for f in find(mounted, Logged())} == {"model", "trainer"}
    plateau = {"scheduler": {**PLATEAU, "warmup": "100%"}}
    assert {f.check for f in find(plateau, Logged())} == {"warmup_too_long", "monitor_not_logged"}
    step = {"scheduler": {"_target_": "torch.optim.lr_scheduler.StepLR", "step_size": 30}}
    assert [f.check for f in find({**step, "trainer": {"max_epochs": 3}}, Logged())] == ["stepped_per_epoch"]
    drop = {"scheduler": {"warmup": 50, "main": {"shape": "one_cycle", "start_factor": 0.04}}}
    assert [f.check for f in find(drop, Logged())] == ["drop_after_warmup"]


@pytest.mark.parametrize(
    "config",
    [
        {"optimizer": "adamw", "scheduler": "warmup_cosine", "param_groups": "no_decay", "trainer": {"max_steps": 100}},
        {"optimizer": "sdg", "scheduler": 5, "param_groups": {"rule": []}},  # validate reports them
        {"model": "net", "trainer": None},
        {},
    ],
)
def test_nothing_to_find(config):
    assert find(config, Logged()) == []


def test_a_finding_without_a_remedy_is_one_sentence():
    assert str(Finding("x", "note", "a.b", "it is unknown", "")) == "a.b: it is unknown"


DROPS = [
    ("one_cycle", {"warmup": 100}, True),
    ("noam", {"warmup": 100}, True),
    ("noam", {"warmup_steps": 100}, True),
    ("triangular", {"warmup": "5%"}, True),
    ("cosine", {"warmup": 100}, False),
    ("one_cycle", {}, False),
    ("noam", {"warmup": 0}, False),
    *((name, {}, False) for name in presets.preset_names("scheduler")),
]


@pytest.mark.parametrize(("name", "changes", "falls"), DROPS)
def test_drop_after_warmup(name, changes, falls):
    expected = [("warning", "scheduler.main")] if falls else []
    assert severities_and_keys(drop_after_warmup(read_spec(name, "scheduler", overrides=changes))) == expected
