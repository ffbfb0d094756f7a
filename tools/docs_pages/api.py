"""Write one page for each public name, by one template."""

from __future__ import annotations

import functools
import importlib
import inspect
from typing import Any, NamedTuple

from docs_pages.markdown import cell, table, toctree

FOLDER = "reference/python"
PACKAGES = (
    "lit_optim",
    "lit_optim.optimizers",
    "lit_optim.optimizers.compiled",
    "lit_optim.schedules",
    "lit_optim.param_groups",
    "lit_optim.callbacks",
    "lit_optim.averaging",
    "lit_optim.gradients",
)
INHERITED = {"ConfigureOptimizersMixin"}  # what users call is spread over its bases
TEMPLATE = """{name}
{line}

.. currentmodule:: {module}

.. {directive}:: {module}.{name}
{options}
"""
ALIAS = """{name}
{line}

``{module}.{name}`` is the same as :py:obj:`{first}`.
"""


class Name(NamedTuple):
    """A public name: the package that has it, and what it is."""

    module: str
    name: str
    value: Any

    @property
    def path(self) -> str:
        """Return the dotted path."""
        return f"{self.module}.{self.name}"


@functools.cache
def public_names() -> tuple[Name, ...]:
    """List the names of the public packages' ``__all__``."""
    modules = [importlib.import_module(name) for name in PACKAGES]
    return tuple(Name(m.__name__, name, getattr(m, name)) for m in modules for name in m.__all__)


def pages() -> dict[str, str]:
    """Return the page of every public name, one page a package, and the one that lists them."""
    found = {f"{FOLDER}/index.md": _index()}
    first: dict[int, str] = {}
    for one in public_names():
        same = first.setdefault(id(one.value), one.path)
        found[f"{FOLDER}/{one.path}.rst"] = _page(one) if same == one.path else _alias(one, same)
    for package in PACKAGES:
        found[f"{FOLDER}/{package}.md"] = _package(package)
    return found


def _page(one: Name) -> str:
    if inspect.isclass(one.value):
        options = ["members:", "show-inheritance:", *(["inherited-members:"] if one.name in INHERITED else [])]
        directive = "autoexception" if issubclass(one.value, BaseException) else "autoclass"
    else:
        directive, options = ("autofunction" if inspect.isfunction(inspect.unwrap(one.value)) else "autodata"), []
        options += ["no-value:"] if directive == "autodata" else []
    lines = "".join(f"   :{option}\n" for option in options)
    return TEMPLATE.format(**one._asdict(), line="=" * len(one.name), directive=directive, options=lines)


def _alias(one: Name, first: str) -> str:
    return ALIAS.format(**one._asdict(), line="=" * len(one.name), first=first)


def _package(package: str) -> str:
    names = [one for one in public_names() if one.module == package]
    summary = (importlib.import_module(package).__doc__ or "").partition("\n")[0]
    rows = [[f"[{cell(one.name)}](./{one.path}.rst)", cell(_first_line(one.value))] for one in names]
    return f"# {package}\n\n{summary}\n\n{table(['name', 'what it is'], rows)}\n{toctree(one.path for one in names)}"


def _index() -> str:
    rows = [
        [f"[`{p}`](./{p}.md)", cell((importlib.import_module(p).__doc__ or "").partition("\n")[0])] for p in PACKAGES
    ]
    return f"# Python\n\nOne page for each public name.\n\n{table(['package', 'what it holds'], rows)}\n{toctree(PACKAGES)}"


def _first_line(value: Any) -> str:
    own = inspect.isclass(value) or inspect.isfunction(value)
    return (inspect.getdoc(value) or "").partition("\n")[0].replace("`", "") if own else "A type, for annotations."
