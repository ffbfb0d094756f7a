"""``lit-optim doctor``: checks the installation, and a configuration, before they cost a run.

examples:
  lit-optim doctor
  lit-optim doctor optimizer=adamw scheduler=warmup_cosine scheduler.warmup.steps=500 trainer.max_steps=400
  lit-optim doctor scheduler=plateau --logged val/loss,val/acc
  lit-optim doctor train.py model=resnet
  lit-optim doctor --config-dir conf --config-name train model=resnet

Overrides are those of your app. Without train.py or --config-dir they are taken for our four groups,
and trainer.max_steps, trainer.max_epochs, trainer.strategy, total_steps, steps_per_epoch and
model._target_ may be given besides. Modules are looked for in the current folder and beside
the config folder too. What a config names is imported; optimizers and functions of a schedule
are called to check them (--notes says which), and the model is built where there is no error.
Exit code 2 if there is an error; warnings and notes alone: 0.
"""  # noqa: D405  # --help shows these lines

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lit_optim.cli import environment
from lit_optim.cli.card import card_blocks, card_of_config
from lit_optim.cli.environment import versions
from lit_optim.cli.model import import_path
from lit_optim.cli.own_app import App, add_app_arguments, app_of
from lit_optim.cli.rendering import Block, Heading, Table, show
from lit_optim.config.pitfalls import Finding, find
from lit_optim.config.pitfalls.logged import Logged, logged_by
from lit_optim.config.read import presets
from lit_optim.config.read.preset_header import header
from lit_optim.config.read.users_functions import users_functions
from lit_optim.errors import ConfigError

if TYPE_CHECKING:
    from lit_optim.param_groups.card import Card

WRONG = 2
ORDER = ("error", "warning", "note")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("overrides", nargs="*", help="as on your app's command line: optimizer=adamw optimizer.lr=0.1")
    add_app_arguments(parser)
    parser.add_argument(
        "--notes", action="store_true", help="show the notes too, e.g. on packages that are not installed"
    )
    parser.add_argument("--logged", metavar="NAMES", help="names of the logged metrics, instead of reading the module")


def run(args: argparse.Namespace) -> int:
    """Show the problems; returns 2 if there is an error."""
    app = app_of(args)
    installed = versions()
    findings, card, reason = environment_findings(installed), None, ""
    looked_at = bool(args.overrides or app)
    if looked_at:
        names = None if args.logged is None else tuple(filter(None, map(str.strip, args.logged.split(","))))
        with import_path(app.import_from if app else [os.getcwd()]):
            config, found = config_findings(args.overrides, app, names)
            findings += found
            if "_target_" in (config.get("model") or {}) and not any(each.severity == "error" for each in found):
                card, reason = try_card(config)
    failed = any(finding.severity == "error" for finding in findings)
    data = {"ok": not failed, "environment": installed, "findings": [vars(finding) for finding in findings]}
    blocks = [*(card_blocks(card) if card else []), *([reason, ""] if reason else [])]
    data["card"] = card and card.as_plain()
    shown = findings if args.notes else [finding for finding in findings if finding.severity != "note"]
    rest = doctor_blocks(installed, shown, looked_at=looked_at, left_out=len(findings) - len(shown))
    show([*blocks, *rest], data=data, as_json=args.json)
    return WRONG if failed else 0


def environment_findings(installed: Mapping[str, str]) -> list[Finding]:
    """Find problems of the installation."""
    headers = {f"{group}/{name}": header(group, name) for group, name in presets.all_presets()}
    return [
        *environment.plugin_findings(),
        *environment.requirement_findings(),
        *environment.hydra_findings(installed),
        *environment.extra_findings(),
        *environment.preset_findings({preset: head.target for preset, head in headers.items()}),
        *environment.version_findings({preset: head.needs for preset, head in headers.items()}),
    ]


def config_findings(
    overrides: Sequence[str], app: App | None, logged: Sequence[str] | None
) -> tuple[dict[str, Any], list[Finding]]:
    """Compose a config; find its errors, then the pitfalls.

    Args:
        overrides: as on a command line.
        app: the user's own; None for our four groups alone.
        logged: names of the metrics; None to read the module.
    """
    from lit_optim.config.read.app_config import IN_THE_APP, app_config, own_config
    from lit_optim.config.validate import validate

    try:
        composed = app_config(app.folder, app.name, overrides) if app else own_config(overrides)
    except ConfigError as error:
        return {}, _findings_in(error)
    config, findings = composed.values, []
    for key, why in composed.lost_specs().items():
        in_app = IN_THE_APP in why
        problem = "known in the running app only, so not looked at" if in_app else why
        findings.append(Finding("unresolved", "note" if in_app else "error", key, problem, ""))
    for key, path in users_functions(_specs_in(config)).items():
        findings.append(Finding("called", "note", f"{key}={path}", "your own function, called to check it", ""))
    try:
        validate(config)
    except ConfigError as error:
        findings += _findings_in(error)
    metrics, problems = (Logged(tuple(logged)), []) if logged is not None else _metrics(config)
    return config, [*findings, *problems, *find(config, metrics, folder=Path.cwd())]


def try_card(config: Mapping[str, Any]) -> tuple[Card | None, str]:
    """Make the card of the model in a config; None, and why, where it cannot be built outside of the app."""
    try:
        return card_of_config(config), ""
    except ConfigError as error:
        return None, f"the param groups are not shown: {error.problems[0]}"


def doctor_blocks(
    installed: Mapping[str, str], findings: Sequence[Finding], *, looked_at: bool, left_out: int = 0
) -> list[Block]:
    """Lay the findings out as text blocks, errors first.

    Args:
        installed: versions by package.
        findings: those to show.
        looked_at: whether a configuration was checked too.
        left_out: number of notes that are not shown.
    """
    blocks: list[Block] = [Heading("Installed"), Table((), list(installed.items())), ""]
    blocks += [f"notes, shown by --notes: {left_out}", ""] if left_out else []
    if findings:
        rows = [[each.severity, str(each)] for each in sorted(findings, key=lambda one: ORDER.index(one.severity))]
        blocks += [Heading("Findings"), Table((), rows), ""]
    errors = sum(finding.severity == "error" for finding in findings)
    if errors:
        return [*blocks, f"{errors} error{'s' * (errors > 1)}"]
    rest = " and the configuration" if looked_at else "; give overrides to have them looked at"
    return [*blocks, f"no error found in the installation{rest}"]


def _specs_in(config: Mapping[str, Any]) -> dict[str, Any]:
    """Select the specs at the top of a config and under ``model``."""
    model = config.get("model")
    below = {"model": _specs_in(model)} if isinstance(model, Mapping) else {}
    return {**{group: config[group] for group in presets.GROUPS if group in config}, **below}


def _findings_in(error: ConfigError) -> list[Finding]:
    """Make a finding of each line of a ConfigError."""
    findings = []
    for line in error.problems:
        key, _, problem = line.partition(": ")
        problem, _, remedy = problem.partition("; ")
        findings.append(Finding("validate", "error", key, problem, remedy))
    return findings


def _metrics(config: Mapping[str, Any]) -> tuple[Logged, list[Finding]]:
    """Read the names that the module of a config logs; also finds what is wrong with its class."""
    model = config.get("model")
    target = model.get("_target_") if isinstance(model, Mapping) else None
    if target is None:
        return Logged(unknown=("the configuration names no model._target_",)), []
    from lit_optim.config.checks.locate import locate
    from lit_optim.lightning_api import lightning_classes

    try:
        module = locate(target, partial(lightning_classes, "LightningModule"), "model")
        return logged_by(module), _trainer_of_another_package(module, config.get("trainer"))
    except ConfigError as error:
        return Logged(unknown=("the module cannot be read",)), _findings_in(error)


def _trainer_of_another_package(module: type, trainer: Any) -> list[Finding]:
    """Find a Trainer of ``lightning`` for a module of ``pytorch_lightning``, or the reverse."""
    from lit_optim.lightning_api import package_of

    package, target = package_of(module), str(trainer.get("_target_", "")) if isinstance(trainer, Mapping) else ""
    if target.partition(".")[0] not in {"lightning", "pytorch_lightning"} - {package}:
        return []
    problem = f"it rejects a module of the package {package}, whose LightningModule {module.__name__} inherits from"
    return [Finding("package", "error", f"trainer._target_={target}", problem, f"write {package}.Trainer")]
