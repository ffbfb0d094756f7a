"""Writes the report of a comparison as one page of HTML that needs no network."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from lit_optim.cli.report.page.markup import Markup, tag
from lit_optim.cli.report.page.png import write_picture
from lit_optim.cli.report.page.sections import body_of
from lit_optim.plots.palette import DARK, LIGHT, css_variables
from lit_optim.study.summary import Summary

PAGE = "index.html"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


def write_page(summary: Summary, folder: str | Path) -> Path:
    """Write ``index.html``, and ``report.png`` where matplotlib is installed; equal summaries give equal bytes.

    Args:
        summary: of the comparison.
        folder: that exists.
    """
    path = Path(folder) / PAGE
    path.write_bytes(report_page(summary).encode("utf-8"))
    write_picture(summary, folder)
    return path


def report_page(summary: Summary) -> str:
    """Return the page as text."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=Markup(POLICY)),
        tag("meta", name="color-scheme", content="light dark"),
        tag("link", rel="icon", href="data:,"),
        tag("title", summary.title),
        tag("style", Markup(_style(len(summary.contenders)))),
    )
    main = tag("main", body_of(summary), data_colors=len(LIGHT.lines))
    body = tag("body", main, tag("script", Markup(_file("script.js"))))
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _style(contenders: int) -> str:
    """Return the style sheet: the colors of both themes, and one rule for each contender that can be hidden."""
    dark = f"@media (prefers-color-scheme: dark) {{ :root {{ {css_variables(DARK)} }} }}\n"
    colors = f":root {{ {css_variables(LIGHT)} }}\n{dark}"
    colors += "".join(f".k{i} {{ color: var(--line{i}); }}\n" for i in range(len(LIGHT.lines)))
    hidden = "".join(f'[data-off~="{i}"] .c{i} {{ display: none; }}\n' for i in range(contenders))
    return colors + _file("style.css") + hidden


def _file(name: str) -> str:
    return files("lit_optim.cli.report.page").joinpath(name).read_text(encoding="utf-8")
