"""Finds what is compared: the overrides that choose each optimizer, and the space in which it is tuned."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lit_optim.cli.compare.app import CALLBACKS, ComparedApp
from lit_optim.cli.config_value import as_config_value
from lit_optim.config.read.preset_header import header, search_line
from lit_optim.config.read.presets import preset_names
from lit_optim.errors import ConfigError, did_you_mean
from lit_optim.study.plan import RECORD, Contender, Job, is_of_hydra
from lit_optim.study.search_space import SearchSpace, joined_spaces, parse_search_space, with_whole_lists

OPTIMIZER = "optimizer"


@dataclass(frozen=True)
class Named:
    """Holds what a name on the command line stands for; ``callback`` is '' where it is an optimizer's."""

    optimizer: str
    callback: str
    space: SearchSpace


def find_contenders(app: ComparedApp, given: Sequence[str] = ()) -> tuple[Contender, ...]:
    """Find the contenders of a comparison.

    Args:
        app: with their names.
        given: search spaces of the command line, ``adamw: lr log 1e-4..1e-2``.

    Raises:
        ConfigError: for unknown names, names without a search space, and spaces that are none: all of them.
    """
    problems, found = list[str](), list[Contender]()
    spaces = dict[str, str]()
    for each in given:
        name, colon, text = map(str.strip, each.partition(":"))
        if not colon or name not in app.names:
            hint = did_you_mean(name, app.names, list_all=True) or "; write e.g. 'adamw: lr log 1e-4..1e-2'"
            problems.append(f"--space {each!r}: names none of the optimizers that are compared{hint}")
        spaces[name] = text
    if not app.names:
        problems.append("optimizer=: empty; write the optimizers to compare, e.g. optimizer=sgd,adamw")
    problems += [f"optimizer={name}: named twice" for name in {*app.names} if app.names.count(name) > 1]
    folders = {name: Job(name, "trial", 0, 0, {}).folder for name in app.names}
    for name, other in itertools.combinations(folders, 2):
        if folders[name] == folders[other]:
            rule = f"its runs and those of {other} would be in one folder; rename one of the presets"
            problems.append(f"optimizer={name}: {rule}")
    for name in dict.fromkeys(app.names):
        try:
            found.append(_contender(app, name, spaces.get(name, "")))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(*problems)
    return tuple(found)


def as_named(name: str, optimizers: Mapping[str, str], callbacks: Mapping[str, str], given: str = "") -> Named:
    """Find what a name stands for; a callback that has a search space comes before an optimizer of the same name.

    Args:
        name: as typed.
        optimizers: the text of the search space by the name of a preset; '' where it has none.
        callbacks: likewise.
        given: search space of the command line, in place of the preset's.

    Raises:
        ConfigError: for an unknown name, and for one without a search space.

    Example:
        >>> optimizers = {"sgd": "lr log 1e-4..1", "muon": ""}
        >>> found = as_named("slow", optimizers, {"slow": "optimizer=sgd; slow.k in 5, 10"})
        >>> found.optimizer, found.callback, [str(each) for each in found.space.dimensions]
        ('sgd', 'slow', ['optimizer.lr log 0.0001..1', 'optim_callbacks.slow.k in 5, 10'])
    """
    is_callback = bool(callbacks.get(name))
    if not is_callback and name not in optimizers:
        known = [*optimizers, *(each for each, text in callbacks.items() if text)]
        raise ConfigError(f"optimizer={name}: no preset of that name{did_you_mean(name, known, list_all=True)}")
    text = given or (callbacks if is_callback else optimizers)[name]
    if not text:
        rule = f"its preset declares no search space; write one, e.g. --space '{name}: lr log 1e-4..1e-2'"
        raise ConfigError(f"optimizer={name}: {rule}")
    space = parse_search_space(text, f"--space {name}" if given else f"{name}: search")
    if not is_callback:
        return Named(name, "", space)
    base = space.base or parse_search_space(callbacks[name]).base
    if not optimizers.get(base):
        rule = (
            f"needs `optimizer=NAME` of an optimizer with a search space, e.g. 'optimizer=adam; {space.dimensions[0]}'"
        )
        raise ConfigError(f"optimizer={name}: its search space {rule}")
    if any(each.key == _full_key(each.key) for each in space.dimensions):  # as a plan has it
        return Named(base, name, space)
    return Named(base, name, joined_spaces(parse_search_space(optimizers[base]), space))


def complete(job: Job, app: ComparedApp, contender: Contender, folder: str) -> tuple[str, ...]:
    """Return all overrides of a run, as on the app's command line.

    Args:
        job: with the values to try.
        app: of the comparison.
        contender: of the job.
        folder: absolute path of the comparison.
    """
    keys = {key: f"{app.prefix}{_full_key(key)}" for key in job.values}
    chosen = app.compose(*contender.overrides) if any("[" in key for key in keys) else {}
    values = with_whole_lists({keys[key]: value for key, value in job.values.items()}, chosen)
    record = quoted_path(f"{folder}/{job.folder}/{RECORD}")
    return (
        *(word for word in app.overrides if not is_of_hydra(word)),
        *contender.overrides,
        *(f"{key}={as_config_value(value)}" for key, value in values.items()),
        f"{app.seed_key}={job.seed}",
        f"{app.prefix}{CALLBACKS}.record.folder={record}",
    )


def searched_keys(contender: Contender, prefix: str = "") -> list[str]:
    """Return the app's keys whose values are tried, as Hydra writes them.

    Example:
        >>> searched_keys(Contender("a", (), "lr log 1e-4..1e-2; betas[0] 1-x log 0.02..0.5"))
        ['optimizer.lr', 'optimizer.betas.0']
    """
    space = parse_search_space(contender.space)
    return [prefix + _full_key(each.key).replace("[", ".").removesuffix("]") for each in space.dimensions]


def _contender(app: ComparedApp, name: str, given: str) -> Contender:
    callback_spaces = {each: header(CALLBACKS, each).search for each in preset_names(CALLBACKS)}
    found = as_named(name, _optimizers(app), callback_spaces, given)
    callbacks = dict.fromkeys(["record", *app.callbacks, *([found.callback] if found.callback else [])])
    overrides = (
        f"{app.group(OPTIMIZER)}={found.optimizer}",
        f"{app.group(CALLBACKS)}=[{','.join(callbacks)}]",
        f"{app.prefix}{CALLBACKS}.record.stop_diverged=true",
    )
    text = "; ".join(map(str, found.space.dimensions))
    return Contender(name, overrides, text, "--space" if given else found.space.source)


def _optimizers(app: ComparedApp) -> dict[str, str]:
    """Find the search spaces of our presets, and of those in the app's config folder."""
    folder = app.app.folder / OPTIMIZER
    own = (str(file.relative_to(folder).with_suffix("")) for file in sorted(folder.rglob("*.yaml")))
    return {name: search_line(name, [app.app.folder]) for name in [*preset_names(OPTIMIZER), *own]}


def _full_key(key: str) -> str:
    return key if key.startswith((f"{OPTIMIZER}.", f"{CALLBACKS}.")) else f"{OPTIMIZER}.{key}"


def quoted_path(text: str) -> str:
    r"""Quote a path for Hydra's grammar, where it has characters of it.

    Example:
        >>> print(quoted_path("/data/run-1"), quoted_path("/it's"), quoted_path("/my runs" + chr(92)))
        /data/run-1 '/it\'s' '/my runs\\'
    """
    if re.fullmatch(r"[\w./-]+", text, re.ASCII):
        return text
    escaped = re.sub(r"\\+(?='|$)", lambda found: 2 * found[0], text).replace("'", "\\'")
    return f"'{escaped}'"
