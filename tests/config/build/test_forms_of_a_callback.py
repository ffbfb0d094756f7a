"""One form of a spec everywhere: a name, `_target_`, `name`, or the key of an entry, in mappings and lists."""

import pytest

import lit_optim
from lit_optim import ConfigError

FORMS = [
    "swats",
    {"swats": {"at": "50%"}},
    {"_target_": "swats", "at": "50%"},
    {"name": "swats", "at": "50%"},
    {"mine": {"_target_": "swats", "at": "50%"}},
    {"mine": {"name": "swats", "at": "50%"}},
    {"mine": "swats"},
    ["swats"],
    [{"swats": {"at": "50%"}}],
    [{"_target_": "swats", "at": "50%"}],
    {"mine": {"_target_": "lit_optim.callbacks.SWATS", "at": "50%"}},
]


@pytest.mark.parametrize("spec", FORMS, ids=str)
def test_forms_of_a_callback(spec):
    (callback,) = lit_optim.build_callbacks(spec)
    assert type(callback).__name__ == "SWATS"
    assert (str(callback.at and callback.at.amount) != "None") == ("50%" in str(spec))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"mine": "swast"}, "optim_callbacks.mine='swast': no preset of that name; did you mean 'swats'"),
        ({"mine": {"_target_": "swast"}}, "optim_callbacks.mine='swast': no preset of that name; did you mean 'swats'"),
        ({"swats": {"att": "50%"}}, "optim_callbacks.swats.att='50%': SWATS has no argument 'att'; did you mean 'at'"),
        ({"mine": {"at": "50%"}}, "optim_callbacks.mine=.*: not a callback; give a mapping with _target_"),
    ],
)
def test_what_is_no_form_is_rejected(spec, message):
    with pytest.raises(ConfigError, match=message):
        lit_optim.build_callbacks(spec)


@pytest.mark.parametrize("spec", ["no_decay", {"name": "no_decay"}, {"_target_": "no_decay"}, ["no_decay"]], ids=str)
def test_forms_of_param_groups(spec):
    lit_optim.validate({"optimizer": "sgd", "param_groups": spec})
