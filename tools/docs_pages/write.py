"""Write all generated pages below the folder of the docs."""

from __future__ import annotations

from pathlib import Path

from docs_pages import api, cli, config_keys, errors, gallery, recipes

FOLDERS = ("gallery", "recipes", "reference")


def pages() -> dict[str, str]:
    """Return the text of every generated page, by its path below ``docs``."""
    every = [api.pages(), cli.pages(), config_keys.pages(), errors.pages(), gallery.pages(), recipes.pages()]
    return {path: text for found in every for path, text in found.items()}


def write(docs: Path) -> None:
    """Write the pages and the pictures; remove those of names and presets that are gone.

    Args:
        docs: folder of ``conf.py``.
    """
    texts, pictures = pages(), gallery.pictures()
    known = {*texts, *pictures, *(str(gallery.dark_file(Path(path))) for path in pictures)}
    for folder in FOLDERS:
        for file in (docs / folder).rglob("*.*"):
            if str(file.relative_to(docs)) not in known:
                file.unlink()
    for path, text in texts.items():
        _write_if_changed(docs / path, text)
    for path, overrides in pictures.items():
        gallery.draw(docs / path, overrides)


def _write_if_changed(file: Path, text: str) -> None:
    """Leave a page alone that has this text, so that Sphinx does not read it again."""
    if file.is_file() and file.read_text(encoding="utf-8") == text:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
