"""Declares a comparison: its plan from the command line and the app, checked before the first run."""

from __future__ import annotations

import argparse
import math
import shutil
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import lit_optim
from lit_optim.cli.compare.app import CALLBACKS, ComparedApp, dotted, tuning_seed
from lit_optim.cli.compare.contenders import complete, find_contenders, searched_keys
from lit_optim.cli.compare.metric import choose_metric, mode_of
from lit_optim.errors import ConfigError, did_you_mean, wrong
from lit_optim.study.plan import (
    PLAN,
    ComparisonPlan,
    Contender,
    as_json,
    comparable,
    is_of_hydra,
    read_plan,
    replace_text,
)
from lit_optim.study.results import RunResult, read_results
from lit_optim.study.rounds import SOUND, first_trials

TIERS = {"quick": (5, 0, 1, "grid"), "default": (15, 5, 1, "quasi-random"), "paper": (15, 10, 3, "quasi-random")}
SEARCHES = {"grid": "grid", "random": "quasi-random"}
MAY_DIFFER = ("tier", "baseline", "command", "version", "test_mode")  # without another run
OF_SCORES = ("metric", "mode", "test_metric")


def declare(args: argparse.Namespace, app: ComparedApp, words: Sequence[str]) -> ComparisonPlan:
    """Return the plan of a command line.

    Args:
        args: the options.
        app: whose optimizers are compared.
        words: the script, then overrides, as typed.

    Raises:
        ConfigError: with all that is wrong.
    """
    contenders = find_contenders(app, args.space)
    tier = "quick" if args.quick else "paper" if args.paper else "default"
    budget, seeds, studies, search = TIERS[tier]
    budget = budget if args.budget is None else args.budget
    seeds = seeds if args.seeds is None else args.seeds
    search = SEARCHES[args.search] if args.search else search
    check_numbers(tier, budget, seeds, studies, search)
    metric, mode = choose_metric(app.config, args.metric, args.mode)
    if args.test_mode and not args.test_metric:
        raise ConfigError(wrong("--test-mode", args.test_mode, "is of --test-metric, which is missing; write --mode"))
    given = args.test_mode or (mode if args.test_metric == metric else None)
    test_mode = mode_of(app.config, args.test_metric, given, "--test-mode") if args.test_metric else ""
    seed = tuning_seed(app, words)
    return ComparisonPlan(
        script=str(app.script),
        overrides=app.overrides,
        contenders=contenders,
        metric=metric,
        mode=mode,
        tier=tier,
        search=search,
        budget=budget,
        studies=studies,
        tuning_seed=seed,
        seeds=tuple(range(seed + 1, seed + 1 + seeds)),
        baseline=_baseline(args.baseline, [each.name for each in contenders]),
        test_metric=args.test_metric or "",
        test_mode=test_mode,
        command=("lit-optim", "compare", *words, *typed_options(args)),
        version=lit_optim.__version__,
        config=app.config_hash,
        script_hash=app.script_hash,
    )


def typed_options(args: argparse.Namespace) -> list[str]:
    """Return the options of a command line that choose what is compared, as words."""
    texts = ("budget", "seeds", "search", "metric", "mode", "test_metric", "test_mode", "baseline")
    given = [(name, getattr(args, name)) for name in texts] + [("space", text) for text in args.space]
    given += [("seed_key", args.seed_key)] if args.seed_key != "seed" else []
    flags = [f"--{name}" for name in ("quick", "paper") if getattr(args, name)]
    words = (("--" + name.replace("_", "-"), str(value)) for name, value in given if value is not None)
    return [*flags, *(word for pair in words for word in pair), "--dir", str(args.dir)]


def check_numbers(tier: str, budget: int, seeds: int, studies: int, search: str) -> None:
    """Check the sizes of a comparison.

    Raises:
        ConfigError: with all that is wrong.

    Example:
        >>> check_numbers("default", 15, -1, 1, "grid")
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: --seeds=-1: must be at least 0; write e.g. --seeds 5
    """
    problems = []
    if budget < 1:
        problems.append(wrong("--budget", budget, "must be at least 1 trial of each optimizer; write e.g. --budget 15"))
    elif budget % studies:
        rule = (
            f"must be a multiple of {studies}, the studies of --paper; write e.g. --budget {budget - budget % studies}"
        )
        problems.append(wrong("--budget", budget, rule))
    if seeds < 0:
        problems.append(wrong("--seeds", seeds, "must be at least 0; write e.g. --seeds 5"))
    if tier == "quick" and seeds:
        problems.append(wrong("--seeds", seeds, "--quick has no final runs; leave one of both out"))
    if studies > 1 and search == "grid":
        problems.append("--search=grid: the studies of --paper differ in their points; write --search random")
    if problems:
        raise ConfigError(*problems)


def check_contenders(plan: ComparisonPlan, app: ComparedApp) -> None:
    """Compose and validate the first trial of every contender.

    Raises:
        ConfigError: for what the app's configuration rejects, of all contenders.
    """
    from lit_optim.config.validate import validate

    problems, stop = list[str](), f"{app.prefix}{CALLBACKS}.record.stop_after"
    for each in plan.contenders:
        keys = searched_keys(each, app.prefix)
        typed = [word for word in plan.overrides if any(_sets(word, key) for key in keys)]
        rule = f"is tuned for {each.name}; leave it out, or leave the key out of its space with --space"
        problems += [f"{word}: {rule}" for word in typed]
        try:
            first = complete(first_trials(plan, each)[0], app, each, "/compare")
            config = app.compose(*first[sum(not is_of_hydra(word) for word in app.overrides) :])
            validate(config)
        except ConfigError as error:
            problems += [f"{each.name}: {problem}" for problem in error.problems]
            continue
        if after := dotted(config, stop):
            problems.append(f"{stop}={after}: ends every run early, and a trial runs its full schedule; leave it out")
    if problems:
        raise ConfigError(*dict.fromkeys(problems))


def _sets(word: str, key: str) -> bool:
    """Return whether an override sets a key, or the list that ``optimizer.betas.0`` is an element of."""
    whole, _, last = key.rpartition(".")
    return word.partition("=")[0].lstrip("+~") in (key, whole if last.isdecimal() else key)


def results_there(plan: ComparisonPlan, folder: Path) -> list[RunResult]:
    """Return the runs that a folder holds, as its own plan declares them."""
    return read_results(folder, read_plan(folder) if (folder / PLAN).exists() else plan)


def check_goes_on(plan: ComparisonPlan, folder: Path, results: Sequence[RunResult]) -> None:
    """Check that the runs of a folder, if there are any, are those of a plan.

    Args:
        plan: as declared now.
        folder: of the comparison.
        results: of the runs that are there.

    Raises:
        ConfigError: where they were declared in another way.
    """
    if any(each.outcome in SOUND for each in results):
        old = read_plan(folder)
        if found := plan_differences(old, plan, scored=not all(math.isnan(each.score) for each in results)):
            rule = f"{folder}: holds runs of another comparison; give another --dir, or move the folder away"
            raise ConfigError(rule, *found)


def write_plan(plan: ComparisonPlan, folder: Path, results: Sequence[RunResult]) -> None:
    """Write the plan of a comparison that begins or goes on; where all runs have failed, they are removed.

    Args:
        plan: as declared now.
        folder: of the comparison.
        results: of the runs that are there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not any(each.outcome in SOUND for each in results):  # the app may have been mended
        for each in results:
            shutil.rmtree(folder / each.job.folder)
    replace_text(folder / PLAN, as_json(plan))


def plan_differences(old: ComparisonPlan, new: ComparisonPlan, *, scored: bool) -> list[str]:
    """Return in words what of a comparison that has runs is declared in another way.

    Optimizers and seeds may be added; the metric may change until a run has been scored by it.

    Args:
        old: of the runs.
        new: as declared now.
        scored: whether a run has a score.

    Example:
        >>> from dataclasses import replace
        >>> old = ComparisonPlan("train.py", ("seed=1",), (), "val/loss", "min", budget=5, seeds=(2, 3))
        >>> plan_differences(old, replace(old, budget=6, seeds=(2, 3, 4), tier="paper"), scored=True)
        ['budget: 5 in its plan, 6 now']
        >>> plan_differences(old, replace(old, metric="val/acc"), scored=False)
        []
        >>> plan_differences(replace(old, config="1f"), replace(old, config="2e"), scored=True)
        ["the app's config files have changed since"]
    """
    skipped = {*MAY_DIFFER, "config", "script_hash", "contenders", "seeds", *(() if scored else OF_SCORES)}
    problems = ["the app's config files have changed since"] if old.config not in ("", new.config) else []
    problems += [f"{new.script}: has changed since"] if old.script_hash not in ("", new.script_hash) else []
    for name in (each.name for each in fields(ComparisonPlan) if each.name not in skipped):
        before, now = (comparable(name, getattr(plan, name)) for plan in (old, new))
        if before != now:
            problems.append(f"{name}: {before or 'none'} in its plan, {now or 'none'} now")
    if new.seeds[: len(old.seeds)] != old.seeds:
        problems.append(f"seeds: {len(old.seeds)} in its plan, {len(new.seeds)} now")
    return problems + _changed(old.contenders, new.contenders)


def _changed(old: Sequence[Contender], new: Sequence[Contender]) -> list[str]:
    known = {each.name: each for each in new}
    problems = [f"optimizer={each.name}: in its plan, and not named now" for each in old if each.name not in known]
    for before in old:
        now = known.get(before.name, before)
        for name in ("space", "overrides"):
            if getattr(before, name) != getattr(now, name):
                texts = (comparable(name, getattr(each, name)) for each in (before, now))
                problems.append("{}: {} {} in its plan, {} now".format(before.name, name, *texts))
    return problems


def _baseline(given: str | None, names: Sequence[str]) -> str:
    if given is not None and given not in names:
        hint = did_you_mean(given, names, list_all=True)
        raise ConfigError(f"--baseline={given}: none of the optimizers that are compared{hint}")
    return given or next((name for name in ("adamw", "adam") if name in names), names[0])
