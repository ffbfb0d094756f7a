"""Writes a preview as one page of HTML that needs no network: its curves, and a little script to read them."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from lit_optim.plots.line_looks import DASHES, are_far_apart, line_looks, peak
from lit_optim.plots.palette import DARK, LIGHT, css_variables
from lit_optim.plots.panel import DECADES
from lit_optim.plots.preview import TITLES, bands_of, labelled_curves, title_of
from lit_optim.preview.curves import Curve, Preview
from lit_optim.preview.downsample import Points


def page_panels(previews: Sequence[Preview], points: Mapping[Curve, Points], *, log: bool = False) -> list[Any]:
    """List the panels of a page, one per hyper-parameter; a line says which curve of which configuration it is.

    Args:
        previews: configurations.
        points: the steps of every curve and its values there.
        log: whether values are on a logarithmic scale in any case.
    """
    places = {c: (i, j) for i, preview in enumerate(previews) for j, c in enumerate(preview.curves)}
    last, panels = max(preview.total_steps for preview in previews), []
    for key in dict.fromkeys(curve.key for curve in places):
        shown = labelled_curves(previews, key)
        series = [points[curve].values for _, curve in shown]
        lines = [
            {
                "label": label or _all_groups(previews[config]),
                "config": config,
                "curve": index,
                "color": color,
                "dashes": DASHES[dash],
            }
            for (label, curve), (color, dash) in zip(shown, line_looks(series), strict=True)
            for config, index in [places[curve]]
        ]
        shaded = bands_of([curve for _, curve in (shown[:1] if len(previews) == 1 else shown)], points, last)
        tops = [top for top in map(peak, series) if top > 0]
        ranges = [f"{line['label']} from {v[0]:.4g} to {v[-1]:.4g}" for line, v in zip(lines, series, strict=True)]
        panels.append(
            {
                "key": key,
                "title": TITLES.get(key, key),
                "alt": f"{TITLES.get(key, key)} over {last:,} optimizer steps: {'; '.join(ranges)}",
                "log": bool(tops) and (log or are_far_apart(series)),
                "floor": min(tops, default=1.0) / DECADES,
                "lines": lines,
                "bands": [{"name": b.name, "start": b.start, "stop": b.stop} for b in shaded],
            }
        )
    return panels


def html_page(
    previews: Sequence[Preview],
    points: Mapping[Curve, Points],
    configs: Sequence[Any],
    notes: Sequence[str],
    *,
    log: bool = False,
) -> str:
    """Write the page.

    Args:
        previews: configurations.
        points: the steps of every curve and its values there.
        configs: what ``--json`` says of each configuration; it is embedded.
        notes: on what is drawn.
        log: whether values are on a logarithmic scale in any case.
    """  # fmt: skip
    panels = page_panels(previews, points, log=log)
    phases = " · ".join(f"{b['name']} {b['start']:,} to {b['stop'] - 1:,}" for b in panels[0]["bands"])
    data = json.dumps(_finite({"configs": configs, "panels": panels}), allow_nan=False, separators=(",", ":"))
    text = files("lit_optim.plots").joinpath("page.html").read_text(encoding="utf-8")
    parts = {
        "title": html.escape(title_of(previews)),
        "light": css_variables(LIGHT),
        "dark": css_variables(DARK),
        "phases": html.escape(f"Phases: {phases}" if phases else "The phases of these schedules differ."),
        "notes": "\n".join(f"<p>Note: {html.escape(note)}</p>" for note in notes),
        "data": data.replace("<", "\\u003c"),  # no text of the user's ends the script
    }
    head, *rest = text.split("{{")
    return head + "".join(parts[name] + after for name, _, after in (piece.partition("}}") for piece in rest))


def _all_groups(preview: Preview) -> str:
    """Name the groups of a line that all of them share."""
    return ", ".join(dict.fromkeys(curve.group for curve in preview.curves))


def _finite(value: Any) -> Any:
    """Write null for numbers that JSON has not."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
