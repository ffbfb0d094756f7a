"""``lit-optim report``: what a comparison, or any recorded runs, show.

examples:
  lit-optim report compare/
  lit-optim report multirun/ --metric val/acc --mode max
  lit-optim report compare/ later/ --out both/
  lit-optim report compare/ --json

DIR is the folder of `lit-optim compare`, or any folder with runs of optim_callbacks=record. In DIR/report are
written: index.html (one file that needs no network), report.md, report.png, runs.csv (a row a run), summary.csv (a row
an optimizer), comparisons.csv (a row a pair). A comparison that is not over gets a report of its part. Runs without a
declared comparison are shown, and not ranked: how often each optimizer was tuned is not known of them.
"""  # noqa: D405  # --help shows these lines

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from lit_optim.cli.rendering import Block, Heading, Table, show
from lit_optim.cli.report.markdown import report_lines, result_table
from lit_optim.cli.report.read import read_study, why_no_answer
from lit_optim.cli.report.tables import comparison_rows, contender_rows, for_json, run_rows, write_csv
from lit_optim.errors import ConfigError
from lit_optim.study.summarize import Study, join_studies, summarize
from lit_optim.study.summary import Summary

FILES = ("index.html", "report.png", "report.md", "runs.csv", "summary.csv", "comparisons.csv")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("folders", nargs="+", metavar="DIR", type=Path, help="of a comparison, or with recorded runs")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where to write; default: DIR/report")
    parser.add_argument("--metric", default="", help="of runs without a plan: the metric to compare by")
    parser.add_argument("--mode", default="", choices=("min", "max"), help="of runs without a plan")


def run(args: argparse.Namespace) -> int:
    """Write the report, and show what it says."""
    if len(args.folders) > 1 and args.out is None:
        raise ConfigError("--out: missing; several folders are joined into one report, name a folder for it")
    studies = _studies(args.folders, args.metric, args.mode)
    study = join_studies(studies)
    summary = summarize(study.plan, study.results, study.problems)
    files = write_summary(summary, args.out or args.folders[0] / "report")
    if problems := [*chain(*map(why_no_answer, args.folders, studies))]:
        print(f"what there is so far: {files[0]}", file=sys.stderr)
        raise ConfigError(*problems)
    show(_blocks(summary, files), data=_data(summary, files), as_json=args.json)
    return 0


def _studies(folders: Sequence[Path], metric: str, mode: str) -> list[Study]:
    """Read all folders; those of equal names go by their paths."""
    studies = [read_study(folder, metric, mode) for folder in folders]
    names = [study.folder for study in studies]
    return [
        study._replace(folder=folder.as_posix()) if names.count(study.folder) > 1 else study
        for folder, study in zip(folders, studies, strict=True)
    ]


def write_summary(summary: Summary, folder: Path) -> list[Path]:
    """Write all files of a report.

    Args:
        summary: what they show.
        folder: is made.

    Returns:
        The files, the page first.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {folder}: no folder can be made there ({error.strerror}); name another") from error
    (folder / "report.md").write_text("\n".join(report_lines(summary)) + "\n", encoding="utf-8")
    write_csv(folder / "runs.csv", run_rows(summary))
    write_csv(folder / "summary.csv", contender_rows(summary))
    write_csv(folder / "comparisons.csv", comparison_rows(summary))
    from lit_optim.cli.report.page import write_page  # late: not for --help

    write_page(summary, folder)
    return [path for path in (folder / name for name in FILES) if path.exists()]


def _blocks(summary: Summary, files: list[Path]) -> list[Block]:
    found: list[Block] = [Heading(summary.title), result_table(summary), "", *summary.sentences]
    for name, words in (("Warnings", summary.warnings), ("Try next", summary.next_steps)):
        found += ["", Heading(name), *words] if words else []
    return [*found, "", Table((), [["written", str(file)] for file in files])]


def _data(summary: Summary, files: list[Path]) -> dict[str, Any]:
    words = ("title", "no_ranking", "sentences", "warnings", "next_steps", "notes")
    rows = {"contenders": contender_rows(summary), "comparisons": comparison_rows(summary)}
    found = {**{name: getattr(summary, name) for name in words}, **rows, "files": [str(file) for file in files]}
    return {name: for_json(value) for name, value in found.items()}
