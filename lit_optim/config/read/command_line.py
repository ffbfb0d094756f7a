"""Reads overrides as on Hydra's command line, without Hydra; each value of a list gives one choice."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lit_optim.config.read.plain_containers import to_plain
from lit_optim.config.read.presets import GROUPS, RECIPE, load_preset
from lit_optim.errors import ConfigError, did_you_mean

NUMBERS = ("total_steps", "steps_per_epoch")
TRAINER = "trainer"  # whose max_steps and max_epochs are a length too


@dataclass(frozen=True)
class Choice:
    """Holds one configuration of a sweep.

    Args:
        label: the overrides in which it differs from the others.
        chosen: presets by group, lengths by name; of a recipe its specs.
        overrides: nested, by group.
    """

    label: str
    chosen: Mapping[str, Any]
    overrides: Mapping[str, dict[str, Any]]


def choices(words: Sequence[str]) -> list[Choice]:
    """Return all combinations of the values on a command line.

    Args:
        words: ``optimizer=sgd,adamw``, ``optimizer.lr=0.1``, ``scheduler.warmup={steps: 5%}``, ``total_steps=100``.

    Raises:
        ConfigError: for words that are not overrides, unknown keys, and values that are not YAML.

    Example:
        >>> [(choice.label, choice.overrides) for choice in choices(["scheduler=wsd", "optimizer.lr=0.1,0.01"])]
        [('optimizer.lr=0.1', {'optimizer': {'lr': 0.1}}), ('optimizer.lr=0.01', {'optimizer': {'lr': 0.01}})]
    """
    given: dict[str, list[str]] = {}
    for word in words:
        key, values = _split(word)
        given[key] = values  # as for Hydra, the last one counts
    several = [key for key, values in given.items() if len(values) > 1]
    found = []
    for combination in itertools.product(*given.values()):
        texts = dict(zip(given, combination, strict=True))
        label = ", ".join(texts[key] if key in (*GROUPS, RECIPE) else f"{key}={texts[key]}" for key in several)
        chosen: dict[str, Any] = {}
        overrides: dict[str, dict[str, Any]] = {}
        for key, text in texts.items():
            root, *path = key.split(".")
            if path:
                _put(overrides.setdefault(root, {}), path, _value(text, key), key)
            elif key != RECIPE:
                chosen[key] = _value(text, key)
        if RECIPE in texts:
            chosen |= load_preset(RECIPE, texts[RECIPE])
        found.append(Choice(label, chosen, overrides))
    return found


def _split(word: str) -> tuple[str, list[str]]:
    key, equals, text = word.partition("=")
    key = key.lstrip("+")
    root, dot, _ = key.partition(".")
    if not equals:
        raise ConfigError(f"{word!r}: not an override; write e.g. scheduler=wsd or optimizer.lr=0.1")
    known = (*GROUPS, TRAINER) if dot else (*GROUPS, RECIPE, *NUMBERS)
    if root not in known or "" in key.split("."):
        hint = "" if root == TRAINER else did_you_mean(root, [*GROUPS, RECIPE, *NUMBERS])
        hint = hint or f"; there are: {', '.join((*GROUPS, RECIPE, *NUMBERS))}"
        raise ConfigError(f"{word}: no such key{hint}")
    values = at_commas(text)
    if len(set(values)) < len(values) or (len(values) > 1 and "" in values):
        raise ConfigError(f"{word}: each value must be there, and once")
    return key, values


def at_commas(text: str) -> list[str]:
    """Split a text at the commas outside of brackets and quotes.

    Example:
        >>> at_commas("a,[1,2],'x,y'")
        ['a', '[1,2]', "'x,y'"]
    """
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        depth += 0 if quote else (letter in "[{(") - (letter in "]})")
        if letter == "," and not quote and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def _value(text: str, key: str) -> Any:
    from omegaconf import OmegaConf

    if text[:1] in ("{", "["):
        text = re.sub(r"([\w\]'\"]):(?=[^\s/])", r"\1: ", text)  # Hydra reads {a:1}, and YAML {a: 1}
    try:
        return to_plain(OmegaConf.from_dotlist([f"value={text}"]), key)["value"]
    except ConfigError:
        raise
    except Exception as error:  # of YAML and of OmegaConf's grammar, which share no base
        raise ConfigError(f"{key}={text}: not a value; {' '.join(str(error).split())[:120]}") from None


def _put(inside: dict[str, Any], path: Sequence[str], value: Any, key: str) -> None:
    *parents, last = path
    for name in parents:
        inside = inside.setdefault(name, {})
        if not isinstance(inside, dict):
            raise ConfigError(f"{key}: {name} is given a value besides; keep one of them")
    inside[last] = (
        {**inside[last], **value} if isinstance(inside.get(last), dict) and isinstance(value, dict) else value
    )
