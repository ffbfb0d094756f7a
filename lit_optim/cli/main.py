"""Runs the verbs of ``lit-optim``; the module of a verb is imported when the verb is used."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import lit_optim
from lit_optim.errors import ConfigError, did_you_mean

VERBS = {
    "list": "the presets: what each is, and what it needs",
    "info": "all about a preset: keys, types, defaults, meanings, paper, Python",
    "preview": "the curve of every hyper-parameter that a schedule drives, as picture, text and csv",
    "card": "which rule puts which parameter into which group, with lr, decay, schedule and memory",
    "recommend": "which recipe fits a module, with reasons; it prints a configuration and changes none",
    "compare": "tunes several optimizers on your app with equal budgets, and compares them on fresh seeds",
    "report": "what a comparison of optimizers, or any recorded runs, show: tables, pictures, words",
    "doctor": "looks for what is wrong with the installation and with a configuration",
}
WRONG = 2  # exit code, as of argparse and of exit_on_config_error
CLOSED_PIPE = 141  # what a shell shows of a program that SIGPIPE ended
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb.

    Args:
        argv: arguments without the program's name; default: those of the process.

    Example:
        >>> main(["list", "poly*", "--group", "scheduler"])
        name        package    needs  summary
        polynomial  lit_optim         A power of the part of the run that is left.
        0
    """
    given = list(sys.argv[1:] if argv is None else argv)
    parser = _parser(given)
    verb = next((word for word in given if not word.startswith("-")), None)
    if verb is not None and verb not in VERBS:
        options = f"(choose from {', '.join(VERBS)}){did_you_mean(verb, VERBS)}"
        parser.error(f"argument VERB: invalid choice: {verb!r} {options}")
    try:
        args, rest = parser.parse_known_args(given)
        late = [word for word in rest if hasattr(args, "overrides") and not word.startswith("-")]
        if len(late) < len(rest):
            parser.error(f"unrecognized arguments: {' '.join(rest)}")
        if late:  # argparse takes one run of words only, and there may be options between them
            args.overrides += late
        return importlib.import_module(f"lit_optim.cli.{args.verb}").run(args)  # type: ignore[no-any-return]
    except ConfigError as error:
        print(error, file=sys.stderr)
        return WRONG
    except BrokenPipeError:  # `| head`: what is still buffered must not fail when the interpreter ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:  # a full disk
        print(error, file=sys.stderr)
        return 1


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lit-optim",
        description="Optimizers and learning-rate schedules for PyTorch Lightning, chosen by configuration.",
        epilog="lit-optim VERB --help says more about one of them.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"lit-optim {lit_optim.__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, text in VERBS.items():
        how: dict[str, Any] = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
        verb = verbs.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", **how)
        if name in given:
            module = importlib.import_module(f"lit_optim.cli.{name}")
            verb.epilog = (module.__doc__ or "").partition("\n\n")[2].rstrip()  # its examples
            module.add_arguments(verb)
            verb.add_argument("--json", action="store_true", help="for programs: JSON in place of a table")
    return parser
