"""``lit-optim card``: shows which rule puts which parameter into which group, before a run.

examples:
  lit-optim card my.models:ViT param_groups=[no_decay,head_x10] optimizer=adamw scheduler=warmup_cosine
  lit-optim card my.models:build_large optimizer=adafactor --csv groups.csv
  lit-optim card train.py model=resnet optimizer.lr=0.1
  lit-optim card --config-dir conf --config-name train model=resnet optimizer.lr=0.1

MODEL is a class that needs no arguments, a function that builds a model, or a model. The
specs of a module with the mixin are taken where no override says otherwise. With train.py or
--config-dir the app's own `model` is built, and overrides are those of the app. Models are built on the
meta device where they can be, so that no memory is needed. The csv has one row a parameter.
The model's class, and functions that `match` or a schedule names, are imported and called.
"""  # noqa: D405  # --help shows these lines

from __future__ import annotations

import argparse
import contextlib
import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lit_optim.cli.config_value import as_config_value, check_writable
from lit_optim.cli.model import import_path, load_model, model_of_config
from lit_optim.cli.own_app import App, add_app_arguments, app_of
from lit_optim.cli.rendering import Block, Heading, Table, show
from lit_optim.config.read import presets
from lit_optim.config.read.command_line import choices
from lit_optim.config.read.spec import merge, merge_presets, read_spec
from lit_optim.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

    from lit_optim.param_groups.card import Card, CardParameter

HEAD = ("group", "tensors", "parameters", "lr", "decay", "optimizer", "state", "schedule")
SHOWN = 8  # names in a line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    words = "package.module:Name, then overrides: optimizer=adamw param_groups=no_decay"
    parser.add_argument("overrides", nargs="*", metavar="MODEL | OVERRIDE", help=words)
    add_app_arguments(parser)
    parser.add_argument("--csv", metavar="FILE", help="one row a parameter")


def run(args: argparse.Namespace) -> int:
    """Show the card, and write the csv."""
    if args.csv is not None:
        check_writable("--csv", args.csv)
    app = app_of(args)
    with import_path(app.import_from if app else [os.getcwd()]):
        card = _card(args.overrides, app)
    if args.csv:
        with Path(args.csv).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(card.rows())
    show(card_blocks(card), data=card.as_plain(), as_json=args.json)
    return 0


def _card(words: Sequence[str], app: App | None) -> Card:
    first = words[0] if words else ""
    named = bool(first) and "=" not in first and first[0] not in "~+"
    if app:
        from lit_optim.config.read.app_config import app_config

        if named:
            raise ConfigError(f"{first}: with an app the model is the app's own; choose it by an override, e.g. model=")
        return card_of_config(app_config(app.folder, app.name, words).values)
    if not named:
        raise ConfigError("MODEL: missing; write e.g. lit-optim card my.models:ViT optimizer=adamw, or your train.py")
    module = load_model(first)
    return card_of_specs(module, _specs(module, words[1:]))


def card_of_config(config: Mapping[str, Any]) -> Card:
    """Make the card of the model in an app's config.

    Raises:
        ConfigError: where there is no model, and for what is wrong with the specs.
    """
    module = model_of_config(config)
    specs = _own_specs(module) or {group: config[group] for group in presets.GROUPS if group in config}
    return card_of_specs(module, specs)


def card_of_specs(module: nn.Module, specs: Mapping[str, Any]) -> Card:
    """Build the optimizers of a module from specs, and make their card.

    An lr is scaled by ``lr_scaling`` where the spec has the batch size; else it is the one of the base batch size.

    Raises:
        ConfigError: for what is wrong with the specs, and for schedules of groups that there are not.
    """
    from lit_optim.config.build.lr_scaling import scale_lr
    from lit_optim.config.card_of_optimizers import card_of_optimizers
    from lit_optim.config.checks.schedule_arguments import schedule_config
    from lit_optim.config.resolve_named import resolve
    from lit_optim.scheduler.drive import check_group_names

    with getattr(module, "trusted", contextlib.nullcontext)():  # a function may have loaded it from a checkpoint
        resolved = resolve({"optimizer": "adamw", **specs})
        optimizers = resolved.build_optimizers(module)
    for part, optimizer in zip(resolved.parts, optimizers, strict=True):
        if part.scheduler.own:
            plans = schedule_config(part.scheduler.arguments).plans()
            check_group_names(plans, optimizer, part.scheduler.spec.key)
        if part.lr_scaling is not None and part.lr_scaling.batch_size is not None:
            scale_lr(part.lr_scaling, optimizer, None, part.optimizer.spec.key)
    return card_of_optimizers(resolved.parts, module, optimizers)


def _own_specs(module: nn.Module) -> dict[str, Any]:
    """Return the specs of a module with the mixin that has some."""
    try:
        return {**module.optim_specs()} if hasattr(module, "optim_specs") else {}  # type: ignore[operator]
    except ConfigError:
        return {}


def _specs(module: nn.Module, words: Sequence[str]) -> dict[str, Any]:
    """Let overrides beat the module's own specs."""
    given = choices(words)
    if len(given) > 1:
        raise ConfigError(f"{given[0].label} or {given[1].label}: a card is of one configuration; give one value")
    chosen = {group: spec for group, spec in given[0].chosen.items() if group in presets.GROUPS}
    specs = {**_own_specs(module), **chosen}
    for group, changes in given[0].overrides.items():
        if group in ("optimizer", "scheduler"):
            below = read_spec(specs.get(group) or {"optimizer": "adamw", "scheduler": "none"}[group], group)
            specs[group] = merge(below.as_dict(), changes)
        elif group in presets.GROUPS:
            specs[group] = merge(merge_presets(specs.get(group), group), changes)
    return specs


def card_blocks(card: Card) -> list[Block]:
    """Lay a card out as text blocks."""
    from lit_optim.param_groups.card import short_number

    rows = [
        [
            row.group,
            str(row.tensors),
            short_number(row.parameters),
            *("" if value is None else as_config_value(float(f"{value:.4g}")) for value in (row.lr, row.weight_decay)),
            row.optimizer,
            short_number(row.state_bytes, "B"),
            row.schedule,
        ]
        for row in card.groups
    ]
    sizes = {"weights": card.weight_bytes, "gradients": card.gradient_bytes, "optimizer state": card.state_bytes}
    parts = " + ".join(f"{name} {short_number(size, 'B')}" for name, size in sizes.items())
    total = "" if card.state_bytes is None else f" = {short_number(sum(size or 0 for size in sizes.values()), 'B')}"
    lines = [[name, text] for name, text in _lists(card)]
    memory = [["memory", f"{parts}{total}, before activations"]]
    return [Heading("Param groups"), Table(HEAD, rows), "", Table((), [*memory, *lines]), ""]


def _lists(card: Card) -> list[tuple[str, str]]:
    """List what is out of the ordinary, where there is any."""
    found = [("tied", " = ".join([p.name, *p.tied])) for p in card.tied]
    reasons = dict.fromkeys(p.frozen for p in card.frozen)
    for reason in reasons:
        own = [p for p in card.frozen if p.frozen == reason]
        found.append(("frozen", f"{_names(own)} ({reason if '=' in str(reason) else f'by the rule {reason}'})"))
    if card.not_taken:
        found.append(("not taken", f"{_names(card.not_taken)}: no optimizer has them"))
    if card.lazy:
        found.append(("lazy", f"{_names(card.lazy)}: no size yet, counted as empty"))
    return [*found, *(("unmatched", text) for text in card.unmatched)]


def _names(parameters: Sequence[CardParameter]) -> str:
    names = [p.name for p in parameters]
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")
