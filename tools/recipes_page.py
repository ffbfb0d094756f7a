"""Writes docs/recipes.md from the comments of conf/recipe: ``python -m tools.recipes_page``."""

from __future__ import annotations

from pathlib import Path

from lit_optim.cli.config_value import as_config_value
from lit_optim.cli.describe.preset import info
from lit_optim.config.read.presets import preset_names

PAGE = Path(__file__).resolve().parents[1] / "docs" / "recipes.md"
INTRO = """\
# Recipes

A recipe sets the groups of a field - `optimizer`, `scheduler`, `param_groups`, and where it needs them `optim_callbacks` - to the numbers
of one source. `lit-optim info vit` shows them too, and `lit-optim recommend vit:ViT` says which one fits a module.

    python train.py recipe=vit                        # the app's defaults have `- recipe: null`, at the end, or `- lit_optim`
    python train.py +recipe=vit                       # they have not
    python train.py recipe=vit optimizer.lr=1e-3      # single values of the command line win
    python train.py +recipe@model=vit                 # the groups are mounted under `model`

```python
import lit_optim

specs = lit_optim.recipe("vit")  # for LitNet(net, **specs)
specs = lit_optim.recipe("vit", optimizer={"lr": 1e-3})
```

`- recipe: null` stands last in the defaults, before `override` entries: a recipe replaces what `optimizer`, `scheduler` and `param_groups` were,
and adds its callbacks to yours. `optimizer=sgd recipe=vit` therefore trains with the recipe's optimizer, and a warning says so. Clipping is the
Trainer's: give the words under "clip" too. An lr with `lr_scaling` is meant for batches of that size, and follows the batch of your run.

"Checked" says which of the numbers were compared with their source, and how; `not checked against the source` stands behind the others.
"""


def page() -> str:
    """Return the text of the page."""
    return "\n".join([INTRO, *map(_section, preset_names("recipe"))])


def _section(name: str) -> str:
    found = info("recipe", name)
    rows = [f"| `{key.key}` | `{as_config_value(key.preset)}` | {_cell(key.meaning)} |" for key in found["keys"]]
    clip = found["clip"] if found["clip"] == "none" else f"`{found['clip']}`"
    facts = {"Source": found["source"], "Checked": found["checked"], "Clip": clip, "Second": found["second"]}
    return "\n".join(
        [
            f"## {name}",
            found["summary"],
            "",
            *(f"- {what}: {text}" for what, text in facts.items()),
            "",
            "| key | value | in the source |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
