"""Reads the names under which a LightningModule logs from the source of its class."""

from __future__ import annotations

import ast
import inspect
import itertools
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

LIGHTNING = {"lightning", "lightning_fabric", "pytorch_lightning"}
FOREIGN = LIGHTNING | {"lit_optim", "torch", "torchmetrics", "builtins", "abc", "typing"}
ANYTHING = "*"
MODULE = {"self", "pl_module", "module", "model"}  # names of a module in its own hooks and in those of callbacks
LOGGING_HOOKS = ("training_step", "validation_step", "on_train_epoch_end", "on_validation_epoch_end")


@dataclass(frozen=True)
class Logged:
    """The names of the metrics that a module logs.

    Args:
        names: as they are; ``*`` stands for what an f-string fills in.
        unknown: why there may be more, one reason a line.
    """

    names: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def has(self, name: str) -> bool:
        """Return whether ``name`` is one of them.

        Example:
            >>> logged = Logged(("val/loss", "*/acc"))
            >>> logged.has("val/acc"), logged.has("val/los"), logged.has("val/loss/dataloader_idx_1")
            (True, False, True)
        """
        name = re.sub(r"/dataloader_idx_\d+$", "", name)
        return any(re.fullmatch(".+".join(map(re.escape, known.split(ANYTHING))), name) for known in self.names)


def logged_by_all(trainer: Any, module: Any) -> Logged:
    """Read what the classes of a module and of a Trainer's callbacks log.

    Args:
        trainer: whose callbacks may log as ``pl_module``.
        module: a LightningModule.
    """
    read = [logged_by(cls) for cls in (type(module), *map(type, trainer.callbacks))]
    replaced = [f"{name} is set on the module" for name in LOGGING_HOOKS if name in vars(module)]
    return Logged(
        tuple(dict.fromkeys(name for each in read for name in each.names)),
        (*(reason for each in read for reason in each.unknown), *replaced),
    )


def logged_by(cls: type) -> Logged:
    """Read the calls of ``log`` and ``log_dict`` of a module in a class and its bases."""
    names: list[str] = []
    unknown: list[str] = []
    for base in cls.__mro__:
        if base.__module__.partition(".")[0] in FOREIGN:
            continue
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
        except (OSError, TypeError, SyntaxError):
            unknown.append(f"the source of {base.__name__} is not there")
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _method(node) in ("log", "log_dict"):
                found = list(_logged_names(node, cls))
                names += [name for name in found if name != ANYTHING]
                if ANYTHING in found:
                    line = ast.unparse(node)
                    unknown.append(f"{base.__name__}: {line if len(line) <= 60 else line[:57] + '...'}")
        unknown += [f"{base.__name__}: {text}" for text in _handed_on(tree)]
    return Logged(tuple(dict.fromkeys(names)), tuple(dict.fromkeys(unknown)))


def _method(call: ast.Call) -> str:
    """Return the name of a method that is called on a module; empty for other calls."""
    match call.func:
        case ast.Attribute(value=ast.Name(id=owner), attr=name) if owner in MODULE:
            return name
        case ast.Attribute(value=ast.Attribute(attr="lightning_module" | "pl_module"), attr=name):
            return name
    return ""


def _logged_names(call: ast.Call, cls: type) -> Iterator[str]:
    """Yield the names of one call, with those that Lightning derives from a name for steps and epochs."""
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    nodes: list[ast.expr | None] = [call.args[0] if call.args else keywords.get("name", keywords.get("dictionary"))]
    if _method(call) == "log_dict":
        match nodes[0]:
            case ast.Dict(keys=keys):
                nodes = keys
            case ast.DictComp(key=key):
                nodes = [key]
            case _:
                nodes = [None]
    forked = any(name in keywords and getattr(keywords[name], "value", True) for name in ("on_step", "on_epoch"))
    for text in (text for node in nodes for text in _texts(node, cls)):
        yield text
        if forked and text != ANYTHING:
            yield from (f"{text}_step", f"{text}_epoch")


def _texts(node: ast.expr | None, cls: type) -> list[str]:
    """Return what a text may be: literals, f-strings, sums, choices, and texts that are attributes of the class."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.IfExp(body=body, orelse=orelse):
            return _texts(body, cls) + _texts(orelse, cls)
        case ast.FormattedValue(value=value):
            return _texts(value, cls)
        case ast.Attribute(value=ast.Name(id="self"), attr=name):
            value = inspect.getattr_static(cls, name, None)
            return [value] if isinstance(value, str) else [ANYTHING]
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            parts = [left, right]
        case ast.JoinedStr(values=parts):
            pass
        case _:
            return [ANYTHING]
    return ["".join(texts) for texts in itertools.product(*(_texts(part, cls) for part in parts))]


def _handed_on(tree: ast.AST) -> Iterator[str]:
    """Yield the calls that get the module as an argument, or its ``log``, and what is written by hand."""
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Name) and node.func.id == "super"):
            given = [*node.args, *(keyword.value for keyword in node.keywords)]
            if any(isinstance(argument, ast.Name) and argument.id == "self" for argument in given):
                yield f"{ast.unparse(node.func)} is given the module, and may log"
        match node:
            case ast.Attribute(value=ast.Name(id=owner), attr="log" | "log_dict") if owner in MODULE:
                if id(node) not in called:
                    yield f"{ast.unparse(node)} is handed on"
            case ast.Subscript(value=ast.Attribute(attr="callback_metrics"), ctx=ast.Store()):
                yield f"{ast.unparse(node)} is written"
