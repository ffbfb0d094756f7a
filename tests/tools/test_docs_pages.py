"""The pages of the site that are written from the code: no name, preset or message is without one."""

import ast
import doctest
import importlib
import importlib.util
import pkgutil
import re
from pathlib import Path

import pytest

import docs_pages
import lit_optim
from _support.bad_command_lines import AREAS, CONTRACT
from conftest import preset_names
from docs_pages import api, config_keys, error_kinds, errors, gallery

PACKAGE = Path(lit_optim.__file__).parent
INTERNAL = {"lit_optim.config.pitfalls", "lit_optim.errors"}  # what the doctor calls, and what words messages
ROWS = [(str(typed), message) for area in AREAS for typed, message, *_ in area]


def names_in_all(file):
    """Yield the names of a file's `__all__`, with the dotted path of its package."""
    package = ".".join(file.parent.relative_to(PACKAGE.parent).parts)
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            yield from ((package, name) for name in ast.literal_eval(node.value))


def test_every_public_name_has_a_page():
    pages = api.pages()
    documented = [one.value for one in api.public_names() if f"{api.FOLDER}/{one.path}.rst" in pages]
    found = [pair for file in sorted(PACKAGE.rglob("__init__.py")) for pair in names_in_all(file)]
    public = [(package, name) for package, name in found if package not in INTERNAL]
    assert len(public) > 90
    without = [
        f"{package}.{name}"
        for package, name in public
        if not any(getattr(importlib.import_module(package), name) is value for value in documented)
    ]
    assert without == []


def test_a_name_in_two_packages_is_described_once():
    pages = api.pages()
    assert (
        "autoclass:: lit_optim.optimizers.Lookahead\n   :members:"
        in pages[f"{api.FOLDER}/lit_optim.optimizers.Lookahead.rst"]
    )
    assert (
        "is the same as :py:obj:`lit_optim.optimizers.Lookahead`"
        in pages[f"{api.FOLDER}/lit_optim.averaging.Lookahead.rst"]
    )


def test_every_preset_has_its_keys_on_a_page():
    pages = config_keys.pages()
    for group in ("optimizer", "scheduler", "param_groups", "optim_callbacks", "resume"):
        titles = re.findall(rf"^## {group}=(.*)", pages[f"reference/config/{group}.md"], re.MULTILINE)
        assert titles == preset_names(group)
    assert "| `final_lr` | `0.1` | absolute learning rate of SGD" in pages["reference/config/optimizer.md"]


def test_the_page_of_an_optimizer_has_equation_keys_and_what_was_measured():
    page = gallery.pages()["gallery/optimizer/sgdw.md"]
    for part in (
        "```{math}",
        "python train.py optimizer=sgdw",
        "{py:class}`lit_optim.optimizers.SGDW`",
        "| FSDP2 | yes |",
        "| `weight_decay` |",
    ):
        assert part in page


def test_every_message_has_a_cause_and_a_fix():
    assert len(errors.by_kind([*CONTRACT, *ROWS])) > 30
    with pytest.raises(ValueError, match="no cause and fix of 'a new message'; add a line to KINDS"):
        errors.by_kind([("optimizer.lr=1", "a new message")])


def test_every_cause_is_that_of_a_message():
    assert {*errors.by_kind(ROWS)} == {*error_kinds.KINDS}


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(docs_pages.__path__)])
def test_doctests(name):
    if name == "mathml" and importlib.util.find_spec("latex2mathml") is None:
        pytest.skip("the extra `docs` is not installed")
    assert (
        doctest.testmod(importlib.import_module(f"docs_pages.{name}"), optionflags=doctest.NORMALIZE_WHITESPACE).failed
        == 0
    )
