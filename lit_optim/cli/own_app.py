"""Finds the user's own Hydra app on a command line of ours: by its script, or by its config folder."""

from __future__ import annotations

import argparse
import ast
import os
from pathlib import Path
from typing import NamedTuple

from lit_optim.errors import ConfigError

DECORATORS = ("main", "hydra_main")


class App(NamedTuple):
    """A Hydra app: its config folder, the name of its primary config, and where its modules are imported from."""

    folder: Path
    name: str
    import_from: list[str]


def add_app_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that name an app."""
    parser.add_argument("--config-dir", metavar="DIR", help="config folder of your own Hydra app")
    parser.add_argument("--config-name", metavar="NAME", help="its primary config; default: train")


def app_of(args: argparse.Namespace) -> App | None:
    """Return the app that a command line names, and take its script out of the overrides; None where it names none.

    Raises:
        ConfigError: for a script that does not say where its config is, and for half of an answer.
    """
    script = args.overrides[0] if args.overrides and args.overrides[0].endswith(".py") else None
    if script and args.config_dir:
        raise ConfigError(f"{script}: --config-dir names an app too; keep one of them")
    if script:
        args.overrides = args.overrides[1:]
        return app_of_script(Path(script), args.config_name)
    if args.config_name and not args.config_dir:
        raise ConfigError(f"--config-name {args.config_name}: give --config-dir too, the folder that it is in")
    if not args.config_dir:
        return None
    folder = Path(args.config_dir).resolve()
    return App(folder, args.config_name or "train", [os.getcwd(), str(folder.parent)])


def app_of_script(script: Path, name: str | None = None) -> App:
    """Read where a script has its config from the arguments of ``@hydra.main`` or `hydra_main`; nothing of it is run.

    Args:
        script: the file of the app.
        name: of the primary config, in place of the script's.

    Raises:
        ConfigError: where the script is missing, is no Python, or has no such decorator with plain texts.
    """
    try:
        tree = ast.parse(script.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigError(f"{script}: cannot be read ({why}); give the path of your app's script") from None
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    calls = [each for function in functions for each in function.decorator_list if isinstance(each, ast.Call)]
    for call in calls:
        if ast.unparse(call.func).rpartition(".")[2] in DECORATORS:
            given = {**dict(zip(("config_path", "config_name"), call.args, strict=False)), **_keywords(call)}
            texts = {key: value.value for key, value in given.items() if isinstance(value, ast.Constant)}
            path, primary = texts.get("config_path"), name or texts.get("config_name")
            if isinstance(path, str) and isinstance(primary, str):
                folder = (script.resolve().parent / path).resolve()
                return App(folder, primary, [os.getcwd(), str(script.resolve().parent), str(folder.parent)])
    raise ConfigError(
        f"{script}: no @hydra.main(config_path=..., config_name=...) with plain texts in it; give --config-dir"
    )


def _keywords(call: ast.Call) -> dict[str, ast.expr]:
    return {each.arg: each.value for each in call.keywords if each.arg}
