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
from _support.pages import blocks, check_overrides, commands
from conftest import preset_names
from docs_pages import api, config_keys, equations, error_kinds, errors, gallery, recipes
from lit_optim.config.read.presets import load_preset

PACKAGE = Path(lit_optim.__file__).parent
# what the doctor calls, what words messages, what the report calls
INTERNAL = {"lit_optim.config.pitfalls", "lit_optim.errors", "lit_optim.study.summarize"}
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


OPTIMIZERS = [name for name in preset_names("optimizer") if name != "any"]  # whose class is the user's


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_has_an_equation_that_is_converted_whole(name):
    pytest.importorskip("latex2mathml", reason="the extra `docs` is not installed")
    from docs_pages.mathml import mathml

    found = re.findall(
        r"^```\{math\}\n(.*?)^```", gallery.equation({"name": name, "target": target(name)}), re.DOTALL | re.MULTILINE
    )
    assert found
    for text in found:
        assert not re.search(
            r"<m\w+[^>]*>(&|&amp;|&#x00026;|&#x0005C;|\\\w*)</m", mathml(text.strip(), display=True)
        ), text


def target(name):
    return load_preset("optimizer", name).get("_target_")


def test_no_equation_is_left_of_a_class_that_is_gone():
    parts = [
        part["optimizer"] for name in OPTIMIZERS for part in load_preset("optimizer", name).get("parts", {}).values()
    ]
    used = {target(name) for name in [*OPTIMIZERS, *parts]}
    assert {*equations.EQUATIONS, *equations.SAME_RULE} <= used


def test_every_recipe_has_a_page_with_its_numbers_and_sources():
    pages = recipes.pages()
    assert [*pages] == ["recipes/index.md", *(f"recipes/{name}.md" for name in preset_names("recipe"))]
    for part in (
        "python train.py recipe=lm +trainer.gradient_clip_val=1.0",
        "| source | nanoGPT",
        "| checked | against several copies of train.py |",
        "| clipping | `+trainer.gradient_clip_val=1.0` |",
        "[optimizer=adamw](../gallery/optimizer/adamw.md)",
        "| `optimizer.lr` | `0.0006` | learning\\_rate; smaller for larger models |",
    ):
        assert part in pages["recipes/lm.md"]
    assert "| clipping | none in the source |" in pages["recipes/vit.md"]
    assert "| [lm](./lm.md) | Pretraining of a language model" in pages["recipes/index.md"]


def test_the_commands_and_the_python_of_recipes_work(tmp_path):
    found = recipes.pages()
    pages = {path: tmp_path / path.replace("/", "_") for path in found}
    for path, file in pages.items():
        file.write_text(found[path], encoding="utf-8")
    for block in blocks(pages["recipes/index.md"]):
        if block.language == "python":
            exec(block.text, {})
    every = [next(commands(file)) for file in pages.values()]
    clipped = [words for words in every if words[-1].startswith("+trainer.")]  # the others are composed in other tests
    assert len(clipped) > 5
    for words in clipped:
        check_overrides(words[2:])


def test_the_choose_page_links_every_recipe():
    text = (PACKAGE.parent / "docs" / "choose.md").read_text(encoding="utf-8")
    assert {*re.findall(r"recipes/(\w+)\.md", text)} == {*preset_names("recipe"), "index"}


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
