"""``lit-optim recommend``: looks at a module, and prints a recipe that fits it, with reasons.

examples:
  lit-optim recommend my.models:ViT
  lit-optim recommend my.models:build_large --json
  lit-optim recommend --config-dir conf --config-name train model=resnet

MODEL is a class that needs no arguments, a function that builds a model, or a model. With
--config-dir the app's own `model` is built, and overrides are those of the app. Nothing is
chosen for you at run time: copy the line. `lit-optim info RECIPE` shows its numbers and sources.
"""  # noqa: D405  # --help shows these lines

from __future__ import annotations

import argparse
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from lit_optim.cli.model import import_path, load_model, model_of_config
from lit_optim.cli.recommend.choose import Recommendation, recommend
from lit_optim.cli.recommend.facts import facts_of
from lit_optim.cli.rendering import Block, Code, Heading, Table, show
from lit_optim.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    words = "package.module:Name; with --config-dir, overrides of the app"
    parser.add_argument("overrides", nargs="*", metavar="MODEL | OVERRIDE", help=words)
    parser.add_argument("--config-dir", metavar="DIR", help="config folder of your own Hydra app")
    parser.add_argument("--config-name", metavar="NAME", default="train", help="its primary config; default: train")


def run(args: argparse.Namespace) -> int:
    """Show the recommendation."""
    beside = [str(Path(args.config_dir).resolve().parent)] if args.config_dir else []
    with import_path([os.getcwd(), *beside]):
        facts = facts_of(_module(args))
    found = recommend(facts)
    show(recommendation_blocks(found), data={**asdict(found), "facts": asdict(facts)}, as_json=args.json)
    return 0


def _module(args: argparse.Namespace) -> nn.Module:
    if args.config_dir:
        from lit_optim.config.read.app_config import app_config

        return model_of_config(app_config(args.config_dir, args.config_name, args.overrides).values)
    if len(args.overrides) != 1:
        given = " ".join(args.overrides) or "missing"
        raise ConfigError(f"MODEL: {given}; give one, e.g. lit-optim recommend my.models:ViT, or --config-dir")
    return load_model(args.overrides[0])


def recommendation_blocks(found: Recommendation) -> list[Block]:
    """Lay a recommendation out as text blocks."""
    rows = [["because" if i == 0 else "", reason] for i, reason in enumerate(found.reasons)]
    rows += [["second" if i == 0 else "", text] for i, text in enumerate(found.second)]
    return [Heading("Try first"), Code(f"python train.py {found.line}"), "", Table((), rows), ""]
