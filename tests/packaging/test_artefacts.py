"""What is in the wheel and in the sdist, read from the archives."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

CHECKOUT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


def files(*folders: str) -> set[str]:
    found = (file for folder in folders for file in (CHECKOUT / folder).rglob("*") if file.is_file())
    return {file.relative_to(CHECKOUT).as_posix() for file in found if "__pycache__" not in file.parts}


@pytest.fixture(scope="session")
def in_wheel(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="session")
def metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return archive.read(name).decode()


def test_the_wheel_holds_every_preset(in_wheel):
    assert {f"lit_optim/{file}" for file in files("conf")} <= in_wheel


def test_the_wheel_holds_the_package_and_its_types(in_wheel):
    modules = {file for file in files("lit_optim") if not file.startswith("lit_optim/_hydra_plugin/")}
    assert "lit_optim/py.typed" in modules
    assert modules <= in_wheel


def test_the_plugin_lies_in_hydras_namespace(in_wheel):
    plugin = {name for name in in_wheel if name.startswith("hydra_plugins/")}
    assert plugin == {f"hydra_plugins/lit_optim/{name}.py" for name in ("__init__", "job_sweeper", "searchpath")}


def test_the_wheel_holds_nothing_else(in_wheel):
    assert {name.partition("/")[0].partition("-")[0] for name in in_wheel} == {"lit_optim", "hydra_plugins"}


def test_metadata(metadata):
    lines = metadata.splitlines()
    required = [line.partition(": ")[2] for line in lines if line.startswith("Requires-Dist") and "extra" not in line]
    names = {requirement.partition(">")[0].partition("<")[0] for requirement in required}
    assert names == {"hydra-core", "lightning", "omegaconf", "torch", "torchmetrics"}
    assert {"Name: lit-optim", "License-Expression: MIT", "Requires-Python: >=3.10"} <= set(lines)


def test_the_requirements_allow_what_is_tested_at_both_ends(metadata):
    requires = [Requirement(line[15:]) for line in metadata.splitlines() if line.startswith("Requires-Dist: ")]
    core = {requirement.name: requirement.specifier for requirement in requires if requirement.marker is None}
    for line in (CHECKOUT / "constraints-oldest.txt").read_text().splitlines():
        name, _, version = line.partition("==")
        assert name not in core or core[name].contains(version), line
    for name, version in (
        ("hydra-core", "1.3.2"),
        ("hydra-core", "1.4.0.dev1"),
        ("torch", "2.14.1"),
        ("lightning", "2.6.6"),
    ):
        assert core[name].contains(version, prereleases=True)
    for name, version in (("torch", "2.5.1"), ("lightning", "2.3.3"), ("hydra-core", "1.3.1"), ("hydra-core", "1.5.0")):
        assert not core[name].contains(version)


def test_the_sdist_holds_what_a_wheel_is_built_from(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert files("conf", "lit_optim") | {"pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE"} <= names
