import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import preset_names
from lit_optim.config.read import presets
from lit_optim.config.read.preset_header import header
from lit_optim.errors import ConfigError
from lit_optim.study.search_space import Dimension, joined_spaces, parse_search_space, with_whole_lists

NOT_ALONE = {"any"}  # no optimizer yet
WITH_SPACE = [name for name in preset_names("optimizer") if header("optimizer", name).search]
CONTENDERS = ["lookahead", "swats"]


def preset_value(preset, key):
    for word in re.findall(r"\w+", key):
        preset = preset[int(word)] if word.isdigit() else preset[word]
    return preset


def inside(dimension, value):
    if dimension.choices:
        return value in dimension.choices
    place = 1 - value if dimension.complement else value
    return dimension.low * (1 - 1e-9) <= place <= dimension.high * (1 + 1e-9)


def test_every_optimizer_that_trains_alone_has_a_space():
    assert {*preset_names("optimizer")} - {*WITH_SPACE} == NOT_ALONE


@pytest.mark.parametrize("name", WITH_SPACE)
def test_every_default_lies_in_its_space_which_has_a_source(name):
    space = parse_search_space(header("optimizer", name).search, name)
    preset = presets.load_preset("optimizer", name)
    for dimension in space.dimensions:
        assert inside(dimension, preset_value(preset, dimension.key)), (name, str(dimension))
        assert inside(dimension, dimension.value(0.0))
        assert inside(dimension, dimension.value(1.0))
    assert space.dimensions[0].log  # what a grid goes over, and what is extended
    assert re.search(r"arXiv:\d{4}\.\d{5}|^no published space: decades around the default$|README", space.source)
    assert not space.base


@pytest.mark.parametrize("name", CONTENDERS)
def test_a_callback_names_its_optimizer_and_what_is_tried_of_itself(name):
    space = parse_search_space(header("optim_callbacks", name).search)
    preset = presets.load_preset("optim_callbacks", name)
    assert all(inside(dimension, preset_value(preset, dimension.key)) for dimension in space.dimensions)
    joined = joined_spaces(parse_search_space(header("optimizer", space.base).search), space)
    assert joined.dimensions[0].key == "optimizer.lr"
    assert joined.dimensions[-1].key.startswith(f"optim_callbacks.{name}.")


def test_a_weight_decay_of_a_preset_is_tuned():
    for name in WITH_SPACE:
        decay = presets.load_preset("optimizer", name).get("weight_decay", 0.0)
        assert ("weight_decay" in header("optimizer", name).search.partition("; from ")[0]) == (decay > 0), name


VALUES = [
    (Dimension("lr", 1e-4, 1e-2, log=True), 0.0, 1e-4),
    (Dimension("lr", 1e-4, 1e-2, log=True), 0.25, 3.162e-4),
    (Dimension("lr", 1e-4, 1e-2, log=True), 1.0, 1e-2),
    (Dimension("alpha", 0.2, 0.8), 0.5, 0.5),
    (Dimension("betas[0]", 0.02, 0.5, log=True, complement=True), 0.0, 0.98),
    (Dimension("betas[0]", 0.02, 0.5, log=True, complement=True), 1.0, 0.5),
    (Dimension("betas[0]", 0.02, 0.5, log=True, complement=True), 0.5, 0.9),
    (Dimension("k", choices=(5, 10, 20)), 0.34, 10),
]


@pytest.mark.parametrize(("dimension", "share", "value"), VALUES)
def test_values(dimension, share, value):
    assert dimension.value(share) == value
    assert inside(dimension, value)


ranges = st.tuples(st.floats(1e-8, 0.4), st.floats(1.01, 2.0)).map(lambda pair: (pair[0], pair[0] * pair[1]))


@given(ranges, st.booleans(), st.booleans(), st.floats(0, 1), st.floats(0, 1))
def test_values_lie_in_the_range_and_are_monotonic(ends, log, complement, one, two):
    dimension = Dimension("x", *ends, log=log, complement=complement)
    low, high = sorted([one, two])
    assert all(inside(dimension, dimension.value(share)) for share in (low, high))
    first, second = dimension.value(low), dimension.value(high)
    assert first >= second if complement else first <= second


@given(
    st.lists(st.sampled_from(VALUES[::2]).map(lambda case: case[0]), min_size=1, unique_by=lambda each: each.key),
    st.text("ab :;", max_size=9),
)
def test_a_space_is_read_as_it_is_written(dimensions, source):
    text = "; ".join(map(str, dimensions)) + f"; from {source}"
    assert (parse_search_space(text).dimensions, parse_search_space(text).source) == (tuple(dimensions), source)


@pytest.mark.parametrize(
    ("entry", "rule"),
    [
        ("lr lgo 1..2", "not an entry; write e.g. `lr log 1e-4..1e-2`"),
        ("lr log 1", "not an entry"),
        ("lr log -1..2", "not an entry"),
        ("k in 5", "not an entry"),
        ("lr log 2..2", "2 is not below 2"),
        ("lr log 0..1", "a logarithm begins above 0"),
        ("betas[0] 1-x log 0.1..2", "1-x lies between 0 and 1"),
        ("ok linear 0..2", "named twice"),
    ],
)
def test_wrong_entries(entry, rule):
    with pytest.raises(ConfigError, match=re.escape(f"adam: search={entry!r}: {rule}")):
        parse_search_space(f"ok linear 0..1; {entry}", "adam: search")


def test_all_problems_at_once_and_no_entry():
    with pytest.raises(ConfigError) as caught:
        parse_search_space("a b c; lr log 2..1; x log 1..2")
    assert len(caught.value.problems) == 2
    with pytest.raises(ConfigError, match="search='from nowhere': not an entry"):
        parse_search_space("from nowhere")
    with pytest.raises(ConfigError, match="search='': no entry"):
        parse_search_space("")


def test_lists_are_whole():
    preset = {"betas": [0.9, 0.999], "parts": {"adamw": {"betas": [0.9, 0.95]}}}
    values = {"betas[1]": 0.99, "lr": 0.1, "betas[0]": 0.8, "parts.adamw.betas[1]": 0.98}
    assert with_whole_lists(values, preset) == {"betas": [0.8, 0.99], "lr": 0.1, "parts.adamw.betas": [0.9, 0.98]}
    assert preset["betas"] == [0.9, 0.999]
