"""Warnings of NaN and infinity: readings by hand, and runs that break, against the slow reference."""

import math
import re
import warnings

import pytest

from _support.net import BATCHES, fit
from _support.references.health_reference import Copies, sound_steps
from lit_optim.callbacks import Health
from lit_optim.callbacks.health.judge import Judge, Reading
from lit_optim.plots import report_files

SOUND = {"gradient_norm": 2.0, "gradient_norm_clipped": 1.0, "update_ratio": 2e-3, "effective_lr": 0.1, "cosine": 0.5}
NAN, INF = math.nan, math.inf
LOOK = "look at the loss and the batch"
TEXT = re.compile(
    r"optim_callbacks.health: (?:group (\S+)|all parameters): NaN or infinity in the (weights|gradient|update) "
    r"at step (\d+); at step (\d+) update/weight (\S+)(?:,|;) .*"
)


def reading(step, rms=0.1, group="head", **values):
    return Reading(group, 0.1, {**SOUND, **values}, rms, step=step)


BROKEN = {
    "gradient": ({"gradient_norm": INF}, "gradient"),
    "clipped": ({"gradient_norm_clipped": NAN}, "gradient"),
    "update": ({"update_ratio": NAN, "effective_lr": NAN}, "update"),
    "endless update": ({"update_ratio": INF, "effective_lr": INF}, "update"),
    "weights": ({"rms": INF, "update_ratio": 0.0}, "weights"),
    "all": ({"rms": NAN, **dict.fromkeys(SOUND, NAN)}, "weights"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_it_is_said_at_once_and_once_for_each_group(name):
    values, where = BROKEN[name]
    judge = Judge()
    for group in ("head", "body"):
        texts = [judge.warnings(reading(step, group=group, **(values if step > 4 else {}))) for step in (1, 4, 9, 19)]
        text = f"group {group}: NaN or infinity in the {where} at step 9; at step 4 update/weight 0.002, "
        text += f"no sign of a high lr: {LOOK}, or add finite to optim_callbacks"
        assert texts == [[], [], [text], []]


@pytest.mark.parametrize(
    ("ratio", "words"), [(0.3, "about 100x"), (4.0, "about 1000x"), (6.7, "at least 1000x"), (1e20, "at least 1000x")]
)
def test_an_update_that_was_too_large_before_counts_as_agreement(ratio, words):
    judge = Judge()
    assert judge.warnings(reading(1, update_ratio=ratio)) == []
    broken = reading(4, rms=NAN, **dict.fromkeys(SOUND, NAN))
    found = f"group head: NaN or infinity in the weights at step 4; at step 1 update/weight {ratio:.2g}"
    assert judge.warnings(broken) == [f"{found}; 1e-3 is usual: lower its lr {words}"]
    assert judge.warnings(broken._replace(step=9)) == []


def test_a_reading_without_a_ratio_is_passed_over():
    judge = Judge()
    values = {k: v for k, v in SOUND.items() if k != "update_ratio"}
    sequence = [reading(1), Reading("head", 0.1, None, 0.0, step=4), Reading("head", 0.1, values, 0.0, step=9)]
    assert [judge.warnings(each) for each in sequence] == [[], [], []]
    (text,) = judge.warnings(reading(19, gradient_norm=NAN))
    assert "in the gradient at step 19; at step 1 update/weight 0.002, no sign" in text


def test_weights_that_begin_at_0_are_no_sign_of_a_high_lr():
    judge = Judge()
    judge.warnings(reading(1, rms=1e-4, update_ratio=1.0))
    assert "at step 1 update/weight 1, no sign of a high lr" in judge.warnings(reading(4, gradient_norm=NAN))[0]


def test_nothing_finite_before():
    text = f"NaN or infinity in the gradient at step 1; no measured step before was finite: lower its lr about 1000x, or {LOOK}"
    assert Judge().warnings(reading(1, gradient_norm=INF)) == [f"group head: {text}"]


class Breaks(Copies):
    """Its loss is NaN from a step on."""

    at = 10**6

    def loss(self, batch):
        return super().loss(batch) * (NAN if self.trainer.global_step >= self.at else 1.0)


def breaking(at):
    return type("Breaking", (Breaks,), {"at": at})


RUNS = {
    "adamw": (breaking(30), {"optimizer": "adamw"}, False),
    "groups": (breaking(30), {"optimizer": "adamw", "param_groups": "no_decay"}, False),
    "sgd": (breaking(12), {"optimizer": "sgd"}, False),
    "lr 30": (Breaks, {"optimizer": {"_target_": "torch.optim.SGD", "lr": 30.0}}, True),
    "lr 1e6": (Breaks, {"optimizer": {"_target_": "torch.optim.SGD", "lr": 1e6}}, True),
}


def said(text):
    return TEXT.fullmatch(text).groups()


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@pytest.mark.parametrize("name", RUNS)
def test_a_run_that_breaks_is_named_where_the_reference_breaks(tmp_path, monkeypatch, name):
    monkeypatch.setattr(report_files, "find_spec", lambda name: None)
    cls, specs, high = RUNS[name]
    module = cls(**specs)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        fit(tmp_path, module, max_epochs=7, callbacks=[Health()], enable_checkpointing=False)
    texts = [t for w in found if "NaN or infinity" in (t := str(w.message))]
    measured = [1, 4, 9, 19, 49]
    assert len(module.taken) == 7 * BATCHES
    assert len(texts) == len(module.taken[0])
    for text in texts:
        group, _, step, before, ratio = said(text)
        sound = sound_steps(module.taken, group or "")
        assert next(s for s in measured if not sound[s]) == int(step)
        assert max(s for s in measured if sound[s]) == int(before)
        assert f"{module.taken[int(before)][group or '']['update_ratio']:.2g}" == ratio
        assert ("1e-3 is usual: lower its lr " in text) == high
