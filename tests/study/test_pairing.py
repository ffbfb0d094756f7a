import pytest

from lit_optim.study.pairing import why_not_paired


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
