"""A policy that cannot do what it says ends, or warns, with what to write in its place."""

import pytest

from _support.net import fit
from _support.resumed_runs import data, module, resumed, saved
from _support.several import NAMES, SCHEDULES, Gan
from lit_optim import ConfigError, validate
from lit_optim.config.resume_policy import ResumePolicy
from lit_optim.resume.specs import resumed_specs


def test_a_cooldown_needs_an_lr_to_fall_from(tmp_path):
    path = saved(tmp_path, "linear", max_steps=8)[8]
    with pytest.raises(
        ConfigError, match=r"resume.schedule=cooldown: the lr of the checkpoint is 0 at step 8, so that"
    ):
        resumed(tmp_path, module("linear", resume={"schedule": "cooldown", "cooldown": 4}), path)


@pytest.mark.parametrize("schedule", ["continue", "restart"])
def test_the_length_of_a_cooldown_needs_a_cooldown(schedule):
    with pytest.raises(ConfigError, match=r"resume.cooldown='20%': counts with resume.schedule=cooldown only; write"):
        validate({"optimizer": "sgd", "resume": {"schedule": schedule, "cooldown": "20%"}})


def test_a_run_that_begins_says_that_nothing_is_resumed(tmp_path):
    with pytest.warns(UserWarning, match=r"resume: has no effect, as the run begins without a checkpoint; write ckpt_"):
        fit(tmp_path, module("linear", resume="restart"), train=data(), max_epochs=1)
    fit(tmp_path, module("linear", resume="continue"), train=data(), max_epochs=1)  # warnings are errors


def test_the_table_has_a_row_for_each_key_of_a_schedule():
    spec = {"optimizer": "sgd", "scheduler": "constant"}
    _, rows = resumed_specs(spec, {**spec, "scheduler": "cosine"}, ResumePolicy())
    assert [row.what for row in rows if row.what.endswith(".shape")] == ["scheduler.main.shape"]
    assert next(row for row in rows if row.what.endswith(".shape"))[1:] == ("constant", "cosine", "cosine")


def test_a_cooldown_needs_optimizers_that_step_together(tmp_path):
    with pytest.warns(UserWarning, match="made for 8 steps, and its optimizer takes about 4"):
        _, run = fit(tmp_path, Gan(n_critic=2), train=data(), max_epochs=2)
    run.save_checkpoint(tmp_path / "end.ckpt")
    rule = (
        r"^resume.schedule=cooldown: the optimizers of the checkpoint have taken 4, 8 steps, and one length is for all"
    )
    again = Gan(n_critic=2)
    again.optim_spec = {"optimizer": NAMES, "scheduler": SCHEDULES, "resume": "cooldown"}
    with pytest.raises(ConfigError, match=rule):
        resumed(tmp_path, again, str(tmp_path / "end.ckpt"))
