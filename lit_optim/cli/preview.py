"""``lit-optim preview``: shows what a schedule will do to every hyper-parameter that it drives.

examples:
  lit-optim preview optimizer=adamw scheduler=wsd total_steps=10000 steps_per_epoch=500
  lit-optim preview scheduler=warmup_cosine,wsd,one_cycle total_steps=10000 --out compared.svg
  lit-optim preview scheduler=warmup_cosine scheduler.warmup=5% optimizer.lr=0.1,0.01 total_steps=1e4 --log
  lit-optim preview scheduler=noam param_groups=no_decay total_steps=10000 --csv noam.csv --every 10
  lit-optim preview train.py scheduler=wsd trainer.max_epochs=30 steps_per_epoch=500

Overrides are those of your app; values with commas are compared, all with all. With train.py
or --config-dir its own config is drawn, with the epochs or steps of its trainer; steps_per_epoch
and total_steps may be given besides. The csv holds the very numbers of a training. A plateau
is drawn at scale 1, for its metric is not known.
A function of your own (shape lambda, or a shape's path) is imported and called.
"""  # noqa: D405  # --help shows these lines

from __future__ import annotations

import argparse
import csv
import shutil
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lit_optim.cli.config_value import check_writable
from lit_optim.cli.model import import_path
from lit_optim.cli.own_app import add_app_arguments, app_of
from lit_optim.cli.rendering import Block, Heading, Table, on_terminal, show
from lit_optim.config.read.command_line import Choice, choices
from lit_optim.config.read.presets import load_preset, preset_names
from lit_optim.errors import ConfigError, wrong
from lit_optim.preview.csv_rows import rows
from lit_optim.preview.curves import DEFAULTS, Curve, Preview, preview
from lit_optim.preview.downsample import MOST, Points, downsample
from lit_optim.preview.sparkline import ASCII, BLOCKS, columns, sparkline

HEAD = ("curve", "over the run", "min", "max", "first", "last")
PICTURES = (".png", ".svg")
MOST_ROWS = 10_000_000  # of a csv
NO_MATPLOTLIB = "no picture, because matplotlib is missing; pip install 'lit-optim[plot]'"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    words = "optimizer=sgd scheduler=wsd scheduler.warmup=5%% total_steps=1000"
    picture = "draw a picture, .png or .svg; default: none"
    parser.add_argument("overrides", nargs="*", help=words)
    add_app_arguments(parser)
    parser.add_argument("--out", metavar="FILE", help=picture)
    parser.add_argument("--html", metavar="FILE", help="an interactive page, in one file that needs no network")
    parser.add_argument("--csv", metavar="FILE", help="every step of every curve")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every Nth step only, in the csv")
    parser.add_argument("--log", action="store_true", help="a logarithmic scale of values, in the picture")


def run(args: argparse.Namespace) -> int:
    """Show, draw and write the curves."""
    if args.every < 1:
        raise ConfigError(wrong("--every", args.every, "must be at least 1 optimizer step"))
    out = _picture_path(args.out)
    for option, path in (("--out", args.out), ("--html", args.html), ("--csv", args.csv)):
        if path is not None and path != "none":
            check_writable(option, path)
    found = _choices(args)
    previews = [preview(choice) for choice in found]
    lengths = {curve: one.total_steps for one in previews for curve in one.curves}
    most = max(MOST // len(lengths), 1000)  # steps to look at
    points = {curve: downsample(curve, total_steps, most) for curve, total_steps in lengths.items()}
    files, notes = {}, list(dict.fromkeys(note for one in previews for note in one.notes))
    notes += [f"{word}: in an app write +{word}, for the preset has no such key" for word in _to_add(args, found)]
    if args.csv:
        if max(lengths.values()) // args.every > MOST_ROWS:
            raise ConfigError(wrong("--csv", args.csv, f"more than {MOST_ROWS} rows; give --every, e.g. --every 1000"))
        with Path(args.csv).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows(previews, args.every))
        files["csv"] = args.csv
    if out:
        from lit_optim.plots.preview import draw_preview

        draw_preview(previews, points, log=args.log).savefig(out)
        files["picture"] = str(out)
    if max(lengths.values()) > most:
        notes.append(f"the run is long: of noisy curves, min and max are those of {most} steps")
    configs = [preview_data(one, points) for one in previews]
    if args.html:
        from lit_optim.plots.page import html_page

        Path(args.html).write_text(html_page(previews, points, configs, notes, log=args.log), encoding="utf-8")
        files["html"] = args.html
    data = {"configs": configs, "files": files, "notes": notes}
    written = [f"{kind}: {path}" for kind, path in files.items()]
    blocks = [*preview_blocks(previews, points), *written, *(f"note: {note}" for note in notes)]
    show(blocks, data=data, as_json=args.json)
    return 0


def _choices(args: argparse.Namespace) -> list[Choice]:
    """Read the configurations of a command line; those of an app, and with ``~``, as Hydra composes them."""
    app = app_of(args)
    if app is None and not any(word.startswith("~") for word in args.overrides):
        return choices(args.overrides)
    from lit_optim.cli.composed_choices import composed_choices

    with import_path(app.import_from if app else []):
        return composed_choices(args.overrides, *(app[:2] if app else ()))


def _to_add(args: argparse.Namespace, found: Sequence[Choice]) -> list[str]:
    """Return the overrides that need a ``+`` in an app, for no chosen preset has their key."""
    words = []
    for word in args.overrides:
        root, *path = word.partition("=")[0].split(".")
        names = {str(choice.chosen.get(root, DEFAULTS.get(root))) for choice in found} if path else set()
        nodes: list[Any] = [load_preset(root, name) for name in names if name in preset_names(root)]
        for key in path:
            nodes = [node[key] for node in nodes if isinstance(node, Mapping) and key in node]
        if len(nodes) < len(names & {*preset_names(root)}) and "[" not in word.partition("=")[0]:
            words.append(word)
    return words


def preview_blocks(previews: Sequence[Preview], points: Mapping[Curve, Points]) -> list[Block]:
    """Lay out one table per configuration, with one line per curve."""
    marks, width = BLOCKS if _takes_blocks() else ASCII, _width()
    blocks: list[Block] = []
    for one in previews:
        table = []
        for curve in one.curves:
            shown = [curve.value(step) for step in columns(one.total_steps, width)]
            numbers = [f"{number:.4g}" for number in summary(points[curve].values).values()]
            table.append([curve.name, sparkline(shown, marks), *numbers])
        blocks += [*([Heading(one.label)] if one.label else []), Table(HEAD, table), _phases(one), ""]
    return blocks


def summary(values: Sequence[float]) -> dict[str, float]:
    """Find the lowest and the highest value, those of the first and of the last step."""
    return {"min": min(values), "max": max(values), "first": values[0], "last": values[-1]}


def preview_data(one: Preview, points: Mapping[Curve, Points]) -> dict[str, Any]:
    """Collect a configuration for programs; the points are those of the picture."""
    curves = [{"key": c.key, "group": c.group, **summary(points[c].values), **points[c]._asdict()} for c in one.curves]
    return {
        "label": one.label,
        "total_steps": one.total_steps,
        "steps_per_epoch": one.steps_per_epoch,
        "phases": [vars(phase) for phase in one.phases],
        "curves": curves,
    }


def _phases(one: Preview) -> str:
    """Write out where the phases lie."""
    parts = [f"{p.name} {p.start}..{(one.total_steps if p.stop is None else p.stop) - 1}" for p in one.phases]
    return f"{one.total_steps} optimizer step{'s' * (one.total_steps > 1)}: {', '.join(parts)}"


def _picture_path(out: str | None) -> Path | None:
    if out in (None, "none"):
        return None
    path = Path(out)
    if path.suffix not in PICTURES:
        raise ConfigError(wrong("--out", out, f"must end in {' or '.join(PICTURES)}, or be none"))
    if find_spec("matplotlib") is None:
        raise ConfigError(wrong("--out", out, NO_MATPLOTLIB))
    return path


def _width() -> int:
    """Return the characters of a curve: what a terminal leaves beside names and numbers."""
    return min(max(shutil.get_terminal_size().columns - 70, 16), 48) if on_terminal() else 32


def _takes_blocks() -> bool:
    try:
        BLOCKS.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
