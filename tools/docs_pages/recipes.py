"""Write one page for each recipe, from the comments of its preset, and one that lists them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from docs_pages.markdown import cell, code, fenced, table, toctree
from lit_optim.cli.config_value import as_config_value
from lit_optim.cli.describe.preset import info
from lit_optim.config.read.presets import preset_names, preset_text

FOLDER = "recipes"
FACTS = {"source": "source", "checked": "checked", "second": "to try second"}
DOCUMENTED = ("optimizer", "scheduler")  # groups whose presets have a page
INTRO = """# Recipes

A recipe sets all groups of a field to the numbers of one source, with one word: `recipe=vit`. Each page has the numbers, where they
come from, which of them were checked, and what to try second. [Choose](../choose.md) says which one fits a field, and
`lit-optim recommend vit:ViT` which one fits a module.

"""
USE = """
## Use one

```bash
python train.py recipe=vit                        # the app's defaults have `- lit_optim`, or `- recipe: null` at the end
python train.py +recipe=vit                       # they have not
python train.py recipe=vit optimizer.lr=1e-3      # single values of the command line win
python train.py +recipe@model=vit                 # the groups are mounted under `model`
```

```python
import lit_optim

specs = lit_optim.recipe("vit")  # for LitNet(net, **specs)
specs = lit_optim.recipe("vit", optimizer={"lr": 1e-3})
```

`- recipe: null` stands last in the defaults, before `override` entries: a recipe replaces what `optimizer`, `scheduler` and `param_groups`
were, and adds its callbacks to yours. `optimizer=sgd recipe=vit` therefore trains with the recipe's optimizer, and a warning says so.
Clipping is the Trainer's business: a recipe cannot set it, so its page has the words to type besides. An lr with `lr_scaling` is meant for batches of that size, and
follows the batch of your run.

*Checked* says which of the numbers were compared with their source, and how. The others are marked `not checked against the source`.
"""


def pages() -> dict[str, str]:
    """Return one page a recipe, and the one that lists them."""
    every = {name: info("recipe", name) for name in preset_names("recipe")}
    rows = [[f"[{name}](./{name}.md)", cell(one["summary"])] for name, one in every.items()]
    index = f"{INTRO}{table(['recipe', 'what it is for'], rows)}{USE}\n{toctree(every)}"
    return {f"{FOLDER}/index.md": index, **{f"{FOLDER}/{name}.md": _page(one) for name, one in every.items()}}


def _page(one: Mapping[str, Any]) -> str:
    clip = "" if one["clip"] == "none" else f" +{one['clip']}"
    facts = [[what, cell(one[name])] for name, what in FACTS.items()]
    keys = [[code(x.key), code(as_config_value(x.preset)), cell(x.meaning)] for x in one["keys"]]
    return "\n".join(
        [
            f"# {one['name']}\n\n{one['summary']}\n",
            fenced(f"python train.py recipe={one['name']}{clip}", "bash"),
            fenced(one["python"], "python"),
            table(
                ["", ""],
                [*facts, ["clipping", code(clip.strip()) or "none in the source"], ["presets", _presets(one["name"])]],
            ),
            "## Numbers\n",
            table(["key", "value", "in the source"], keys),
            "How to use a recipe in your own app: [Recipes](./index.md). Other fields: [Choose](../choose.md).\n",
        ]
    )


def _presets(name: str) -> str:
    """Link the presets that a recipe begins with."""
    found = re.findall(r"^  - /(\w+)/([\w/]+)@", preset_text("recipe", name), re.MULTILINE)
    return ", ".join(
        f"[{group}={preset}](../gallery/{group}/{preset}.md)" if group in DOCUMENTED else code(f"{group}={preset}")
        for group, preset in dict.fromkeys(found)
    )
