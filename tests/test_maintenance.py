"""MAINTENANCE.md names every private entrance into torch, Lightning, OmegaConf and Hydra that the code uses, and no other."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TREES = [ast.parse(file.read_text(encoding="utf-8")) for file in (ROOT / "lit_optim").rglob("*.py")]
NODES = [node for tree in TREES for node in ast.walk(tree)]
PRIVATE = re.compile(r"_[A-Za-z]\w*")
# of a NamedTuple; the key that a user's parameter carries; an attribute of the configs of Hugging Face
PUBLIC = {"_asdict", "_fields", "_replace", "_optim", "_name_or_path"}
BY_NAME = {"_internal", "_interrupt", "_sigterm_handler_fn", "_sigterm_notifier_fn"}  # compared as strings


def defined(node):
    """Private names of this package: functions, classes, variables, attributes of self, keys of a ``__dict__``."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self":
        return [node.attr]
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return [node.id]
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) and isinstance(node.slice, ast.Constant):
        return [node.slice.value]
    return []


def used(node):
    """Names that a node reads; of strings, those that getattr gets."""
    if isinstance(node, ast.Attribute):
        return [node.attr]
    if isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "hasattr", "setattr"):
        return [value.value for value in node.args[1:2] if isinstance(value, ast.Constant)]
    return []


def imported(node):
    """Names, and parts of the module's, that a node imports from another package."""
    if isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("lit_optim"):
        return [*(node.module or "").split("."), *(alias.name for alias in node.names)]
    return []


def private(names):
    return {name for name in names if isinstance(name, str) and PRIVATE.fullmatch(name)}


def test_private_entrances_are_those_of_the_table():
    lines = (ROOT / "MAINTENANCE.md").read_text(encoding="utf-8").splitlines()
    rows = [line.split("|") for line in lines if line.startswith("|") and "`_" in line]
    assert all(len(row) == 6 and all(cell.strip() for cell in row[1:5]) for row in rows)
    table = [name for row in rows for name in re.findall(r"`(_\w+)`", row[2])]
    attributes, own, foreign = (private(n for node in NODES for n in of(node)) for of in (used, defined, imported))
    assert {*table} - BY_NAME == (attributes - own | foreign) - PUBLIC
    strings = " ".join(node.value for node in NODES if isinstance(node, ast.Constant) and isinstance(node.value, str))
    assert all(re.search(rf"\b{name}\b", strings) for name in BY_NAME & {*table})
    assert len(table) == len({*table})


def test_files_of_the_table_exist():
    text = (ROOT / "MAINTENANCE.md").read_text(encoding="utf-8")
    for name in re.findall(r"`([a-z_]+/[a-z_/]+(?:\.py)?)`", text):
        assert (ROOT / "lit_optim" / name).exists() or (ROOT / name).exists(), name
