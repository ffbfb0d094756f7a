"""Words what the grammar of Hydra's overrides rejects: the part to quote, and the whole word to paste."""

from __future__ import annotations

import re
import shlex

PAIRS = ("{}", "[]", "()")


def grammar_message(override: str) -> str:
    """Word the message about an override that Hydra cannot read.

    Example:
        >>> print(grammar_message("ckpt_path=/a/epoch=1.ckpt"))
        ckpt_path=/a/epoch=1.ckpt: the value has characters of Hydra's grammar; quote it: 'ckpt_path="/a/epoch=1.ckpt"'
        >>> print(grammar_message("optimizer={"))
        optimizer={: '{' without '}'; close it, or quote the value: 'optimizer="{"'
    """
    value = override.partition("=")[2]
    quote = next((mark for mark in "\"'" if value.count(mark) % 2), None)
    pair = next((pair for pair in PAIRS if value.count(pair[0]) != value.count(pair[1])), None)
    if quote:
        return f"{override}: {quote} without its other half; write {quoted(override)}"
    if pair:
        there, missing = sorted(pair, key=value.count, reverse=True)
        return f"{override}: {there!r} without {missing!r}; close it, or quote the value: {quoted(override)}"
    return f"{override}: the value has characters of Hydra's grammar; quote it: {quoted(override)}"


def several_values_message(override: str) -> str:
    """Word the message about a comma in a run without ``--multirun``.

    Example:
        >>> print(several_values_message("tags=a,b"))
        tags=a,b: several values; write 'tags=[a,b]' for a list, 'tags="a,b"' for a text, or add --multirun
        >>> print(several_values_message("lr=0,1"))
        lr=0,1: several values; for a number write a point, lr=0.1, or add --multirun
    """
    key, _, value = override.partition("=")
    if re.fullmatch(r"-?\d+,\d+(e-?\d+)?", value):
        return (
            f"{override}: several values; for a number write a point, {override.replace(',', '.')}, or add --multirun"
        )
    a_list = shlex.quote(f"{key}=[{value}]")
    return f"{override}: several values; write {a_list} for a list, {quoted(override)} for a text, or add --multirun"


def quoted(override: str) -> str:
    """Write an override whose value is a text, in quotes for Hydra inside of quotes for the shell.

    Example:
        >>> print(quoted("dir=/my data(1)"))
        'dir="/my data(1)"'
    """
    key, _, value = override.partition("=")
    text = value.strip("\"'").replace('"', '\\"')
    return shlex.quote(f'{key}="{text}"')
