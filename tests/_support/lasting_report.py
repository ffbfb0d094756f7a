"""The files of a report without times, memory and dates: what two equal comparisons have in common."""

from __future__ import annotations

import csv
from html.parser import HTMLParser
from pathlib import Path

TABLES = ("runs.csv", "summary.csv", "comparisons.csv")
VOID = ("meta", "link", "br")


class _Page(HTMLParser):
    """Keeps a page but the elements of the class ``measured``."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.kept: list[str] = []
        self.depth = 0  # of open elements from a measured one on

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID and (self.depth or "measured" in (dict(attrs).get("class") or "").split()):
            self.depth += 1
        self._keep(self.get_starttag_text() or "")

    def handle_endtag(self, tag: str) -> None:
        self._keep(f"</{tag}>")
        self.depth = max(self.depth - 1, 0)

    def handle_data(self, data: str) -> None:
        self._keep(data)

    def handle_entityref(self, name: str) -> None:
        self._keep(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self._keep(f"&#{name};")

    def _keep(self, text: str) -> None:
        if not self.depth:
            self.kept.append(text)


def lasting_report(comparison: Path) -> dict[str, str]:
    """The text of each file of a report, by name, wherever the comparison lies."""
    folder = comparison / "report"
    page = _Page()
    page.feed((folder / "index.html").read_text(encoding="utf-8"))
    first, *sections = (folder / "report.md").read_text(encoding="utf-8").split("\n## ")
    kept = [each for each in sections if not each.startswith("Measured")]
    found = {"index.html": "".join(page.kept), "report.md": "\n## ".join([first, *kept])}
    for name in TABLES:
        with (folder / name).open(newline="", encoding="utf-8") as file:
            rows = [{k: v for k, v in row.items() if not k.startswith("measured_")} for row in csv.DictReader(file)]
        found[name] = "\n".join(map(repr, rows))
    return {name: text.replace(str(comparison.resolve()), "DIR") for name, text in found.items()}
