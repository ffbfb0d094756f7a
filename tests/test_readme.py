"""The README names what there is, and nothing else."""

import re
from pathlib import Path

from conftest import CONF, TESTED, UNTESTED, preset_names
from lit_optim.config.read.preset_header import header

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")


def row(group):
    return re.search(rf"^\| `{group}` \| (.*) \|$", README, re.MULTILINE)[1]


def test_every_optimizer_is_in_the_table_and_nothing_else():
    lists = {"torch": [], "lit_optim": [], "compiled": []}
    for name in TESTED:
        kind = name.rpartition("/")[0] or header("optimizer", name).package
        lists.get(kind, []).append(name)
    assert [part.partition(": ")[2].split(", ") for part in row("optimizer").split("; ")] == [*lists.values()]
    ours = [name for names in lists.values() for name in names]
    others = re.search(
        r"^\| `optimizer` of other packages \| .*?: (.*); untested.*?: (.*); and `any` \|$", README, re.MULTILINE
    )
    assert others[1].split(", ") == [name for name in TESTED if name not in ours]
    assert re.sub(r" \(.*?\)", "", others[2]).split(", ") == UNTESTED


def test_every_schedule_is_in_the_table():
    named = set(re.findall(r"\w+", row("scheduler").partition(" - and")[0]))
    assert named == {name.removeprefix("warmup_") for name in preset_names("scheduler")}


def test_groups_and_callbacks_are_in_the_table():
    for group in ("param_groups", "optim_callbacks"):
        assert all(name in row(group) for name in preset_names(group))
    groups = {folder.name for folder in CONF.iterdir() if folder.is_dir() and not folder.name.startswith("_")}
    assert set(re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE)) == groups


def test_pictures_and_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (Path(__file__).resolve().parents[1] / target).exists(), target
