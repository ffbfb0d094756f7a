"""The keys layers and mup: what is taken, and every mistake by its text."""

import pytest

from lit_optim import ConfigError
from lit_optim.param_groups.depth import Layers
from lit_optim.param_groups.factor_keys import read_layers, read_mup
from lit_optim.param_groups.mup import Mup


def test_values():
    assert read_layers({"decay": "7.5e-1", "min": 0}) == Layers(0.75)
    assert read_layers({"decay": 1, "of": None}) == Layers(1)
    assert read_layers({"decay": 1, "of": 0}) == read_layers({"decay": 1, "of": "0"}) == Layers(1, of="0")
    assert read_mup({"base_width": 64.0, "width": 64}, "x") == Mup(64, 64)


@pytest.mark.parametrize(
    ("read", "spec", "problems"),
    [
        (read_layers, 0.75, ["param_groups.layers=0.75: a mapping; write e.g. {decay: 0.75}"]),
        (read_layers, {"decay": "???"}, ["param_groups.layers.decay: missing; write e.g. {decay: 0.75}"]),
        (read_layers, {}, ["param_groups.layers.decay: missing; write e.g. {decay: 0.75}"]),
        (read_layers, {"decay": 0}, ["param_groups.layers.decay=0: a number above 0, at most 1; write e.g. 0.75"]),
        (read_layers, {"decay": True}, ["param_groups.layers.decay=True: a number above 0, at most 1; write e.g. 0.75"]),
        (read_layers, {"decay": float("nan")}, ["param_groups.layers.decay=nan: a number above 0, at most 1; write e.g. 0.75"]),
        (read_layers, {"decay": 0.5, "min": -0.1, "of": ["a"]}, [
            "param_groups.layers.of=['a']: the path of a submodule; write e.g. model.encoder",
            "param_groups.layers.min=-0.1: a number from 0 to 1",
        ]),
        (read_layers, {"decay": 0.5, "minimum": 0.1}, ["param_groups.layers.minimum=0.1: no such key; did you mean 'min'?"]),
        (read_mup, {"width": 2.5, "base": 4}, [
            "param_groups.mup.base=4: no such key; did you mean 'base_width'?",
            "param_groups.mup.base_width: missing; write e.g. {base_width: 256, width: 1024}",
            "param_groups.mup.width=2.5: a whole number, 1 or more",
        ]),
        (read_mup, {"width": 0, "base_width": float("inf")}, [
            "param_groups.mup.base_width=inf: a whole number, 1 or more",
            "param_groups.mup.width=0: a whole number, 1 or more",
        ]),
    ],
)  # fmt: skip
def test_mistakes(read, spec, problems):
    with pytest.raises(ConfigError) as error:
        read(spec)
    assert list(error.value.problems) == problems
