"""The README and the pages of docs/: their fenced blocks, the commands in them, and what a command must compose to."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import hydra
from hydra.core.global_hydra import GlobalHydra
from lightning import Trainer

import lit_optim
from lit_optim.config.read.presets import GROUPS
from lit_optim.config.sweep import sweep_values

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
BUILT = {
    "gallery",
    "reference",
    "recipes",
    "errors.md",
    "index.md",
    "develop.md",
}  # by tools, or a list of links to these
PAGES = [ROOT / "README.md", *sorted(p for p in DOCS.rglob("*.md") if p.relative_to(DOCS).parts[0] not in BUILT)]
EXAMPLES = ROOT / "examples"
_STARTS = re.compile(rf"(lit-optim|python|make) \S|\+?({'|'.join(GROUPS)}|ckpt_path)=\S")


class Block(NamedTuple):
    """A fenced block of a page."""

    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, but MyST's directives."""
    found, language, lines = [], None, []
    for line in page.read_text(encoding="utf-8").splitlines():
        if not line.startswith("```"):
            lines.append(line)
        elif language is None:
            language, lines = line.strip("`"), []
        else:
            found.append(Block(language, "\n".join(lines) + "\n"))
            language = None
    assert language is None, f"{page}: a block has no end"
    return [block for block in found if not block.language.startswith("{")]


def commands(page: Path) -> Iterator[list[str]]:
    """Yield the words of each command of a page, in bash blocks and in the running text."""
    for block in blocks(page):
        if block.language == "bash":
            for line in re.split(r"\n|&&", block.text.replace("\\\n", " ")):
                if words := shlex.split(line, comments=True):
                    yield words
    prose = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for span in re.findall(r"`([^`\n]+)`", prose):
        if _STARTS.match(span):
            yield shlex.split(span)


def check_overrides(words: list[str], name: str = "train") -> None:
    """Compose and validate overrides as the example app would; of a sweep, its first and its last job."""
    sweep = "-m" in words
    with hydra.initialize_config_dir(str(EXAMPLES / "conf"), version_base="1.3"):
        words = [word for word in words if word != "-m"]
        values = sweep_values(words, GlobalHydra.instance().config_loader())[0] if sweep else {}
        jobs = [[f"{key}={each[i]}" for key, each in values.items()] for i in (0, -1)] if sweep else [words]
        for job in jobs:
            cfg = hydra.compose(name, overrides=job)
            lit_optim.validate(cfg)
            unknown = {*cfg.get("trainer", {})} - {*inspect.signature(Trainer).parameters, "_target_"}
            assert not unknown, f"Trainer has no argument {unknown}"
