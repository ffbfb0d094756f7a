"""``lit-optim list``: names, patterns, columns, JSON."""

import json

import pytest

import lit_optim
from conftest import CONF, SCHEDULERS, preset_names
from lit_optim.cli.main import main
from lit_optim.config.read import presets
from lit_optim.config.read.preset_header import header

GROUPS = ("optimizer", "scheduler", "param_groups", "optim_callbacks", "resume", "recipe")


def entries(capsys, *arguments):
    assert main(["list", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)["presets"]


def test_everything_is_listed_as_the_files_say(capsys):
    found = entries(capsys)
    assert [(entry["group"], entry["name"]) for entry in found] == [(g, n) for g in GROUPS for n in preset_names(g)]
    for entry in found:
        assert entry["summary"] == lit_optim.presets(entry["group"])[entry["name"]]
        assert entry["needs"] == presets.preset_needs(entry["group"], entry["name"])
        assert entry["target"] == presets.load_preset(entry["group"], entry["name"]).get("_target_", entry["target"])


PATTERNS = [
    (["radam"], ["compiled/radam", "radam", "radamw", "schedule_free_radam"]),  # a part of the name
    (["adam?"], ["adamw"]),
    (["*grad"], ["adagrad", "amsgrad"]),
    (["[lx]*s"], ["lars", "lbfgs"]),
    (["optimizer/sgd"], ["sgd", "sgdw"]),
    (["warmup_p", "--group", "scheduler"], ["warmup_plateau", "warmup_polynomial"]),
    (["none"], ["none", "none"]),
]


@pytest.mark.parametrize(("arguments", "names"), PATTERNS)
def test_patterns(arguments, names, capsys):
    assert [entry["name"] for entry in entries(capsys, *arguments)] == names


@pytest.mark.parametrize(("group", "names"), [("optimizer", preset_names("optimizer")), ("scheduler", SCHEDULERS)])
def test_one_group(group, names, capsys):
    assert main(["list", "--group", group]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "package", "needs", "summary"]
    assert [line.split()[0] for line in lines] == names


def test_lines_of_several_groups_begin_with_the_group(capsys):
    assert main(["list", "no*"]) == 0
    _, *lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [
        "scheduler/noam",
        "scheduler/none",
        "param_groups/no_decay",
        "param_groups/no_decay_1d",
        "optim_callbacks/none",
    ]


def test_columns_are_aligned_and_nothing_is_cut(capsys):
    assert main(["list", "--group", "optimizer"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    at = head.index("summary")
    assert [line[at:] for line in lines] == list(lit_optim.presets("optimizer").values())
    lbfgs = next(line for line in lines if line.startswith("lbfgs"))
    assert lbfgs[head.index("needs") : at].strip() == "closure, one group"


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["adamz"], "list 'adamz': no preset of that name; did you mean 'adam'?"),
        (["warmup_cosin*e*x", "--group", "scheduler"], "did you mean 'warmup_cosine'?"),
        (["sgd", "--group", "scheduler"], "no preset of that name"),
    ],
)
def test_no_match(arguments, hint, capsys):
    assert main(["list", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert hint in err


HEADERS = [
    ("optimizer", "adagrad", "torch.optim.Adagrad", ()),
    ("optimizer", "lbfgs", "torch.optim.LBFGS", ("closure", "one group")),
    ("scheduler", "warmup_step", "lit_optim.ScheduleLR", ()),
    ("param_groups", "no_decay", "", ()),
    ("optim_callbacks", "schedule_report", "lit_optim.callbacks.ScheduleReport", ()),
    ("optim_callbacks", "none", "", ()),
]


@pytest.mark.parametrize(("group", "name", "target", "needs"), HEADERS)
def test_headers(group, name, target, needs):
    found = header(group, name)
    assert (found.target, found.needs, found.package) == (target, needs, target.partition(".")[0] or "lit_optim")


def test_a_long_paper_goes_on_in_the_next_line():
    assert header("optimizer", "adagrad").paper == (
        "Duchi, Hazan & Singer 2011, Adaptive Subgradient Methods for Online Learning and Stochastic Optimization, JMLR 12"
    )


@pytest.mark.parametrize("name", preset_names("optimizer"))
def test_every_optimizer_preset_has_a_line_with_its_paper(name):
    second = (CONF / "optimizer" / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[1]
    assert second.startswith("# paper: ")


def test_groups_are_the_folders():
    assert presets.preset_groups() == GROUPS
