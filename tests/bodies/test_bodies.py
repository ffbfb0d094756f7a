"""From YAML alone: lr, decay, momentum and optimizer of every parameter at every step, and the weights at the end."""

from contextlib import nullcontext

import pytest
import torch

import bodies.by_module
import bodies.crossed
import bodies.several
import bodies.single  # noqa: F401 - each file registers its bodies
from _support.by_version import needs_muon
from bodies.body import BODIES
from bodies.compare import by_hand, from_yaml

MARKS = {"muon_and_adamw": needs_muon}


@pytest.mark.filterwarnings(
    r"ignore:The epoch parameter in `scheduler.step\(\)`:UserWarning"
)  # torch 2.6, SequentialLR
@pytest.mark.parametrize("name", [pytest.param(name, marks=MARKS.get(name, ())) for name in BODIES])
def test_yaml_trains_as_the_body_does(name, tmp_path):
    body = BODIES[name]
    with pytest.warns(match=body.warns) if body.warns else nullcontext():
        ours = from_yaml(body, tmp_path)
    theirs = by_hand(body, ours.kernels)
    assert len(ours.steps) == len(theirs.steps) > 0
    for t, (mine, wanted) in enumerate(zip(ours.steps, theirs.steps, strict=True)):
        assert mine.keys() == wanted.keys(), t
        for parameter, values in wanted.items():
            assert mine[parameter].optimizer == values.optimizer
            assert mine[parameter][1:3] == pytest.approx(values[1:3], rel=1e-9, abs=1e-14), (t, parameter)
            assert mine[parameter].momentum == pytest.approx(values.momentum), (t, parameter)
    compare = torch.equal if ours.steps == theirs.steps else torch.allclose
    assert [p for p in theirs.weights if not compare(ours.weights[p], theirs.weights[p])] == []
