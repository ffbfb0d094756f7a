"""``lit-optim recommend``: looks at a module, and prints a recipe that fits it, with reasons.

examples:
  lit-optim recommend my.models:ViT
  lit-optim recommend my.models:build_large --json
  lit-optim recommend train.py model=resnet
  lit-optim recommend --config-dir conf --config-name train model=resnet

MODEL is a class that needs no arguments, a function that builds a model, or a model. With
train.py or --config-dir the app's own `model` is built, and overrides are those of the app. Nothing is
chosen for you at run time: copy the line. `lit-optim info RECIPE` shows its numbers and sources.
"""  # noqa: D405  # --help shows these lines

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from lit_optim.cli.model import import_path, load_model, model_of_config
from lit_optim.cli.own_app import App, add_app_arguments, app_of
from lit_optim.cli.recommend.choose import Recommendation, recommend
from lit_optim.cli.recommend.facts import facts_of
from lit_optim.cli.rendering import Block, Code, Heading, Table, show
from lit_optim.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

EVIDENCE = "docs/folklore.md in the repository: which claims about optimizers held, tuned alike on three small tasks"
SEVERAL = ("gan", "sac")  # recipes with an optimizer for each network, which `compare` does not tune
COMPARE = "lit-optim compare train.py optimizer=adamw,nesterov,muon_adamw: tunes them alike, on your model and data"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    words = "package.module:Name; or train.py, then overrides of the app"
    parser.add_argument("overrides", nargs="*", metavar="MODEL | OVERRIDE", help=words)
    add_app_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Show the recommendation."""
    app = app_of(args)
    with import_path(app.import_from if app else [os.getcwd()]):
        module = _module(args.overrides, app)
    if next(module.parameters(), None) is None:
        raise ConfigError(f"MODEL: {type(module).__name__} has no parameters, so there is nothing to optimize")
    facts = facts_of(module)
    found = recommend(facts)
    show(recommendation_blocks(found), data={**asdict(found), "facts": asdict(facts)}, as_json=args.json)
    return 0


def _module(words: Sequence[str], app: App | None) -> nn.Module:
    if app:
        from lit_optim.config.read.app_config import app_config

        return model_of_config(app_config(app.folder, app.name, words).values)
    if len(words) != 1:
        given = " ".join(words) or "missing"
        raise ConfigError(f"MODEL: {given}; give one, e.g. lit-optim recommend my.models:ViT, or your train.py")
    return load_model(words[0])


def recommendation_blocks(found: Recommendation) -> list[Block]:
    """Lay a recommendation out as text blocks."""
    rows = [["because" if i == 0 else "", reason] for i, reason in enumerate(found.reasons)]
    rows += [["second" if i == 0 else "", text] for i, text in enumerate(found.second)]
    rows += [["evidence", EVIDENCE], ["test", COMPARE]] if found.recipe not in SEVERAL else []
    return [Heading("Try first"), Code(f"python train.py {found.line}"), "", Table((), rows), ""]
