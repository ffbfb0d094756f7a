"""The names under which a LightningModule logs, read from the source of its class."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

FOREIGN = {"lightning", "pytorch_lightning", "lit_optim", "torch", "torchmetrics", "builtins", "abc", "typing"}
ANYTHING = "*"


@dataclass(frozen=True)
class Logged:
    """What is logged.

    Args:
        names: as they are; ``*`` stands for what an f-string fills in.
        unknown: why there may be more, one reason a line.
    """

    names: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def has(self, name: str) -> bool:
        """Whether ``name`` is one of them.

        Example:
            >>> logged = Logged(("val/loss", "*/acc"))
            >>> logged.has("val/acc"), logged.has("val/los"), logged.has("val/loss/dataloader_idx_1")
            (True, False, True)
        """
        name = re.sub(r"/dataloader_idx_\d+$", "", name)
        return any(re.fullmatch(".+".join(map(re.escape, known.split(ANYTHING))), name) for known in self.names)


def logged_by(cls: type) -> Logged:
    """Reads ``self.log`` and ``self.log_dict`` of a class and of those it derives from."""
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
                found = list(_names(node, cls))
                names += [name for name in found if name != ANYTHING]
                if ANYTHING in found:
                    line = ast.unparse(node)
                    unknown.append(f"{base.__name__}: {line if len(line) <= 60 else line[:57] + '...'}")
        unknown += [f"{base.__name__}: {text}" for text in _handed_on(tree)]
    return Logged(tuple(dict.fromkeys(names)), tuple(dict.fromkeys(unknown)))


def _method(call: ast.Call) -> str:
    function = call.func
    own = isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "self"
    return function.attr if own and isinstance(function, ast.Attribute) else ""


def _names(call: ast.Call, cls: type) -> Iterator[str]:
    """The names of one call, with those that Lightning makes of a name for steps and epochs."""
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    first = call.args[0] if call.args else keywords.get("name", keywords.get("dictionary"))
    if _method(call) == "log":
        found = _texts(first, cls)
    elif isinstance(first, ast.Dict):
        found = [text for key in first.keys for text in _texts(key, cls)]
    elif isinstance(first, ast.DictComp):
        found = _texts(first.key, cls)
    else:
        found = [ANYTHING]
    forked = any(name in keywords and getattr(keywords[name], "value", True) for name in ("on_step", "on_epoch"))
    for text in found:
        yield text
        if forked and text != ANYTHING:
            yield from (f"{text}_step", f"{text}_epoch")


def _texts(node: ast.expr | None, cls: type) -> list[str]:
    """What a text may be: literals, f-strings, sums, choices, and texts that are attributes of the class."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.IfExp):
        return _texts(node.body, cls) + _texts(node.orelse, cls)
    if isinstance(node, ast.FormattedValue):
        return _texts(node.value, cls)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
        value = inspect.getattr_static(cls, node.attr, None)
        return [value] if isinstance(value, str) else [ANYTHING]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [a + b for a in _texts(node.left, cls) for b in _texts(node.right, cls)]
    if isinstance(node, ast.JoinedStr):
        texts = [""]
        for part in node.values:
            texts = [a + b for a in texts for b in _texts(part, cls)]
        return texts
    return [ANYTHING]


def _handed_on(tree: ast.AST) -> Iterator[str]:
    """Calls that are given the module itself, and may log in its name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Name) and node.func.id == "super"):
            given = [*node.args, *(keyword.value for keyword in node.keywords)]
            if any(isinstance(argument, ast.Name) and argument.id == "self" for argument in given):
                yield f"{ast.unparse(node.func)} is given the module, and may log"
