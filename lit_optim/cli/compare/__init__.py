"""``lit-optim compare``: tunes optimizers on your own app with equal budgets, and compares them on fresh seeds.

examples:
  lit-optim compare train.py optimizer=sgd,adam,adamw --dry-run
  lit-optim compare train.py optimizer=sgd,adamw,lookahead trainer.max_epochs=5 --quick
  lit-optim compare train.py optimizer=sgd,adam,adamw --budget 15 --seeds 5 --dir compare
  lit-optim compare train.py optimizer=adamw,muon_adamw hydra/launcher=joblib hydra.launcher.n_jobs=2
  lit-optim compare train.py optimizer=adamw,mine --space 'mine: lr log 1e-4..1e-2; beta linear 0..1'

Each optimizer is tuned over the search space of its preset (`lit-optim info adamw`) by the same number
of trials, each of which runs its full schedule; the best of each is run again with fresh seeds, which
are the same for all. Trials are selected by a validation metric: --metric, else the app's
optimized_metric or monitor. The app is a Hydra app whose module has lit-optim's mixin, with the config
groups optimizer and optim_callbacks, and a key seed. Runs go through Hydra's launcher.
A comparison that was stopped goes on with the same command; what has finished never runs again.
"""  # noqa: D405  # --help shows these lines

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import asdict
from pathlib import Path

from lit_optim.cli.compare.app import ComparedApp, read_app
from lit_optim.cli.compare.contenders import complete
from lit_optim.cli.compare.cost import cost_of_runs, probe
from lit_optim.cli.compare.declaration import declaration_blocks
from lit_optim.cli.compare.declare import check_contenders, check_goes_on, declare, results_there, write_plan
from lit_optim.cli.model import import_path
from lit_optim.cli.rendering import show
from lit_optim.errors import ConfigError, wrong
from lit_optim.run_folder import claim_folder
from lit_optim.study.intervals import student_t
from lit_optim.study.plan import ComparisonPlan
from lit_optim.study.results import OVER, read_results
from lit_optim.study.rounds import first_trials, total_runs

INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    words = "your app, then optimizer=a,b,c and any override of it"
    parser.add_argument("overrides", nargs="*", metavar="SCRIPT | OVERRIDE", help=words)
    tier = parser.add_mutually_exclusive_group()
    tier.add_argument("--quick", action="store_true", help="5 learning rates, 1 seed: to screen, without a ranking")
    tier.add_argument("--paper", action="store_true", help="3 studies of 5 trials, 10 seeds")
    add = parser.add_argument
    add("--budget", type=int, metavar="N", help="trials of each optimizer; default: 15")
    add("--seeds", type=int, metavar="N", help="final runs of each optimizer; default: 5")
    add("--search", choices=("grid", "random"), help="grid over the lr, or quasi-random points; default: random")
    add("--space", action="append", default=[], metavar="'NAME: SPACE'", help="a search space in place of the preset's")
    add("--metric", metavar="NAME", help="validation metric that selects; default: the app's optimized_metric, monitor")
    add("--mode", choices=("min", "max"), help="whether the metric is to fall or to rise; default: the app's")
    add("--test-metric", metavar="NAME", help="metric that scores the final runs; default: that of --metric")
    add("--test-mode", choices=("min", "max"), help="whether that is to fall or to rise; default: as its name says")
    add(
        "--baseline", metavar="NAME", help="optimizer whose best values are the target; default: adamw, adam, the first"
    )
    add("--seed-key", default="seed", metavar="KEY", help="dotted key of the app's seed; default: seed")
    add("--dir", default="compare", metavar="DIR", help="folder of the comparison; default: compare")
    add(
        "--dry-run", action="store_true", help="show spaces, runs and cost, and start none but a few steps of the first"
    )


def run(args: argparse.Namespace) -> int:
    """Declare, run and show a comparison."""
    words, folder = args.overrides, Path(args.dir).absolute()
    student_t()  # the report needs it
    app = read_app(words, args.seed_key)
    with import_path(app.app.import_from):
        plan = declare(args, app, words)
        check_folder(folder, args.dir)
        check_contenders(plan, app)
    if not args.dry_run:
        claim_folder(folder, "--dir")  # first: another comparison that goes on there must lose nothing
    results = results_there(plan, folder)
    check_goes_on(plan, folder, results)
    cost = cost_of_runs(plan, results, app.parallel)
    if cost.seconds is None and args.dry_run:
        cost = probe(plan, app)
    first = complete(first_trials(plan, plan.contenders[0])[0], app, plan.contenders[0], str(folder))
    blocks = declaration_blocks(plan, ["python", str(app.script), *first], app.parallel, cost)
    if args.dry_run:
        data = {"plan": asdict(plan), "runs": total_runs(plan), "parallel": app.parallel, "cost": cost._asdict()}
        show(blocks, data=data, as_json=args.json)
        return 0
    if not args.json:
        show(blocks)
    write_plan(plan, folder, results)
    return _run_and_report(args, plan, app, folder)


def check_folder(folder: Path, typed: str) -> None:
    """Check before any run that a comparison can be written into a folder.

    Raises:
        ConfigError: for a file, for a folder without the permission to write, and for a path that Hydra cannot hold.
    """
    if "${" in str(folder):
        rule = f"Hydra replaces ${{...}} in {folder}; choose a folder without ${{ in its path"
        raise ConfigError(wrong("--dir", typed, rule))
    parent = next(each for each in (folder, *folder.parents) if each.exists() or each.is_symlink())
    if not parent.is_dir():
        raise ConfigError(wrong("--dir", typed, f"{parent} is not a folder; write e.g. --dir compare"))
    if not os.access(parent, os.W_OK | os.X_OK):
        raise ConfigError(wrong("--dir", typed, f"{parent} cannot be written; choose another folder"))


def _run_and_report(args: argparse.Namespace, plan: ComparisonPlan, app: ComparedApp, folder: Path) -> int:
    from lit_optim.cli import report
    from lit_optim.cli.compare.run_comparison import run_comparison

    try:
        run_comparison(plan, app, folder)
    except KeyboardInterrupt:
        over = sum(each.outcome in OVER for each in read_results(folder, plan))
        print(f"\nstopped: {over} of {total_runs(plan)} runs are over; the same command goes on", file=sys.stderr)
        _report_so_far(plan, folder)
        return INTERRUPTED
    except ConfigError:
        _report_so_far(plan, folder)
        raise
    return report.run(argparse.Namespace(folders=[Path(args.dir)], out=None, metric="", mode="", json=args.json))


def _report_so_far(plan: ComparisonPlan, folder: Path) -> None:
    from lit_optim.cli.report import write_summary
    from lit_optim.study.summarize import summarize

    results = read_results(folder, plan)
    if any(each.outcome in OVER for each in results):
        page, *_ = write_summary(summarize(plan, results), folder / "report")
        print(f"what there is so far: {page}", file=sys.stderr)
