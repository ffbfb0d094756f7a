"""Write the page of the command ``lit-optim`` from its own help, and what ``--json`` prints from its output."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any
from unittest.mock import patch

from docs_pages.markdown import code, fenced, printable, table
from lit_optim.cli.main import VERBS, main

WIDTH = {"COLUMNS": "88", "NO_COLOR": "1"}
# what is run to find out the keys of its JSON
JSON_OF = {
    "list": ["list", "adamw", "--group", "optimizer"],
    "info": ["info", "optimizer/sgd"],
    "preview": ["preview", "scheduler=warmup_cosine", "total_steps=4", "--out", "none"],
    "card": ["card", "torch.nn:Transformer", "optimizer=sgd"],
    "doctor": ["doctor", "optimizer=sgd", "scheduler=cosine", "total_steps=4"],
}
INTRO = """# Command line

{help}
Exit codes: 0 = done, 2 = wrong arguments or an error in the configuration, 1 = a file that cannot be written.
Every verb takes `--json`: one JSON object on standard output, with the keys that are listed here. A key is null where there is
nothing to say.

"""


def pages() -> dict[str, str]:
    """Return the page of the command line."""
    return {"reference/cli.md": INTRO.format(help=fenced(printed("--help"))) + "\n".join(map(_verb, VERBS))}


def printed(*words: str) -> str:
    """Run the command in this process, and return what it prints to standard output."""
    out = io.StringIO()
    with patch.dict(os.environ, WIDTH), contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        main(words)
    return out.getvalue()


def _verb(verb: str) -> str:
    page = f"## {verb}\n\n{VERBS[verb][0].upper()}{VERBS[verb][1:]}.\n\n{fenced(printed(verb, '--help'))}"
    if verb not in JSON_OF:
        return page
    rows = [[code(path), kind, code(printable(text, 60))] for path, (kind, text) in json_keys(verb).items()]
    words = " ".join(JSON_OF[verb])
    return f"{page}\n### {verb} --json\n\nOf `lit-optim {words} --json`:\n\n{table(['key', 'type', 'example'], rows)}"


def json_keys(verb: str) -> dict[str, tuple[str, str]]:
    """Return type and example of each key of a verb's JSON, by its dotted path; the items of a list are alike."""
    found = json.loads(printed(*JSON_OF[verb], "--json"))
    shows = verb != "doctor"  # which is about the machine
    every = reversed([*_walk(found, "")])  # the first item of a list is the example
    return dict(reversed([*{path: (kind, text if shows else "") for path, kind, text in every}.items()]))


def _walk(value: Any, path: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from _walk(item, f"{path}.{name}".lstrip("."))
    elif isinstance(value, list) and value and isinstance(value[0], (Mapping, list)):
        for item in value:
            yield from _walk(item, f"{path}[]")
    elif value is not None:
        yield path, _kind(value), json.dumps(value, ensure_ascii=False)


def _kind(value: Any) -> str:
    names = {bool: "true or false", int: "number", float: "number", str: "text", list: "list", dict: "mapping"}
    return names[type(value)]
