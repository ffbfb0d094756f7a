"""What is warned of, and what is not: readings by hand, and runs with a planted fault or none."""

import math
import re
import warnings
from pathlib import Path

import pytest
import torch

from _support.net import Net, fit
from lit_optim.callbacks import Health
from lit_optim.callbacks.health.judge import Judge, Reading
from lit_optim.plots import report_files

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
HEALTHY = {
    "gradient_norm": 2.0, "gradient_norm_clipped": 1.0, "update_ratio": 1e-3, "effective_lr": 0.1, "cosine": 0.5,
    "saturation": 0.1,
}  # fmt: skip


def reading(lr=0.1, rms=0.1, dtype="float32", group="head", **values):
    return Reading(group, lr, {**HEALTHY, **values}, rms, dtype)


FOUND = {
    "high": (reading(update_ratio=0.3), "update/weight 0.3; 1e-3 is usual: lower its lr about 100x"),
    "higher": (reading(update_ratio=4.0), "update/weight 4; 1e-3 is usual: lower its lr about 1000x"),
    "far higher": (reading(update_ratio=6.7), "update/weight 6.7; 1e-3 is usual: lower its lr at least 1000x"),
    "low": (reading(update_ratio=4e-7), "update/weight 4e-07; 1e-3 is usual: raise its lr about 1000x, or freeze it"),
    "lower": (
        reading(update_ratio=1e-28),
        "update/weight 1e-28; 1e-3 is usual: raise its lr at least 1000x, or freeze it",
    ),
    "least": (
        reading(update_ratio=5e-324),
        "update/weight 4.9e-324; 1e-3 is usual: raise its lr at least 1000x, or freeze it",
    ),
    "none": (
        reading()._replace(values=None),
        "no gradient: the loss does not depend on it; look for a detach() or an unused branch, or freeze it",
    ),
    "zero gradient": (
        reading(gradient_norm=0.0, gradient_norm_clipped=0.0, update_ratio=0.0),
        "its gradient is 0: look for dead units (ReLU behind a large lr), a masked loss, or a factor of 0",
    ),
    "lost": (
        reading(update_ratio=0.0, lr=1e-8, dtype="bfloat16"),
        "no weight changes, with lr 1e-08 and a gradient of 1: lost in bfloat16; raise its lr, or use float32",
    ),
    "eps": (
        reading(saturation=0.8),
        "80 % of the second moments are below eps, which takes their place: lower optimizer.eps, e.g. 10000x",
    ),
    "uphill": (
        reading(cosine=-0.4),
        "the update goes uphill (cosine -0.4): momentum overshoots; lower its lr about 3x, or the momentum",
    ),
    "clipped away": (
        reading(gradient_norm=5e7),
        "its gradient of norm 5e+07 is clipped to 1: raise trainer.gradient_clip_val at least 1000x, or find its cause",
    ),
    "clipped": (
        reading(gradient_norm=500.0),
        "its gradient of norm 500 is clipped to 1: raise trainer.gradient_clip_val about 1000x, or find its cause",
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_once_for_two_in_a_row_by_name_and_number(name):
    found, text = FOUND[name]
    judge = Judge()
    for group in ("head", "body"):
        each = found._replace(group=group)
        assert judge.warnings(each) == []
        assert [text for _ in range(5) for text in judge.warnings(each)] == [f"group {group}: {text}"]


@pytest.mark.parametrize("name", FOUND)
def test_one_bad_step_is_none(name):
    judge, quiet = Judge(), []
    for each in (FOUND[name][0], reading(), FOUND[name][0], reading()):
        quiet += judge.warnings(each)
    assert quiet == []


QUIET = {
    "healthy": [reading()] * 3,
    "what begins at 0": [reading(rms=1e-3 * t, update_ratio=1 / t) for t in range(1, 60)],
    "a large lr that trains": [reading(update_ratio=0.09)] * 3,
    "a warmup": [reading(lr=1e-6 * t, update_ratio=1e-8 * t) for t in range(1, 60)],
    "the end of a cosine": [
        reading(lr=math.cos(math.pi * t / 120), update_ratio=1e-3 * math.cos(math.pi * t / 120) ** 9) for t in range(60)
    ],
    "an lr of 0": [reading(lr=0.0, update_ratio=0.0, effective_lr=0.0)] * 3,
    "an lr that is not known": [reading(lr=math.nan, update_ratio=0.0, effective_lr=0.0)] * 3,
    "what no step stands on": [
        reading(effective_lr=v, cosine=v, saturation=v) for v in (math.nan, math.inf, -math.inf) for _ in range(2)
    ],
    "fewer quantities": [Reading("head", 0.1, {"gradient_norm": 1.0, "gradient_norm_clipped": 1.0})] * 3,
}


@pytest.mark.parametrize("name", QUIET)
def test_quiet(name):
    judge = Judge()
    assert [text for each in QUIET[name] for text in judge.warnings(each)] == []


def test_skipped_steps():
    judge = Judge()
    text = "12 of 50 steps were skipped by the gradient scaler: write trainer.precision=bf16-mixed, or lower the lr"
    assert [judge.skipped(50, n) for n in (12.0, 0.0, 10.0, 12.0, 12.0, 12.0)] == [None, None, None, None, text, None]


@pytest.fixture
def warned(monkeypatch, tmp_path):
    """Fit with health, and return its warnings; whatever else warns is an error."""
    monkeypatch.setattr(report_files, "find_spec", lambda name: None)

    def warned(module, **options):
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            fit(tmp_path, module, callbacks=[Health()], enable_checkpointing=False, **options)
        return [t for w in found if (t := str(w.message)).startswith("optim_callbacks.health")]

    return warned


def head(lr):
    return {"rules": {"head": {"match": {"module": "layer.2"}, "lr": lr}}}


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "muon_adamw"])
def test_a_planted_lr_is_named(warned, optimizer):
    texts = warned(Net(optimizer, param_groups=head("x100")), max_epochs=4)
    name = "adamw/head" if optimizer == "muon_adamw" else "head"
    (text,) = [text for text in texts if f"group {name}: update/weight " in text]
    assert re.search("lower its lr (about|at least) 10+x$", text)
    assert len(texts) == 1 or optimizer == "sgd", "with which the whole net diverges"


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "muon_adamw"])
def test_the_same_run_without_it_is_quiet(warned, optimizer):
    assert warned(Net(optimizer, param_groups=head("x1")), max_epochs=8) == []


class Cut(Net):
    """A part that the loss does not depend on, one that it depends on by a factor of 0."""

    def __init__(self, factor=None, **specs):
        super().__init__(**specs)
        self.save_hyperparameters()
        self.factor, self.extra = factor, torch.nn.Linear(4, 1)

    def loss(self, batch):
        return super().loss(batch) + (0.0 if self.factor is None else self.factor * self.extra(batch[0]).sum())


@pytest.mark.parametrize(("factor", "text"), [(None, "no gradient: the loss"), (0.0, "its gradient is 0: look")])
def test_a_dead_group_is_named(warned, factor, text):
    rules = {"rules": {"extra": {"match": {"module": "extra"}, "lr": "x1"}}}
    found = warned(Cut(factor, optimizer="sgd", param_groups=rules), max_epochs=4)
    assert [t.partition(text)[0] for t in found] == ["optim_callbacks.health: group extra: "]


def test_a_frozen_group_is_not(warned):
    rules = {"rules": {"extra": {"match": {"module": "extra"}, "freeze": True}}}
    assert warned(Cut(None, optimizer="sgd", param_groups=rules), max_epochs=4) == []


@pytest.mark.slow
@pytest.mark.parametrize("planted", [False, True])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "muon_adamw"])
def test_the_example(tmp_path, monkeypatch, optimizer, planted):
    from lit_optim.config.read.compose import compose_app
    from train import build, fit

    monkeypatch.setattr(report_files, "find_spec", lambda name: None)
    rule = ["+param_groups.rules.head.match.module=net.6", "+param_groups.rules.head.lr=x100"] if planted else []
    quiet = ["callbacks=none", "logger=none", f"output_dir={tmp_path}"]
    cfg = compose_app("train", [f"optimizer={optimizer}", "optim_callbacks=health", "trainer.max_epochs=4", *rule, *quiet], str(EXAMPLES / "conf"))  # fmt: skip
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        fit(*build(cfg))
    texts = [t for w in found if (t := str(w.message)).startswith("optim_callbacks.health")]
    assert bool(texts) == planted
    assert all(
        re.search("group .*head.*: update/weight .*lower its lr (about|at least) 100+x$", text) for text in texts
    )
