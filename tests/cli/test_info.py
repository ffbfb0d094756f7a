"""``lit-optim info`` of every preset: what it says is true, and the Python that it shows builds the same."""

import contextlib
import inspect
import io
import json
import re
import shlex

import pytest
import torch
from lightning.pytorch import Callback

import lit_optim
from conftest import OPTIMIZERS, SCHEDULERS, preset_names
from lit_optim.cli.config_value import as_config_value
from lit_optim.cli.describe.argument_docs import argument_docs
from lit_optim.cli.describe.keys import keys_of_call
from lit_optim.cli.main import main
from lit_optim.config.capabilities import capabilities
from lit_optim.config.checks.locate import locate
from lit_optim.config.read import presets

GROUPS = ("optimizer", "scheduler", "param_groups", "optim_callbacks")
ALL = [(group, name) for group in GROUPS for name in preset_names(group)]
FLAGS = ("fused", "foreach", "capturable", "differentiable", "params", "name")


def info(name):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert main(["info", name, "--json"]) == 0
    return json.loads(out.getvalue())["presets"]


def only(group, name):
    (found,) = info(f"{group}/{name}")
    return found


def run(code, **names):
    exec(code, names)
    return names


def groups_of(optimizer):
    groups = [{k: v for k, v in group.items() if k not in FLAGS} for group in optimizer.param_groups]
    return [(len(group["params"]), rest) for group, rest in zip(optimizer.param_groups, groups, strict=True)]


def model_for(name):
    needs = capabilities(name)
    if needs.sparse:
        return torch.nn.Embedding(4, 2, sparse=True)
    if needs.hidden_matrices:
        return torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 4))
    return torch.nn.Linear(3, 2, bias=not needs.two_d)


@pytest.mark.parametrize(("group", "name"), ALL)
def test_every_key_has_a_type_and_a_meaning(group, name):
    found = only(group, name)
    absent = group == "optimizer" and name not in OPTIMIZERS
    assert (found["group"], found["name"], found["missing"] is not None) == (group, name, absent)
    assert found["summary"] == lit_optim.presets(group)[name]
    assert [key["key"] for key in found["keys"] if not (key["type"] and key["meaning"])] == []
    assert len({key["key"] for key in found["keys"]}) == len(found["keys"])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_names_its_paper_and_all_arguments(name):
    found = only("optimizer", name)
    assert re.match(r"[A-Z][^\d]+ (19|20)\d\d, [A-Z].{20}", found["paper"]), "authors, year, title"
    code = locate(found["target"], torch.optim.Optimizer, "optimizer").__init__.__code__
    arguments = code.co_varnames[2 : code.co_argcount + code.co_kwonlyargcount]
    by_kwargs = {name for name in presets.load_preset("optimizer", name) if name == "adam_debias"}
    assert {key["key"] for key in found["keys"]} == {*arguments, *by_kwargs}
    named = {key["key"]: key["preset"] for key in found["keys"] if key["in_preset"]}
    assert named == {k: v for k, v in presets.load_preset("optimizer", name).items() if not k.startswith("_")}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_python_of_an_optimizer_builds_what_the_preset_does(name):
    model = model_for(name)
    built = run(only("optimizer", name)["python"], model=model)["optimizer"]
    preset = lit_optim.build_optimizer(name, model)
    assert type(built) is type(preset)
    assert groups_of(built) == groups_of(preset)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_python_of_a_scheduler_gives_the_same_learning_rates(name):
    def optimizer():
        return torch.optim.SGD([torch.zeros(1)], lr=0.1)

    built = run(only("scheduler", name)["python"], optimizer=optimizer())["scheduler"]
    preset = lit_optim.build_scheduler(name, optimizer(), total_steps=10_000)
    steps = (0, 1, 250, 499, 500, 3000, 5000, 7600, 9999, 10_000)
    assert [built.factor(step) for step in steps] == [preset.factor(step) for step in steps]
    assert (built.monitor, built.follows_metric) == (preset.monitor, preset.follows_metric)


@pytest.mark.parametrize("name", preset_names("param_groups"))
def test_python_of_rules_gives_the_same_groups(name):
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.LayerNorm(2), torch.nn.Linear(2, 2))
    if "???" in str(presets.load_preset("param_groups", name)):
        with pytest.raises(lit_optim.ConfigError, match="missing; write e.g."):
            run(only("param_groups", name)["python"], model=model)
        return
    built = run(only("param_groups", name)["python"], model=model)["optimizer"]
    assert groups_of(built) == groups_of(lit_optim.build_optimizer("adamw", model, param_groups=name))


def fields(value):
    """What an object of ours holds, and those that it holds."""
    own = type(value).__module__.startswith("lit_optim.") and hasattr(value, "__dict__")
    return (type(value), {key: fields(each) for key, each in vars(value).items()}) if own else value


@pytest.mark.parametrize("name", preset_names("optim_callbacks"))
def test_python_of_callbacks(name):
    built = run(only("optim_callbacks", name)["python"])["callbacks"]
    preset = lit_optim.build_callbacks(name)
    assert [type(callback) for callback in built] == [type(callback) for callback in preset]
    assert all(isinstance(callback, Callback) for callback in built)
    assert [fields(callback) for callback in built] == [fields(callback) for callback in preset]


@pytest.mark.parametrize(("group", "name"), ALL)
def test_the_command_line_gives_the_preset(group, name):
    python, script, *overrides = shlex.split(only(group, name)["command_line"])
    assert (python, script, overrides[0]) == ("python", "train.py", f"{group}={name}")
    assert lit_optim.compose(overrides)[group] == presets.load_preset(group, name)


DECAY = inspect.signature(torch.optim.SGD).parameters["weight_decay"].annotation  # torch 2.6 takes no tensor
SGD = {  # by hand, from torch's documentation
    "lr": ("float | Tensor", 0.001, 0.1),
    "momentum": ("float", 0, 0.9),
    "dampening": ("float", 0, 0.0),
    "weight_decay": ("float | Tensor" if "Tensor" in str(DECAY) else "float", 0, 1e-4),
    "nesterov": ("bool", False, None),
    "maximize": ("bool", False, None),
    "foreach": ("bool | None", None, None),
    "differentiable": ("bool", False, None),
    "fused": ("bool | None", None, None),
}


def test_types_and_defaults_of_sgd():
    keys = only("optimizer", "momentum")["keys"]
    assert {key["key"]: (key["type"], key["default"], key["preset"]) for key in keys} == SGD


COSINE = {
    "warmup.steps": ("duration", 0, "5%"),
    "warmup.shape": ("str", "linear", "linear"),
    "warmup.start_factor": ("float", None, None),
    "warmup.min_lr": ("float", None, None),
    "main.steps": ("duration", None, None),
    "main.shape": ("str", "constant", "cosine"),
    "main.start_factor": ("float", 1.0, None),
    "main.end_factor": ("float", 0.0, 0.0),
    "main.k": ("float", 1.0, None),
    "main.min_lr": ("float", None, None),
    "cooldown.steps": ("duration", 0, 0),
    "cooldown.shape": ("str", "linear", None),
    "cooldown.start_factor": ("float", None, None),
    "cooldown.end_factor": ("float", 0.0, None),
    "cooldown.min_lr": ("float", None, None),
}


def test_slots_of_warmup_cosine():
    keys = only("scheduler", "warmup_cosine")["keys"]
    slots = {key["key"]: (key["type"], key["default"], key["preset"]) for key in keys if "." in key["key"]}
    assert slots == COSINE
    assert {key["key"] for key in keys} - set(COSINE) >= {"monitor", "mode", "interval", "total_steps", "name"}


def test_lengths_of_shapes_are_durations():
    types = {key["key"]: (key["type"], key["required"]) for key in only("scheduler", "multistep")["keys"]}
    assert types["main.milestones"] == ("list[duration]", True)
    assert {k["key"]: k["type"] for k in only("scheduler", "step")["keys"]}["main.step_size"] == "duration"


def test_a_name_of_several_groups_shows_all(capsys):
    assert [found["group"] for found in info("none")] == ["scheduler", "optim_callbacks"]
    assert main(["info", "none"]) == 0
    assert capsys.readouterr().out.startswith("none is in 2 groups: scheduler, optim_callbacks\n")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("adamww", "did you mean 'adamw'?"),
        ("optimizer/adamx", "did you mean 'optimizer/adamax'?"),
        ("scheduler/adamw", "no preset of that name"),
    ],
)
def test_unknown_names(name, hint, capsys):
    assert main(["info", name]) == 2
    out, err = capsys.readouterr()
    assert (out, hint in err, "Traceback" in err) == ("", True, False)


def test_plain_text_has_a_line_a_key(capsys):
    assert main(["info", "lbfgs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "class   torch.optim.LBFGS" in lines
    assert "needs   closure, one group" in lines
    (history,) = [line for line in lines if line.startswith("history_size")]
    assert history.split()[1:4] == ["int", "100", "10"]
    assert "  python train.py optimizer=lbfgs optimizer.lr=1.0" in lines


def test_the_search_space_is_shown(capsys):
    text = "lr log 1e-4..1; from Schmidt, Schneider & Hennig 2021, arXiv:2007.01547"
    assert only("optimizer", "sgd")["search"] == text
    assert only("optimizer", "any")["search"] is None
    assert main(["info", "sgd"]) == 0
    assert re.search(rf"^ *search +{re.escape(text)}$", capsys.readouterr().out, re.MULTILINE)


def test_a_missing_package_leaves_what_the_file_says(monkeypatch, tmp_path):
    (tmp_path / "optimizer").mkdir()
    (tmp_path / "optimizer" / "far.yaml").write_text("# Far away.\n_target_: not_there.Far\nlr: 1.0  # how far\n")
    (tmp_path / "__init__.py").touch()
    monkeypatch.setattr(presets, "conf_folder", lambda: tmp_path)
    monkeypatch.setattr(presets, "preset_groups", lambda: ("optimizer",))
    monkeypatch.setattr(presets, "preset_names", lambda group: ("far",))
    (found,) = info("far")
    assert "no package 'not_there'" in found["missing"]
    assert [(key["key"], key["preset"], key["meaning"]) for key in found["keys"]] == [("lr", 1.0, "how far")]


@pytest.mark.parametrize(
    ("value", "text"),
    [(1e-10, "1e-10"), (0.001, "0.001"), (1e20, "1e20"), (None, "null"), ((0.5, 1.2), "[0.5, 1.2]"), ("5%", "5%"),
     ({"type": ["norm"]}, "{type: [norm]}"), (False, "false"), (3, "3")],
)  # fmt: skip
def test_values_are_written_as_yaml(value, text):
    assert as_config_value(value) == text


def test_meanings_of_others_come_from_their_docstrings():
    class Theirs:
        """Of another package.

        Arguments are these.

        Args:
            params (iterable): what to optimize
            reach (float, optional): how far it goes,
                and back (default: 2)

        Example:
            >>> Theirs
        """

        def __init__(self, params, reach: float = 2.0, **rest):
            pass

    assert argument_docs(Theirs) == {
        "params": "what to optimize",
        "reach": "how far it goes, and back (default: 2)",
    }
    (key,) = keys_of_call(Theirs, {}, {}, supplied=1)
    assert (key.key, key.default, key.meaning) == ("reach", 2.0, "how far it goes, and back (default: 2)")


def test_presets_side_by_side_with_names_in_any_case(capsys):
    assert main(["info", "AdamW", "optimizer/SGD"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["key", "optimizer/adamw", "optimizer/sgd"] in rows
    assert ["lr", "0.001", "0.01"] in rows
    assert ["momentum", "0.0"] in rows  # which AdamW has not
    assert main(["info", "adamw", "sgdd"]) == 2
    assert "did you mean 'sgd'?" in capsys.readouterr().err
