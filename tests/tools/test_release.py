"""What a release is compared with, and what is written for it."""

from pathlib import Path

import pytest

import release

ROOT = Path(__file__).resolve().parents[2]
READY = {
    release.INIT: '__version__ = "0.2.0"\n',
    release.CHANGELOG: "# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2026-11-27\n\n### Added\n- a\n",
    release.CITATION: "cff-version: 1.2.0\nversion: 0.2.0\n",
    release.PROJECT: "[project.urls]\n",
}
METADATA = """Metadata-Version: 2.4
Name: lit-optim
Version: 0.2.0
License-Expression: MIT
Project-URL: Repository, https://example.org/x
Description-Content-Type: text/markdown

# lit-optim
"""


def test_a_tree_that_is_ready():
    assert release.problems(READY, "", ["v0.1.0", "before"], "") == []


@pytest.mark.parametrize(
    ("change", "changed", "tags", "problem"),
    [
        ({}, " M README.md", [], "the working tree has changes; commit them first:\n M README.md"),
        ({}, "", ["v0.2.0"], "lit_optim/__init__.py: 0.2.0 is not newer than the tag v0.2.0"),
        ({}, "", ["v0.10.0", "v0.9.0"], "lit_optim/__init__.py: 0.2.0 is not newer than the tag v0.10.0"),
        ({release.CHANGELOG: "## [Unreleased]\n\n## [0.2.0]\n- a"}, "", [], "its newest section is not '## [0.2.0] - <date>'"),
        ({release.CHANGELOG: "## [Unreleased]\n\n## [0.1.0] - 2026-01-01\n- a"}, "", [], "its newest section is not '## [0.2.0]"),
        ({release.CHANGELOG: "## [Unreleased]\n- b\n\n## [0.2.0] - 2026-11-27\n- a"}, "", [], "[Unreleased] has entries"),
        ({release.CITATION: "version: 0.1.0\n"}, "", [], "CITATION.cff: its version is not 0.2.0"),
        ({release.PROJECT: "# [project.urls]: later\n"}, "", [], 'Issues = "https://host.org/me/lit/issues"'),
    ],
)  # fmt: skip
def test_what_a_tree_lacks(change, changed, tags, problem):
    (found,) = release.problems({**READY, **change}, changed, tags, "git@host.org:me/lit.git")
    assert problem in found


def test_a_version_that_is_none():
    wrong = release.problems({**READY, release.INIT: '__version__ = "0.2"\n'}, "", [], "")
    assert "__version__='0.2' is not a version like 0.2.0" in wrong[0]


def test_prepare_makes_this_tree_ready_but_for_its_address():
    files = {name: (ROOT / name).read_text(encoding="utf-8") for name in READY}
    prepared = {**files, **release.prepared(files, "9.8.7", "2026-12-01")}
    problems = release.problems(prepared, "", [], "https://host.org/me/lit")
    assert problems == [] if "[project.urls]\n" in files[release.PROJECT] else len(problems) == 1
    before, after = (release.sections(each[release.CHANGELOG]) for each in (files, prepared))
    assert after["9.8.7"] == ("2026-12-01", before["Unreleased"][1])
    assert after["Unreleased"] == ("", "")


@pytest.mark.parametrize(
    ("version", "changelog"),
    [("0.2", "- a"), ("01.0.0", "- a"), ("0.2.0", "- a\n\n## [0.2.0] - 2026-01-01"), ("0.3.0", "")],
)
def test_prepare_rejects(version, changelog):
    with pytest.raises(ValueError, match=f"{version}: not a version|nothing under"):
        release.prepared({**READY, release.CHANGELOG: f"## [Unreleased]\n{changelog}\n"}, version, "2026-12-01")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("", "", None),
        ("Version: 0.2.0", "Version: 0.1.0", "Version: 0.1.0, and lit_optim/__init__.py says 0.2.0"),
        ("License-Expression: MIT", "License-Expression: none such", "none such"),
        ("text/markdown", "text/plain", "Description: missing, or not text/markdown"),
        ("# lit-optim\n", "", "Description: missing"),
        ("https://example.org/x", "somewhere", "Project-URL: somewhere"),
        ("# lit-optim\n", "[start](docs/start.md)\n", "Description: ](docs/start.md) leads nowhere"),
    ],
)
def test_metadata_that_an_index_rejects(old, new, problem):
    wrong = release.metadata_problems(METADATA.replace(old, new, 1).encode(), "0.2.0")
    assert [problem in text for text in wrong] == ([] if problem is None else [True])


def test_prepare_writes_the_address_once():
    files = {**READY, release.CHANGELOG: "## [Unreleased]\n- a\n", release.PROJECT: "# [project.urls]: later\n\n[x]\n"}
    project = release.prepared(files, "0.3.0", "2026-12-01", "https://host.org/me/lit.git")[release.PROJECT]
    assert project.startswith(
        '[project.urls]\nRepository = "https://host.org/me/lit"\nIssues = "https://host.org/me/lit/issues"'
    )
    assert project.endswith("\n\n[x]\n")
    for address, before in (("host.org/me/lit", files[release.PROJECT]), ("https://host.org/me/lit", project)):
        with pytest.raises(ValueError, match=f"{address}: does not begin"):
            release.prepared({**files, release.PROJECT: before}, "0.3.0", "2026-12-01", address)


def test_links_of_the_readme_on_a_package_index():
    pytest.importorskip("hatchling", reason="hatchling is among the tools of .venv only")
    from hatch_build import readme_of_package

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    linked = readme_of_package(readme, "https://host.org/me/lit", "v0.2.0")
    assert "](https://host.org/me/lit/blob/v0.2.0/docs/start.md)" in linked
    assert "](https://host.org/me/lit/raw/v0.2.0/examples/schedules.png)" in linked
    for text in (linked, readme_of_package(readme, "", "v0.2.0")):
        assert not release.RELATIVE.findall(text)
