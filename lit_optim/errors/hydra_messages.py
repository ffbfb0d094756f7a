"""Words what Hydra and OmegaConf reject: one line with the dotted key, the rule, and what to write instead."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lit_optim.errors.wording import cut, did_you_mean, wrong

HYDRA_NOTES = r"\n\s*(?:full_key: |object_type=|Available options|Config search path:|See https:)"

REWORDED = [  # Hydra's text, and ours
    (r".*Could not delete from config\. '(.+?)' does not exist.*", r"~\1: no such key"),
    (
        r".*Could not delete '(.+?)'\. No match in the defaults list.*",
        r"~\1: the app chooses nothing there",
    ),
    (r".*Either remove \+ prefix: '(.+?)'\s.*", r"+\1: the key is there already; write \1, without +"),
    (
        r".*Multiple values for (\S+)\. To override a value use 'override \S+: (.+?)'.*",
        r"\1: chosen twice; write \1=\2 without +, or in a defaults list: override \1: \2",
    ),
    (
        r".*?(\S+) appears more than once in the final defaults list.*",
        r"\1: chosen twice; write \1=NAME without +, or in a defaults list: override \1: NAME",
    ),
    (r"Error parsing override '(.+?)'\s+missing EQUAL.*", r"\1: no value; write \1=VALUE"),
    (
        r"Could not override '.+?'\.\s+Did you mean to override (\S+)\?\s+To append .* use \+(.+=(.+))",
        r"\2: the app's defaults list has no such entry; did you mean \1=\3?",
    ),
    (r".*Could not (?:find|load) '(.+)/'.*", r"\1=: no name"),
    (r".*Could not (?:find|load) '(.+)/([^/]+?)'.*", r"\1=\2: the group has no such name"),
]
GRAMMAR = "mismatched input|no viable alternative|token recognition|NoViableAlt|extraneous input"
NO_NULL = "Config group override must be a string or a list"


def hydra_message(error: BaseException, *, before_main: bool = False) -> str:
    """One line for an error of Hydra or OmegaConf, with the dotted key first; empty for any other error.

    Args:
        error: its causes are read too.
        before_main: Hydra has not called the app yet, so that any error is about the command line.

    Example:
        >>> from omegaconf import OmegaConf
        >>> try:
        ...     OmegaConf.create({"trainer": {"max_epochs": "${epochs}"}}).trainer.max_epochs
        ... except Exception as error:
        ...     print(hydra_message(error))
        trainer.max_epochs='${epochs}': Interpolation key 'epochs' not found
    """
    causes: list[Any] = [error]
    # OmegaConf's error says all; it has its own cause under a debugger or a tracer only
    while causes[-1].__cause__ is not None and not type(causes[-1]).__module__.startswith("omegaconf"):
        causes.append(causes[-1].__cause__)
    rejections: list[Any] = [e for e in causes if type(e).__module__.partition(".")[0] in ("hydra", "omegaconf")]
    notes = (note for cause in causes for note in getattr(cause, "__notes__", ()))  # of Hydra 1.4
    noted = next((note[10:] for note in notes if note.startswith("full_key: ")), None)
    if not rejections and noted is not None:
        return _message_of_called(error, noted)
    if not rejections and NO_NULL in str(error):
        nulls = [word for word in sys.argv[1:] if re.fullmatch(r"[^=.@]+(?:@[^=]*)?=(?:.*,)?null(?:,.*)?", word)]
        if nulls:
            return f"{' '.join(nulls)}: null chooses nothing from a group; write ~GROUP to leave it out, or a name"
    if not rejections:
        return f"{cut(' '.join(sys.argv[1:]))}: {type(error).__name__}: {cut(error)}" if before_main else ""
    last = rejections[-1]
    lines = [line.strip() for rejection in rejections for line in str(rejection).splitlines()]
    key = next(
        (line[10:] for line in reversed(lines) if line.startswith("full_key: ")), getattr(last, "override", None)
    )
    if causes[-1] is not last:  # raised by what Hydra called
        return _message_of_called(last.__cause__, key)
    text = "; ".join(re.split(HYDRA_NOTES, str(rejection))[0] for rejection in rejections)
    if of_line := _of_the_command_line(text, key or ""):
        return of_line
    there = getattr(last, "parent_node", None) or {}
    if added := re.match(r"Could not override '.+'\.\s+To append to your config use \+(.+)", text.partition("; ")[0]):
        return cut(unknown_key(added[1], str(getattr(last, "key", "")), map(str, there), there.get("_target_")))
    for pattern, ours in REWORDED:
        text, found = re.subn(pattern, ours, text, count=1, flags=re.DOTALL)
        key = None if found else key
    if missing := getattr(last, "missing_cfg_file", None):
        group, _, name = missing.rpartition("/")
        text += did_you_mean(name, last.options or _names_in_group(str(last), group), list_all=True)
    elif "is not in struct" in text and "Did you mean" not in text:  # as Hydra 1.4 says by itself
        text += did_you_mean(str(getattr(last, "key", "")), map(str, there), list_all=True)
    value = getattr(last, "child_node", None)
    text = re.sub(r'\w+ raised while resolving interpolation: "?(.*?)"?$', r"\1", text)
    return cut(text if key is None else f"{key}: {text}" if value is None else wrong(key, str(value), text))


def _of_the_command_line(text: str, key: str) -> str:
    """Word what the grammar rejects, and a group that is left out; empty for other errors."""
    # an app that does not use lit_optim imports this module
    from lit_optim.errors.override_grammar import grammar_message, quoted, several_values_message

    if several := re.search(r"Ambiguous value for argument '(.+)'\s+1\. ", text):
        return several_values_message(several[1])
    if "is not in struct" in text and {f"{key}=null", f"~{key}"} & {*sys.argv}:
        return f"{key}: left out on the command line, and the app needs it; write {key}=NAME"
    if not re.search(GRAMMAR, text):
        return ""
    before = sys.argv[sys.argv.index(key) - 1] if key in sys.argv[2:] else ""
    if "=" in before and "=" not in key:
        return f"{key}: no value; if it belongs to {before}, write {quoted(f'{before} {key}')}"
    return grammar_message(key) if "=" in key else ""


def _names_in_group(text: str, group: str) -> set[str]:
    """Find the names of a group in the search path of Hydra's text: for one of a list, Hydra looks for none itself."""
    folders = re.findall(r"path=file://(.+)", text)
    for package in re.findall(r"path=pkg://(.+)", text):
        found = importlib.util.find_spec(package.strip())
        folders += (found.submodule_search_locations if found else None) or []
    return {file.stem for folder in folders for file in Path(folder.strip(), group).glob("*.yaml")}


def _message_of_called(error: BaseException, key: str | None) -> str:
    """Word an error of a class that Hydra has called, for the key of its config."""
    text = str(error) if isinstance(error, (TypeError, ValueError)) else f"{type(error).__name__}: {error}"
    argument = re.search(r"unexpected keyword argument '(\w+)'|^(\w+)=", text)
    if key and argument:
        key, text = f"{key}.{argument[1] or argument[2]}", text.removeprefix(argument[2] or "")
    return cut(text if key is None else f"{key}{text}" if text.startswith("=") else f"{key}: {text}")


def unknown_key(override: str, name: str, there: Iterable[str], target: Any = None) -> str:
    """Word the message about an override of a key that the config has not.

    Args:
        override: as on the command line.
        name: the last part of its key, or the first one that is not there.
        there: the keys beside it.
        target: import path of what the node builds, whose other arguments need a ``+``.

    Example:
        >>> unknown_key("optimizer.lrr=3", "lrr", ["lr", "betas"])
        "optimizer.lrr=3: no such key; did you mean 'lr'?"
        >>> unknown_key("recipie=vit", "recipie", ["optimizer", "seed"])
        "recipie=vit: no such key; did you mean 'recipe'?"
        >>> unknown_key("optimizer.maximize=true", "maximize", ["lr"], "torch.optim.SGD")
        'optimizer.maximize=true: an argument that the config does not set; write +optimizer.maximize=true'
    """
    if target and _takes(str(target), name):
        return f"{override}: an argument that the config does not set; write +{override}"
    keys = [key for key in there if key != "hydra"]
    if "optimizer" in keys and "." not in override.partition("=")[0]:
        keys.append("recipe")  # which no key of the config shows
    near = did_you_mean(name, keys)
    if near:
        return f"{override}: no such key{near}"
    return f"{override}: no such key; to add it write +{override}{did_you_mean('', keys, list_all=True)}"


def _takes(target: str, name: str) -> bool:
    try:
        import pydoc  # slow to import, as is difflib

        return name in inspect.signature(pydoc.locate(target)).parameters  # type: ignore[arg-type]
    except Exception:  # what cannot be imported has an error that says so elsewhere
        return False
