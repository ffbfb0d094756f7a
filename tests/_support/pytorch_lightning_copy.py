"""Copies the tests and the example, written for `pytorch_lightning`, into a folder where `lightning` cannot be imported.

    python tests/_support/pytorch_lightning_copy.py FOLDER

What names `pytorch_lightning` itself is left out: it is about both packages.
"""

import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RENAMED = {
    r"\blightning\.pytorch\b": "pytorch_lightning",
    r"\blightning\.fabric\b": "lightning_fabric",
    r"\bL\.pytorch\.": "L.",
    r"\b(import|from) lightning\b(?!_)": r"\1 pytorch_lightning",
    r"\blightning\.(?=[A-Z])": "pytorch_lightning.",
    r"\bnot a lightning": "not a pytorch_lightning",
    r'\bolder\("lightning"': 'older("pytorch-lightning"',
}
ABSENT = "raise ModuleNotFoundError(\"No module named 'lightning'\", name='lightning')\n"


def copy(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "lightning.py").write_text(ABSENT, encoding="utf-8")
    for part in ("conf", "docs"):
        (folder / part).symlink_to(ROOT / part)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, folder)
    for file in (file for part in ("tests", "examples") for file in (ROOT / part).rglob("*.*") if file.is_file()):
        target = folder / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix not in (".py", ".yaml"):
            shutil.copy(file, target)
        elif "pytorch_lightning" not in (text := file.read_text(encoding="utf-8")):
            for old, new in RENAMED.items():
                text = re.sub(old, new, text)
            target.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    copy(Path(sys.argv[1]))
