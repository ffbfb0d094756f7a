"""How a run has ended, what the optimizer has switched to, and how the record of a resumed run goes on."""

import math
import shutil
from pathlib import Path

import pytest
from lightning.pytorch.callbacks import LearningRateFinder, ModelCheckpoint

from _support.net import BATCHES, fit, loader
from _support.recorded_runs import At, Reference, Seeded, raising, recorded, rows, run_json, without_times
from lit_optim import ConfigError
from lit_optim.callbacks import Record
from lit_optim.callbacks.record.outcome import reason_of_divergence
from lit_optim.config.read.compose import compose_app
from lit_optim.study.record_files import read_record

TOTAL = 3 * BATCHES
EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


class Grows(Seeded):
    """The loss is that of the step."""

    factor, at, back = float("nan"), 7, 10**6

    def loss(self, batch):
        loss = super().loss(batch)
        grown = self.training and self.at <= self.trainer.global_step < self.back
        return loss * self.factor if grown else loss


def growing(factor, at=7, back=10**6):
    return type("Growing", (Grows,), {"factor": factor, "at": at, "back": back})


@pytest.mark.parametrize(
    ("error", "raised", "outcome", "words"),
    [
        (RuntimeError("out of luck\nline 2"), RuntimeError, "crashed", "RuntimeError: out of luck"),
        (KeyboardInterrupt(), SystemExit, "interrupted", "KeyboardInterrupt"),
        (SystemExit(143), SystemExit, "interrupted", "SystemExit: 143"),
        (MemoryError(), MemoryError, "crashed", "MemoryError"),
    ],
)
def test_what_ends_a_fit_is_recorded_and_raised_again(tmp_path, error, raised, outcome, words):
    with pytest.raises(raised):
        fit(tmp_path, recorded(), callbacks=[At(12, raising(error))], enable_checkpointing=False)
    run = run_json(tmp_path)
    assert (run["outcome"], run["error"], run["steps"]) == (outcome, words, 12)
    assert [row["step"] for row in rows(tmp_path / "record" / "steps.csv")] == ["5", "10"]


def test_a_loss_that_is_not_finite_has_diverged(tmp_path):
    _, run = fit(tmp_path, recorded(growing(float("nan"))))
    found = run_json(tmp_path)
    assert (found["outcome"], run.global_step) == ("diverged", TOTAL)
    assert found["divergence"] == {"step": 10, "loss": "nan", "reason": "the loss is nan"}
    losses = [row.loss for row in read_record(tmp_path / "record").steps]
    assert [math.isfinite(loss) for loss in losses] == [True, False, False, False, False]


@pytest.mark.parametrize(("back", "outcome"), [(10**6, "diverged"), (15, "finished")])
def test_a_loss_above_a_multiple_of_the_first_has_diverged_unless_it_comes_back(tmp_path, back, outcome):
    fit(
        tmp_path,
        recorded(
            growing(100.0, back=back),
            settings={"diverged_above": 20},
            scheduler=None,
            optimizer={"_target_": "sgd", "lr": 1e-6},
        ),
    )
    found = run_json(tmp_path)
    assert found["divergence"]["step"] == 10
    assert "more than 20 times the first one" in found["divergence"]["reason"]
    assert found["outcome"] == outcome


def test_a_loss_that_stays_negative_has_not(tmp_path):
    fit(tmp_path, recorded(growing(-100.0, at=0), settings={"diverged_above": 2}))
    assert run_json(tmp_path)["outcome"] == "finished"


@pytest.mark.parametrize(
    ("first", "limit", "words"),
    [
        (2.0, 20.0, "times the first one, 2"),
        (1.0, 10.0, "times the first one, 1"),
        (0.5, 10.0, "(a first loss below 1 counts as 1)"),  # not 5
        (6.686e-07, 10.0, "(a first loss below 1 counts as 1)"),
        (0.0, 10.0, "(a first loss below 1 counts as 1)"),
        (-0.25, 10.0, "(a first loss below 1 counts as 1)"),
        (-3.0, 30.0, "times the size of the first one, -3"),
    ],
)
def test_the_limit_of_a_first_loss(first, limit, words):
    above = limit * 1.001
    assert reason_of_divergence(above, first, 10) == f"the loss is {above:.4g}, more than 10 {words}"
    assert [reason_of_divergence(loss, first, 10) for loss in (limit, 0.9 * limit, -9e9)] == [""] * 3
    assert reason_of_divergence(math.inf, first, 10) == "the loss is inf"


def test_what_has_no_limit():
    assert [reason_of_divergence(3e38, first, math.inf) for first in (0.0, 2.0, -2.0, math.nan)] == [""] * 4
    assert [reason_of_divergence(9e9, first, 10) for first in (math.nan, math.inf, -math.inf)] == [""] * 3
    assert reason_of_divergence(math.nan, 2.0, math.inf) == "the loss is nan"


class NearZero(Seeded):
    """Begins near 0 and grows by design, as a loss of a policy with sparse rewards does; training is sound."""

    size = 1e-6, 1.0

    def loss(self, batch):
        loss = super().loss(batch)
        return loss * self.size[self.trainer.global_step > 0] if self.training else loss


@pytest.mark.parametrize(
    ("late", "above", "outcome", "steps"),
    [(1.0, 10, "finished", TOTAL), (1e3, 10, "diverged", 5), (1e3, math.inf, "finished", TOTAL)],
)
@pytest.mark.filterwarnings("ignore:optim_callbacks.record.stop_diverged")
def test_a_loss_that_begins_near_0_may_grow(tmp_path, late, above, outcome, steps):
    settings = {"stop_diverged": True, "diverged_above": above}
    module = recorded(type("Late", (NearZero,), {"size": (1e-6, late)}), settings=settings, optimizer="adamw")
    _, run = fit(tmp_path, module)
    assert (run_json(tmp_path)["outcome"], run.global_step) == (outcome, steps)


def test_a_command_line_switches_the_limit_off():
    words = ["optim_callbacks=record", "optim_callbacks.record.diverged_above=inf"]
    record = compose_app("train", words, str(EXAMPLES / "conf"))["optim_callbacks"]["record"]
    assert Record(diverged_above=record["diverged_above"]).diverged_above == math.inf


def test_divergence_ends_a_fit_on_demand(tmp_path):
    with pytest.warns(UserWarning, match="record.stop_diverged: step 10: the loss is nan; the fit ends"):
        _, run = fit(tmp_path, recorded(growing(float("nan")), settings={"stop_diverged": True}))
    assert run.global_step == 10
    assert run_json(tmp_path)["outcome"] == "diverged"


def test_the_finite_guard_that_ends_a_run_says_diverged(tmp_path):
    guard = {"finite": {"_target_": "lit_optim.callbacks.FiniteGuard", "policy": "stop"}}
    with pytest.raises(ConfigError):
        fit(tmp_path, recorded(growing(float("nan")), others=guard))
    run = run_json(tmp_path)
    assert (run["outcome"], run["error"].partition(":")[0]) == ("diverged", "NonFiniteError")


STAGES = {"stages": {"head": {"at": 0, "match": {"role": "output"}}, "rest": {"at": 7}}}
SWITCHES = {
    "swats": ("adam", {"_target_": "lit_optim.callbacks.SWATS", "at": 7}, ("SWATS", "adam", "sgd")),
    "switch": ("adamw", {"_target_": "lit_optim.callbacks.Switch", "to": "sgd", "at": 7}, ("Switch", "AdamW", "SGD")),
    "unfreeze": ("adamw", {"_target_": "lit_optim.callbacks.Unfreeze", **STAGES}, ("Unfreeze", "1 of 2 stages", "2 of 2 stages")),
}  # fmt: skip


@pytest.mark.parametrize("first", [True, False], ids=["record first", "record last"])
@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_has_the_first_step_of_what_is_new(tmp_path, name, first):
    optimizer, spec, (callback, before, after) = SWITCHES[name]
    record = {"_target_": "lit_optim.callbacks.Record", "every_n_steps": 5}
    both = [("record", record), (name, spec)]
    saves = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1)
    module = Seeded(optimizer, "constant", optim_callbacks=dict(both if first else both[::-1]))
    fit(tmp_path, module, callbacks=[saves], max_epochs=2)
    switches = [{"step": 8, "callback": callback, "from": before, "to": after}]
    assert run_json(tmp_path)["switches"] == switches
    for step in (6, 7, 9):
        module = Seeded(optimizer, "constant", optim_callbacks=dict(both if first else both[::-1]))
        fit(tmp_path, module, ckpt_path=tmp_path / f"step={step}.ckpt", max_epochs=2, callbacks=[])
        assert run_json(tmp_path)["switches"] == switches


def every_step(folder):
    return ModelCheckpoint(folder, "{step}", every_n_train_steps=1, save_top_k=-1)


@pytest.mark.filterwarnings("ignore:this checkpoint was written at the last batch:UserWarning")
@pytest.mark.parametrize("step", [2, 5, 9, 15, 16, 23])
def test_a_resumed_run_leaves_the_files_of_the_unbroken_one(tmp_path, step):
    options = {"callbacks": [every_step(tmp_path)], "accumulate_grad_batches": 1}
    fit(tmp_path, recorded(), **options)
    unbroken = without_times(tmp_path)
    with (tmp_path / "record" / "steps.csv").open("a") as file:
        file.write("1")  # half a row of a killed run: of step 10, say
    fit(tmp_path, recorded(), ckpt_path=tmp_path / f"step={step}.ckpt", callbacks=[])
    resumed = without_times(tmp_path)
    assert resumed["run.json"].pop("resumed_at") == [step]
    assert unbroken["run.json"].pop("resumed_at") == []
    assert resumed == unbroken
    seconds = [row.seconds for row in read_record(tmp_path / "record").steps]
    assert seconds == sorted(seconds)


def test_a_longer_run_goes_on_from_the_end_of_a_shorter_one(tmp_path):
    fit(tmp_path / "long", recorded(scheduler=None))
    _, run = fit(tmp_path, recorded(scheduler=None), max_epochs=2, callbacks=[every_step(tmp_path)])
    run.save_checkpoint(tmp_path / "end.ckpt")
    fit(tmp_path, recorded(scheduler=None), ckpt_path=tmp_path / "end.ckpt")
    assert [row["step"] for row in rows(tmp_path / "record" / "steps.csv")] == ["5", "10", "15", "16", "20", "24"]
    assert without_times(tmp_path)["metrics.csv"] == without_times(tmp_path / "long")["metrics.csv"]


@pytest.mark.filterwarnings("ignore:this checkpoint was written at the last batch:UserWarning")
def test_the_last_row_of_a_shorter_run_goes_where_its_losses_are_counted_again(tmp_path):
    fit(tmp_path / "long", recorded(scheduler=None))
    fit(tmp_path, recorded(scheduler=None), max_epochs=2, callbacks=[every_step(tmp_path)])
    fit(tmp_path, recorded(scheduler=None), ckpt_path=tmp_path / "step=16.ckpt")
    assert without_times(tmp_path)["steps.csv"] == without_times(tmp_path / "long")["steps.csv"]


def test_a_second_fit_of_a_trainer_goes_on(tmp_path):
    module, run = fit(tmp_path, recorded(scheduler=None), max_epochs=1)
    run.fit_loop.max_epochs = 2
    run.fit(module, loader(), loader(8))
    assert [row["step"] for row in rows(tmp_path / "record" / "steps.csv")] == ["5", "8", "10", "15", "16"]
    assert run_json(tmp_path)["resumed_at"] == [8]
    assert [row["step"] for row in rows(tmp_path / "record" / "metrics.csv")] == ["8", "16"]


def test_a_checkpoint_of_a_run_without_a_record_begins_one_at_its_step(tmp_path):
    fit(tmp_path, Seeded(), callbacks=[every_step(tmp_path)])
    fit(tmp_path, recorded(), ckpt_path=tmp_path / "step=7.ckpt")
    assert [row["step"] for row in rows(tmp_path / "record" / "steps.csv")] == ["10", "15", "20", "24"]
    assert run_json(tmp_path)["resumed_at"] == [7]


def test_a_new_run_replaces_the_record_with_a_warning(tmp_path):
    fit(tmp_path, recorded(), max_epochs=2)
    with pytest.warns(UserWarning, match="the record of an earlier run is replaced; name another folder"):
        fit(tmp_path, recorded(), max_epochs=1)
    assert [row["step"] for row in rows(tmp_path / "record" / "steps.csv")] == ["5", "8"]


def test_one_callback_object_records_one_run_after_another(tmp_path):
    record, lr = Record(every_n_steps=5, diverged_above=20), {"_target_": "sgd", "lr": 1e-6}
    for name, cls in (("a", Seeded), ("b", growing(100.0, at=0))):
        fit(tmp_path / name, cls(lr, None), callbacks=[record], enable_checkpointing=False, max_epochs=1)
        assert run_json(tmp_path / name)["outcome"] == "finished", "whose first loss is its own"


def test_what_a_finder_of_the_lr_trains_is_no_part_of_the_run(tmp_path):
    reference, finder = Reference(), LearningRateFinder(num_training_steps=4, update_attr=False)
    fit(tmp_path, recorded(scheduler=None), callbacks=[finder, reference], enable_checkpointing=False)
    found = read_record(tmp_path / "record")
    assert [row.step for row in found.steps[:2]] == [5, 10]
    assert found.steps[0].loss == pytest.approx(sum(reference.losses[:5]) / 5, rel=1e-6)
    assert found.run["steps"] == len(reference.losses)


@pytest.mark.parametrize(("name", "text"), [("steps.csv", "step,loss\nx,1\n"), ("run.json", '{"format"'), ("metrics.csv", "a\n1\n")])  # fmt: skip
def test_a_damaged_record_does_not_go_on(tmp_path, name, text):
    fit(tmp_path, recorded(), callbacks=[every_step(tmp_path)], max_epochs=1)
    (tmp_path / "record" / name).write_text(text)
    with pytest.raises(ConfigError, match=f"its {name} is damaged, so the record cannot go on; move the folder away"):
        fit(tmp_path, recorded(), ckpt_path=tmp_path / "step=5.ckpt", max_epochs=1)


def test_a_deleted_folder_hides_no_error(tmp_path):
    def act(trainer):
        shutil.rmtree(tmp_path / "record")
        raise RuntimeError("out of luck")

    with (
        pytest.warns(UserWarning, match="the record could not be written to its end"),
        pytest.raises(RuntimeError, match="out of luck"),
    ):
        fit(tmp_path, recorded(), callbacks=[At(12, act)], enable_checkpointing=False)
