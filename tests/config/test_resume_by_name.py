"""A resume policy by the name of its preset, in the form that other specs have."""

import pytest

from lit_optim import ConfigError
from lit_optim.config.resume_policy import ResumePolicy, read_policy


@pytest.mark.parametrize("key", ["name", "_target_"])
def test_a_name_and_changes(key):
    assert read_policy({key: "stretch"}) == ResumePolicy(schedule="stretch")
    assert read_policy({key: "stretch", "lr": "config"}) == ResumePolicy(schedule="stretch", lr="config")
    assert read_policy({key: "cooldown", "cooldown": "10%"}).cooldown["steps"] == "10%"
    assert read_policy({key: "continue", "lr": "checkpoint"}) == ResumePolicy()


WRONG = [
    ({"name": "strech"}, "resume.name='strech': no preset of that name; did you mean 'stretch'?"),
    ({"name": 3}, "resume.name='3': no preset of that name"),
    ({"name": "stretch", "schedule": "continue"}, "resume.schedule='continue': undoes stretch; write resume=stretch"),
    ({"name": "stretch", "lrr": "config"}, "resume.lrr='config': no such key; did you mean 'lr'?"),
]


@pytest.mark.parametrize(("spec", "message"), WRONG)
def test_wrong_names(spec, message):
    with pytest.raises(ConfigError) as caught:
        read_policy(spec)
    assert str(caught.value).startswith(message)
