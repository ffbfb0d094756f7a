"""Select parameters by one property: name, module, type, role, dimensions, declaration, or a function."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from typing import Any

from lit_optim.errors import ConfigError, Problems, did_you_mean, wrong
from lit_optim.imports import import_object
from lit_optim.param_groups.named_model import NamedModel, Selected
from lit_optim.param_groups.parameter_type import FAMILIES, is_of_class

Select = Callable[[NamedModel], Selected]
ROLES = ("embedding", "output")
DECLARED = ("no_weight_decay", "_optim")
COMPARE: dict[str, Callable[[int, int], bool]] = {
    "<=": int.__le__, ">=": int.__ge__, "<": int.__lt__, ">": int.__gt__, "": int.__eq__, "==": int.__eq__,
}  # fmt: skip
EXAMPLE = "write e.g. {type: [norm, bias]}, {module: model.head}, {name: '*.gate.*'} or {ndim: '<2'}"


@dataclass(frozen=True)
class Match:
    """A checked `match`.

    Args:
        source: as configured.
        select: selects parameters of a model; appends patterns that match nothing to ``model.unmatched``.
        named: whether it names something of the model - a name, a module, a class - so that it has to match.
        reads_optim: whether it selects by ``declared: _optim``.
    """

    source: Any
    select: Select = field(compare=False, repr=False)
    named: bool = field(default=False, compare=False)
    reads_optim: bool = field(default=False, compare=False)


def _texts(value: Any, key: str, problems: Problems, example: str) -> list[str]:
    words = [value] if isinstance(value, str) else value
    if isinstance(words, (list, tuple)) and words and all(isinstance(word, str) and word for word in words):
        return [*words]
    problems.add(key, value, f"expects a text or a list of texts; write e.g. {example}")
    return []


def _name(value: Any, key: str, problems: Problems) -> Match:
    patterns = {}
    for text in _texts(value, key, problems, "'*.gate.*', or 're:layers\\.[0-9]+\\.' for a regular expression"):
        try:
            patterns[text] = (
                re.compile(text[3:]).search if text.startswith("re:") else re.compile(translate(text)).match
            )
        except re.error as error:
            problems.add(key, text, f"not a regular expression: {error}")

    def select(model: NamedModel) -> Selected:
        return _union(
            model, key, patterns, lambda text: model.where(lambda p: any(patterns[text](s.name) for s in p.places))
        )

    return Match(value, select, named=True)


def _module(value: Any, key: str, problems: Problems) -> Match:
    several = isinstance(value, (list, tuple))
    texts = [str(path) if type(path) is int else path for path in (value if several else [value])]  # of a Sequential
    paths = _texts(texts if several else texts[0], key, problems, "model.head")

    def below(path: str, name: str) -> bool:
        return name == path or name.startswith(f"{path}.")

    def select(model: NamedModel) -> Selected:
        return _union(model, key, paths, lambda path: model.where(lambda p: any(below(path, s.name) for s in p.places)))

    return Match(value, select, named=True)


def _union(model: NamedModel, key: str, words: Any, select: Callable[[str], Selected]) -> Selected:
    """Join what each word selects, and note words that select nothing."""
    found: Selected = set()
    for word in words:
        selected = select(word)
        if not selected:
            plain = word.removeprefix("re:").strip("*.^$\\")
            hint = did_you_mean(plain, model.names) or f"; there are e.g. {', '.join(_some(model.names))}"
            model.unmatched.append(wrong(key, word, f"matches no parameter{hint}"))
        found |= selected
    return found


def _some(names: list[str]) -> list[str]:
    return names[:: max(len(names) // 5, 1)][:5]


def _type(value: Any, key: str, problems: Problems) -> Match:
    words = _texts(value, key, problems, "[norm, bias]")
    classes: dict[str, Any] = {word: word for word in words if word not in FAMILIES}
    for word in classes:
        if "." in word:
            try:
                classes[word] = import_object(word, key)
            except ConfigError as error:
                problems.take(error)
        elif word == word.lower():
            problems.add(key, word, f"no such type{did_you_mean(word, FAMILIES, list_all=True)}")

    tests = [FAMILIES[word] for word in words if word in FAMILIES]

    def select(model: NamedModel) -> Selected:
        families = model.where(lambda p: any(test(p, place) for place in p.places for test in tests))
        by_class: Selected = set()
        for word, cls in classes.items():
            selected = model.where(functools.partial(is_of_class, cls=cls))
            if not selected:
                owners = {type(place.owner).__name__ for p in model.parameters for place in p.places}
                rule = f"owns no parameter directly{did_you_mean(word, owners, list_all=True)}"
                model.unmatched.append(wrong(key, word, rule))
            by_class |= selected
        return families | by_class

    return Match(value, select, named=bool(classes))


def _role(value: Any, key: str, problems: Problems) -> Match:
    roles = _choices(value, key, problems, ROLES)

    def select(model: NamedModel) -> Selected:
        try:
            return set().union(*(model.with_role(role) for role in roles))
        except ConfigError as error:
            raise ConfigError(*(f"{key.removesuffix('role')}{problem}" for problem in error.problems)) from None

    return Match(value, select)


def _declared(value: Any, key: str, problems: Problems) -> Match:
    words = _choices(value, key, problems, DECLARED)
    return Match(
        value, lambda model: set().union(*(model.declared(word) for word in words)), reads_optim="_optim" in words
    )


def _choices(value: Any, key: str, problems: Problems, choices: Sequence[str]) -> list[str]:
    words = _texts(value, key, problems, str(choices[0]))
    for word in words:
        if word not in choices:
            problems.add(key, word, f"no such {key.rpartition('.')[2]}{did_you_mean(word, choices, list_all=True)}")
    return words


def _ndim(value: Any, key: str, problems: Problems) -> Match:
    found = re.fullmatch(r"\s*(<=|>=|<|>|==|)\s*(\d+)\s*", str(value))
    if isinstance(value, bool) or found is None:
        problems.add(key, value, "expects a number of dimensions, or a comparison with one; write e.g. 2 or '<2'")
        return Match(value, lambda _: set())
    compare, number = COMPARE[found[1]], int(found[2])
    return Match(value, lambda model: model.where(lambda p: compare(p.ndim, number)))


def by_function(given: Any, key: str, problems: Problems) -> Select:
    """Select by a function ``(name, parameter, module) -> bool``, or the dotted path of one."""
    test = given
    try:
        test = import_object(given, key) if isinstance(given, str) else given
    except ConfigError as error:
        problems.append(f"{error.problems[0]}; a selector is a mapping, {EXAMPLE}")
        return lambda _: set()
    if not callable(test) or isinstance(test, type):
        problems.add(key, given, "not a function (name, parameter, module) -> bool")

    def select(model: NamedModel) -> Selected:
        try:
            found = model.where(lambda p: any(test(place.name, p.tensor, place.owner) for place in p.places))
        except Exception as error:
            raise ConfigError(wrong(key, given, f"failed with {type(error).__name__}: {error}")) from error
        if not found:
            model.unmatched.append(wrong(key, given, "matches no parameter"))
        return found

    return select


SELECTORS: dict[str, Callable[[Any, str, Problems], Match]] = {
    "name": _name,
    "module": _module,
    "type": _type,
    "role": _role,
    "ndim": _ndim,
    "declared": _declared,
}
