"""The files by which a project is joined and cited: workflows, issue forms, citation."""

import re
from pathlib import Path

import pytest
import yaml

import lit_optim
from lit_optim.config.read.presets import preset_groups

ROOT = Path(__file__).resolve().parents[1]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
WORKFLOWS = {file.stem: yaml.safe_load(file.read_text()) for file in (ROOT / ".github/workflows").glob("*.yml")}
FORMS = {file.stem: yaml.safe_load(file.read_text()) for file in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")}
PYTHONS = re.findall(r'Python :: (3\.\d+)"', PROJECT)


def steps(workflow):
    return [step for job in WORKFLOWS[workflow]["jobs"].values() for step in job["steps"]]


def commands(job):
    """The commands of a job, with each value of its matrix."""
    for step in job["steps"]:
        for versions in job.get("strategy", {}).get("matrix", {}).get("versions", [""]):
            yield step.get("run", "").replace("${{ matrix.versions }}", versions)


def test_the_workflows():
    assert {"lint", "tests", "docs", "wheel"} <= {*WORKFLOWS}


@pytest.mark.parametrize("workflow", sorted(WORKFLOWS))
def test_a_workflow_calls_targets_that_exist(workflow):
    for job in WORKFLOWS[workflow]["jobs"].values():
        assert job["timeout-minutes"] <= 60
        called = [command.partition("make ")[2].split(" ") for command in commands(job) if command]
        assert all(called)
        for target in (word for words in called for word in words if re.fullmatch("[a-z-]+", word)):
            assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target


@pytest.mark.parametrize("workflow", sorted(WORKFLOWS))
def test_a_workflow_only_reads(workflow):
    assert WORKFLOWS[workflow]["permissions"] == {"contents": "read"}
    for step in steps(workflow):
        assert re.fullmatch(r"actions/[a-z-]+@v\d+", step.get("uses", "actions/none@v1"))


def test_every_python_with_the_oldest_and_the_newest_versions():
    matrix = WORKFLOWS["tests"]["jobs"]["quick"]["strategy"]["matrix"]
    assert matrix == {"python": PYTHONS, "versions": ["oldest", "newest"]}
    assert f'requires-python = ">={PYTHONS[0]}"' in PROJECT
    assert re.findall(r"minor := (.*)", MAKEFILE) == [
        PYTHONS[0],
        PYTHONS[-1],
    ]  # what `minor=` on the command line replaces
    single = {
        str(step["with"]["python-version"])
        for name in WORKFLOWS
        for step in steps(name)
        if "python" in str(step.get("with"))
    }
    assert single - {"${{ matrix.python }}"} <= {*PYTHONS}


@pytest.mark.parametrize("form", ["bug", "preset"])
def test_an_issue_form(form):
    assert {"name", "description", "body"} <= {*FORMS[form]}
    fields = {field["id"]: field for field in FORMS[form]["body"]}
    assert len(fields) == len(FORMS[form]["body"])
    assert all(field["attributes"]["label"] for field in fields.values())


def test_forms_ask_for_the_doctor_and_for_groups_that_exist():
    doctor, group = (FORMS[form]["body"][0] for form in ("bug", "preset"))
    assert "lit-optim doctor" in doctor["attributes"]["label"]
    assert doctor["validations"]["required"]
    assert {*preset_groups()} <= {*group["attributes"]["options"]}


def test_the_citation():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= {*citation}  # what the format requires
    assert citation["cff-version"] == "1.2.0"
    assert all(author.get("name") or author.get("family-names") for author in citation["authors"])
    assert (citation["title"], citation["version"], citation["license"]) == ("lit-optim", lit_optim.__version__, "MIT")
    assert citation["abstract"].removesuffix(".") in PROJECT


def test_urls_are_addresses():
    urls = re.findall(r'^\w+ = "(.*)"$', PROJECT.partition("[project.urls]\n")[2].partition("\n[")[0], re.MULTILINE)
    assert all(url.startswith("https://") and "example" not in url for url in urls)
