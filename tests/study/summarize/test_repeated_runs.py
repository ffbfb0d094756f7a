"""An app that does not use the seed: its final runs are one run, whose copies say nothing of how sure a score is."""

import json
import math
import re
import shutil

import pytest

from _support.fake_comparison import Fake, write_comparison
from lit_optim.cli.report.read import read_study
from lit_optim.study.plan import PLAN
from lit_optim.study.summarize import summarize

WORDS = (
    "no ranking: the seed changes nothing: seed 3 trained the run of seed 2 again, of {}; seed the order of the data: "
    "lightning.seed_everything(cfg.seed, workers=True) before the model and the data are built"
)
SEVEN = {"seed": 7, "start": {"parameters": 7, "batch": 49}}


@pytest.fixture
def folder(tmp_path):
    """Two optimizers, ten standard deviations apart."""
    return write_comparison(tmp_path / "c", (Fake("adam", 0.8), Fake("sgd", 0.75)), seeds=(2, 3, 4))


def changed(folder, name, copied=(), **facts):
    """Change what the final runs of an optimizer have recorded; some are copies of the first, to the bit."""
    for number in range(3):
        place = folder / f"runs/{name}/seed-{number}/record"
        if number in copied:
            shutil.copy(folder / f"runs/{name}/seed-0/record/metrics.csv", place)
        run = json.loads((place / "run.json").read_text())
        (place / "run.json").write_text(json.dumps(run | facts))


def summary_of(folder, *given):
    study = read_study(folder, *given)
    return summarize(study.plan, study.results, study.problems)


def test_runs_of_a_seed_each_are_ranked(folder):
    """The start of those that are fine-tuned has the same weights."""
    for name in ("adam", "sgd"):
        for number in range(3):
            file = folder / f"runs/{name}/seed-{number}/record/run.json"
            file.write_text(re.sub(r'"parameters": [234]\b', '"parameters": 1', file.read_text()))
    found = summary_of(folder)
    assert found.no_ranking == ""
    assert [(each.name, each.place) for each in found.contenders] == [("adam", 1), ("sgd", 2)]


@pytest.mark.parametrize("copied", [(1, 2), ()])  # to the bit; or as a GPU does, with other roundings
def test_copies_of_a_run_are_not_ranked_and_have_no_interval(folder, copied):
    for name in ("adam", "sgd"):
        changed(folder, name, copied, **SEVEN)
    found = summary_of(folder)
    assert found.no_ranking == WORDS.format("adam and sgd") + ", and compare with another --dir"
    assert found.sentences[0] == found.no_ranking
    assert [each.place for each in found.contenders] == [0, 0]
    for each in found.contenders:
        first = each.finals[0].score
        assert (each.mean.center, each.iqm.center) == (first, first)
        assert (each.mean.low, each.iqm.high, each.band[-1].high) == (-math.inf, math.inf, math.inf)
        assert [run.repeats for run in each.finals] == [None, 2, 2]
    assert [pair.verdict for pair in found.comparisons] == ["not compared"]
    assert not any("seeds" in step for step in found.next_steps)


def test_one_optimizer_with_copies_is_enough(folder):
    changed(folder, "sgd", **SEVEN)
    assert summary_of(folder).no_ranking.startswith(WORDS.format("sgd"))


def test_records_without_a_plan(folder):
    """The recorded seeds differ, and change nothing: they are set after all is built."""
    (folder / PLAN).unlink()
    shutil.rmtree(folder / "runs/sgd")
    for trial in folder.glob("runs/adam/trial-*"):
        shutil.rmtree(trial)
    changed(folder, "adam", (1, 2), start=SEVEN["start"])
    found = summary_of(folder, "val/acc", "max")
    assert found.no_ranking == WORDS.format("adam")
    assert found.contenders[0].mean.low == -math.inf
    assert len(found.contenders[0].finals) == 3
