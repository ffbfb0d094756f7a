"""``lit-optim preview``: what a schedule will do to every hyper-parameter that it drives."""

from __future__ import annotations

import argparse
import csv
import shutil
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lit_optim.cli.rendering import Block, Heading, Table, on_terminal, show
from lit_optim.config.read.command_line import choices
from lit_optim.errors import ConfigError, wrong
from lit_optim.preview.csv_rows import rows
from lit_optim.preview.curves import Curve, Preview, preview
from lit_optim.preview.downsample import MOST, Downsampled, downsample
from lit_optim.preview.sparkline import ASCII, BLOCKS, columns, sparkline

HEAD = ("curve", "over the run", "min", "max", "first", "last")
PICTURES = (".png", ".svg")
DEFAULT_OUT = "schedule.png"
NO_MATPLOTLIB = "no picture, because matplotlib is missing; pip install 'lit-optim[plot]'"
EXAMPLES = """examples:
  lit-optim preview optimizer=adamw scheduler=wsd total_steps=10000 steps_per_epoch=500
  lit-optim preview scheduler=warmup_cosine,wsd,one_cycle total_steps=10000 --out compared.svg
  lit-optim preview scheduler=warmup_cosine scheduler.warmup=5% optimizer.lr=0.1,0.01 total_steps=1e4 --log
  lit-optim preview scheduler=noam param_groups=no_decay total_steps=10000 --csv noam.csv --every 10

Overrides are those of your app; values with commas are compared, all with all. The csv holds
the very numbers of a training. A plateau is drawn at scale 1, for its metric is not known."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "overrides", nargs="*", help="optimizer=sgd scheduler=wsd scheduler.warmup=5%% total_steps=1000"
    )
    parser.add_argument(
        "--out", metavar="FILE", help=f"picture, .png or .svg; default: {DEFAULT_OUT}; none: no picture"
    )
    parser.add_argument("--csv", metavar="FILE", help="every step of every curve")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every Nth step only, in the csv")
    parser.add_argument("--log", action="store_true", help="a logarithmic scale of values, in the picture")


def run(args: argparse.Namespace) -> int:
    """Shows, draws and writes the curves."""
    if args.every < 1:
        raise ConfigError(wrong("--every", args.every, "must be at least 1 optimizer step"))
    out = _picture_path(args.out)
    for option, path in (("--out", args.out), ("--csv", args.csv)):
        if path and not Path(path).parent.is_dir():
            raise ConfigError(wrong(option, path, "there is no such folder; make it first"))
    previews = [preview(choice) for choice in choices(args.overrides)]
    lanes = {id(curve.lane): (curve.lane, one.total_steps) for one in previews for curve in one.curves}
    share = max(MOST // len(lanes), 1000)
    points = {key: downsample(lane, total, share) for key, (lane, total) in lanes.items()}
    files, notes = {}, list(dict.fromkeys(note for one in previews for note in one.notes))
    if args.csv:
        with Path(args.csv).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows(previews, args.every))
        files["csv"] = args.csv
    if out and find_spec("matplotlib") is None:
        notes.append(NO_MATPLOTLIB)
    elif out:
        from lit_optim.plots.preview import draw_preview

        draw_preview(previews, points, log=args.log).savefig(out)
        files["picture"] = str(out)
    if not all(thin.exact for thin in points.values()):
        notes.append(f"the run is long: of noisy curves, min and max are those of {share} steps")
    data = {"configs": [entry(one, points) for one in previews], "files": files, "notes": notes}
    written = [f"{kind}: {path}" for kind, path in files.items()]
    show([*page(previews, points), *written, *(f"note: {note}" for note in notes)], data=data, as_json=args.json)
    return 0


def page(previews: Sequence[Preview], points: Mapping[int, Downsampled]) -> list[Block]:
    """A table a configuration: a line a curve."""
    blocks: list[Block] = []
    for one in previews:
        if one.label:
            blocks.append(Heading(one.label))
        blocks += [Table(HEAD, [row(curve, one.total_steps, points) for curve in one.curves]), _phases(one), ""]
    return blocks


def row(curve: Curve, total_steps: int, points: Mapping[int, Downsampled]) -> list[str]:
    """A curve as a line."""
    numbers = [f"{number:.4g}" for number in summary(curve, points).values()]
    shown = [curve.value(step) for step in columns(total_steps, _width())]
    return [curve.name, sparkline(shown, BLOCKS if _takes_blocks() else ASCII), *numbers]


def summary(curve: Curve, points: Mapping[int, Downsampled]) -> dict[str, float]:
    """The lowest and the highest value, those of the first and of the last step."""
    values = [curve.initial * factor for factor in points[id(curve.lane)].factors]
    return {"min": min(values), "max": max(values), "first": values[0], "last": values[-1]}


def entry(one: Preview, points: Mapping[int, Downsampled]) -> dict[str, Any]:
    """A configuration for programs; the points are those of the picture."""
    return {
        "label": one.label,
        "total_steps": one.total_steps,
        "steps_per_epoch": one.steps_per_epoch,
        "phases": [vars(phase) for phase in one.phases],
        "curves": [
            {
                "key": curve.key,
                "group": curve.group,
                **summary(curve, points),
                "steps": points[id(curve.lane)].steps,
                "values": [curve.initial * factor for factor in points[id(curve.lane)].factors],
            }
            for curve in one.curves
        ],
    }


def _phases(one: Preview) -> str:
    """Where the phases lie, in words."""
    parts = [f"{p.name} {p.start}..{(one.total_steps if p.stop is None else p.stop) - 1}" for p in one.phases]
    return f"{one.total_steps} optimizer step{'s' * (one.total_steps > 1)}: {', '.join(parts)}"


def _picture_path(out: str | None) -> Path | None:
    if out == "none":
        return None
    path = Path(out or DEFAULT_OUT)
    if path.suffix not in PICTURES:
        raise ConfigError(wrong("--out", out, f"must end in {' or '.join(PICTURES)}, or be none"))
    if out and find_spec("matplotlib") is None:
        raise ConfigError(wrong("--out", out, NO_MATPLOTLIB))
    return path


def _width() -> int:
    """Characters of a curve: what a terminal leaves beside names and numbers."""
    return min(max(shutil.get_terminal_size().columns - 70, 16), 48) if on_terminal() else 32


def _takes_blocks() -> bool:
    try:
        BLOCKS.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
