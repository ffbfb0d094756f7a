"""The README of wheel and sdist: a package index shows it without the files that it links to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

LINK = re.compile(r"(!?)\[([^]]*)\]\((?!https?://|#)([^)]+)\)")


def readme_of_package(readme: str, repository: str, tag: str) -> str:
    """Return a README whose relative links lead to a tag of the repository; without an address, their text alone.

    Example:
        >>> readme_of_package("[a](docs/a.md) ![b](b.png)", "https://host.org/me/lit", "v0.2.0")
        '[a](https://host.org/me/lit/blob/v0.2.0/docs/a.md) ![b](https://host.org/me/lit/raw/v0.2.0/b.png)'
        >>> readme_of_package("[a](docs/a.md) ![b](b.png)", "", "v0.2.0")
        'a b'
    """

    def link(match: re.Match[str]) -> str:
        image, text, path = match.groups()
        return f"{image}[{text}]({repository}/{'raw' if image else 'blob'}/{tag}/{path})" if repository else text

    return LINK.sub(link, readme)


class ReadmeHook(MetadataHookInterface):
    """Sets the description of the package."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the readme; hatchling has read the version already."""
        readme = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        text = readme_of_package(readme, metadata.get("urls", {}).get("Repository", ""), f"v{metadata['version']}")
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
