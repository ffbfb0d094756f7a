from pathlib import Path

import pytest

from lit_optim.study.pairing import repeated_seeds, why_not_paired
from lit_optim.study.plan import Job
from lit_optim.study.record_files import MetricRow, RunRecord
from lit_optim.study.results import RunResult


def run(parameters=None, batch=None):
    return {"start": {"parameters": parameters, "batch": batch}}


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        ({"a": {0: run(1, 5)}, "b": {0: run(1, 5)}, "c": {0: run(1, 5)}}, []),
        ({"a": {0: run(1, 5)}, "b": {1: run(2, 6)}}, []),  # no seed in common
        (
            {"a": {0: run(1, 5)}, "b": {0: run(1, 6)}},
            ["seed 0: the first training batch of a and b differ; seed the order"],
        ),
        ({"a": {0: run(1, 5)}, "b": {0: run(2, 6)}}, ["seed 0: the initial weights of a and b differ; seed the app"]),
        (
            {"a": {0: run(1)}, "b": {0: run(2)}, "c": {0: run(1)}, "d": {0: run(3)}},
            ["seed 0: the initial weights of a, b and d"],
        ),
        ({"a": {7: run(1), 3: run(1)}, "b": {3: run(2), 7: run(2)}}, ["seed 3: the initial", "seed 7: the initial"]),
        (
            {"a": {0: {}}, "b": {0: run(1)}, "c": {0: run(2)}},
            ["seed 0: the initial weights of b and c"],
        ),  # an older record
        ({"a": {0: {}}, "b": {0: {"start": {}}}}, []),
    ],
)
def test_each_seed_is_judged_by_weights_then_by_data(runs, words):
    found = why_not_paired(runs)
    assert len(found) == len(words)
    assert all(text.startswith(word) for text, word in zip(found, words, strict=True))


def final(seed, recorded=None, start=None, value=0.5):
    facts = {"start": start and dict(zip(("parameters", "batch"), start, strict=True)), "seed": recorded}
    given = {key: fact for key, fact in facts.items() if fact is not None}
    record = RunRecord(Path(), given, (), (MetricRow(1, 0, 0.1 * seed, "val/loss", value),))
    return RunResult(Job("a", "seed", 0, seed, {}), "finished", value, record)


@pytest.mark.parametrize(
    ("runs", "repeated"),
    [
        ([final(2, 7, (1, 5)), final(3, 7, (1, 5)), final(4, 7, (1, 5))], {3: 2, 4: 2}),
        ([final(2, 7, (1, 5)), final(3, 7, (1, 5), 0.5000001)], {3: 2}),  # a GPU rounds in another order
        ([final(2, 2, (1, 5)), final(3, 3, (1, 5))], {3: 2}),  # seeded after all is built
        ([final(2, 2, (1, 5)), final(3, 3, (1, 5), 0.6)], {}),  # dropout
        ([final(2, 2, (1, 5)), final(3, 3, (1, 6))], {}),  # fine-tuning, of equal accuracies
        ([final(2, 7, (1, 5)), final(3, 7, (1, 6))], {}),  # a generator of its own for the data
        ([final(2, 2, (1, 5)), final(3, 3, (2, 5))], {}),  # the same data in the same order
        ([final(2, 2, (1, 5)), final(3, 2, (1, 5), 0.6), final(4, 4, (9, 9), 0.7), final(5, 4, (9, 9))], {3: 2, 5: 4}),
        ([final(2, 7), final(3, 7)], {3: 2}),  # an older record
        ([final(2, 2), final(3, 3)], {}),
        ([final(2), final(3)], {}),
        ([final(2, 7, (1, None)), final(3, 7, (1, None))], {3: 2}),  # a batch without tensors
        ([final(2, 2, (1, None)), final(3, 3, (1, None))], {}),
        ([final(2, 7, (1, 5))._replace(record=None), final(3, 7, (1, 5))._replace(record=None)], {}),
    ],
)
def test_a_seed_that_trains_the_run_of_another_again(runs, repeated):
    assert repeated_seeds({each.job.seed: each for each in runs}) == repeated
