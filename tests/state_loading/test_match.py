"""The pure function: names decide where every state goes, whatever the order of groups and declarations."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lit_optim import ConfigError
from lit_optim.state_loading.compatible_state import check_state_dict
from lit_optim.state_loading.expected_state import FirstState
from lit_optim.state_loading.match_by_name import LiveParameter, match

SHAPES = [(2,), (3, 2), (2, 3), ()]


def anything(group, p, exact=False):
    return FirstState(None, frozenset())


def problems_of(state_dict, live):
    try:
        check_state_dict(state_dict, live, anything, strict=True)
    except ConfigError as error:
        return error.problems
    return ()


@st.composite
def partitions(draw):
    """Names in groups, once as saved and once as declared now: groups and their members in other orders."""
    names = draw(st.lists(st.text("abc.", min_size=1, max_size=4), min_size=1, max_size=8, unique=True))
    cuts = sorted(draw(st.sets(st.integers(1, len(names)), max_size=3)) | {len(names)})
    groups = [names[a:b] for a, b in zip([0, *cuts], cuts, strict=False) if a < b]
    saved = [draw(st.permutations(group)) for group in draw(st.permutations(groups))]
    live = [draw(st.permutations(group)) for group in draw(st.permutations(groups))]
    return saved, live


def state_of(saved, shapes, *, natively):
    """A state dict whose every value says which parameter it is of; ids are no positions."""
    flat = [name for group in saved for name in group]
    ids = {name: 7 * i + 3 for i, name in enumerate(flat)}
    state = {ids[name]: {"name": name, "exp_avg": torch.zeros(shapes[name])} for name in flat}
    groups = [{"lr": group[0], "params": [ids[name] for name in group]} for group in saved]
    if natively:
        groups = [{**group, "param_names": list(names)} for group, names in zip(groups, saved, strict=True)]
        return {"state": state, "param_groups": groups}
    return {"state": state, "param_groups": groups, "param_names": [list(group) for group in saved]}


@given(partitions(), st.booleans(), st.data())
def test_states_and_groups_follow_their_names(both, natively, data):
    saved, live = both
    shapes = {name: data.draw(st.sampled_from(SHAPES)) for group in saved for name in group}
    state = state_of(saved, shapes, natively=natively)
    kept = copy.deepcopy(state)
    here = [[LiveParameter((name,), torch.zeros(shapes[name])) for name in group] for group in live]
    found = check_state_dict(state, here, anything, strict=True)
    # slow and plain: what torch does with the result, one parameter after the other
    for group, names in zip(found["param_groups"], live, strict=True):
        (source,) = [old for old in saved if set(old) == set(names)]
        assert group["lr"] == source[0]
        for i, name in zip(group["params"], names, strict=True):
            assert found["state"][i]["name"] == name
        assert group.get("param_names", names) == names
    assert str(state) == str(kept), "the caller's is not changed"
    again = check_state_dict(found, here, anything, strict=True)
    assert again == found, "the second time nothing moves"


@given(partitions(), st.data())
def test_a_name_on_one_side_only_is_listed(both, data):
    saved, live = both
    shapes = {name: (2,) for group in saved for name in group}
    flat = [name for group in live for name in group]
    other = data.draw(st.sampled_from(flat))
    here = [[LiveParameter((name + "x" if name == other else name,), torch.zeros(2)) for name in g] for g in live]
    (problem,) = problems_of(state_of(saved, shapes, natively=False), here)
    assert problem == f"its parameters have other names: {other} only in the state, {other}x only in the model"


@given(partitions(), st.data())
def test_shapes_are_compared_whether_names_are_known_or_not(both, data):
    saved, _ = both
    flat = [name for group in saved for name in group]
    shapes = {name: data.draw(st.sampled_from(SHAPES)) for name in flat}
    now = {name: data.draw(st.sampled_from(SHAPES)) for name in flat}
    known = data.draw(st.booleans())
    here = [[LiveParameter((name,) if known else (), torch.zeros(now[name])) for name in group] for group in saved]
    problems = problems_of(state_of(saved, shapes, natively=False), here)
    wrong = [name for name in flat if shapes[name] != now[name] and shapes[name] != ()]  # a number may be of any
    assert len(problems) == len(wrong)
    for problem, name in zip(problems, wrong, strict=True):
        assert f"{shapes[name]}, and should have {now[name]}" in problem
        assert not known or problem.startswith(f"{name}: ")


def names(*groups):
    return [[LiveParameter((name,) if isinstance(name, str) else name, torch.zeros(1)) for name in g] for g in groups]


def saved(*groups, **more):
    ids = iter(range(99))
    return {"param_groups": [{"params": [next(ids) for _ in g]} for g in groups], "param_names": [*map(list, groups)], **more}  # fmt: skip


@pytest.mark.parametrize(
    ("there", "here", "params"),
    [
        ([["_orig_mod.a", "b"]], [["b", "a"]], [[1, 0]]),
        ([["a", "b"]], [["_orig_mod.b", "_orig_mod.a"]], [[1, 0]]),
        ([["module.a", "module.b"]], [["b", "a"]], [[1, 0]]),  # DistributedDataParallel
        ([["a", "b"]], [["module.b", "module.a"]], [[1, 0]]),
        ([["module.a", "module.b"]], [["module.b", "module.a"]], [[1, 0]]),
        ([["b", "in"]], [[("in", "out"), "b"]], [[1, 0]]),  # a shared parameter has several names
        ([["b", "out"]], [[("in", "out"), "b"]], [[1, 0]]),
        ([["a"], [], ["b"]], [["b"], ["a"], []], [[1], [0], []]),
    ],
)
def test_spellings(there, here, params):
    assert [group["params"] for group in match(saved(*there), names(*here))] == params


@pytest.mark.parametrize(
    ("there", "here", "words"),
    [
        ([["a", "b"], ["c"]], [["a"], ["b", "c"]], "[2, 1] parameters in its param groups, and this one [1, 2] (in other groups: b)"),
        ([["a", "b"], ["c", "d"]], [["a", "c"], ["b", "d"]], "(in other groups: c, b)"),
        ([["a"], []], [["a"]], "[1, 0] parameters in its param groups, and this one [1]"),
        ([["a", ""]], [["b", "c"]], "a in place of b"),
        ([["", ""]], [["b"]], "[2] parameters in its param groups, and this one [1]"),
        ([["a", "b"]], [[("a", "b"), "c"]], "b only in the state, c only in the model"),
        ([[*"abcdefgh"]], [[*"stuvwxyz"]], "a, b, c, d, e and 3 more only in the state, s, t, u, v, w and 3 more only in the model"),
    ],
)  # fmt: skip
def test_what_does_not_match(there, here, words):
    with pytest.raises(ConfigError) as caught:
        match(saved(*there), names(*here))
    (problem,) = caught.value.problems
    assert words in problem


def test_positions_count_where_names_are_unknown_or_torch_has_matched_them():
    assert match(saved(["", "b"]), names(["a", "b"])) == [{"params": [0, 1]}]
    distributed = {
        "param_groups": [{"params": ["head.a", "head.b"]}]
    }  # names in the whole model, of a part's optimizer
    assert match(distributed, names(["a", "b"])) == distributed["param_groups"]
    distributed = {"param_groups": [{"params": ["b", "a"]}]}
    assert match(distributed, names(["a", "b"])) == [{"params": ["a", "b"]}]


@pytest.mark.parametrize(
    ("state_dict", "words"),
    [
        ({"state": {}}, "has the keys 'state' and 'param_groups'"),
        (3, "has the keys 'state' and 'param_groups'"),
        ({"state": [], "param_groups": []}, "'state' is a list, and should be a mapping"),
        ({"state": {}, "param_groups": {}}, "are no list of mappings"),
        ({"state": {}, "param_groups": [{"lr": 1}]}, "has no list 'params'"),
        ({"state": {}, "param_groups": [{"params": [[0]]}]}, "neither numbers nor names"),
        ({"state": {0: 3}, "param_groups": [{"params": [0]}]}, "of type int, and should be a mapping"),
        ({"state": {5: {}}, "param_groups": [{"params": [0]}]}, "a parameter that is in none of its groups (5)"),
    ],
)
def test_what_is_no_state_dict(state_dict, words):
    (problem,) = problems_of(state_dict, names(["a"]))
    assert words in problem


def test_a_message_does_not_list_hundreds():
    many = {i: {"exp_avg": torch.zeros(3)} for i in range(300)}
    state = {"state": many, "param_groups": [{"params": [*range(300)]}]}
    problems = problems_of(state, [[LiveParameter((), torch.zeros(2))] * 300])
    assert len(problems) == 11
    assert problems[-1] == "and 290 more like these"


def test_a_known_name_in_another_place_is_an_error_where_others_are_unknown():
    a, b = LiveParameter(("a",), torch.zeros(2)), LiveParameter((), torch.zeros(2))
    saved = {"state": {}, "param_groups": [{"params": [0]}, {"params": [1]}], "param_names": [["a"], [""]]}
    assert match(saved, [[a], [b]]) == saved["param_groups"]
    with pytest.raises(ConfigError, match="^its parameters have other names: a in another place$"):
        match(saved, [[b], [a]])
