"""Measures every preset anew; writes the shipped table and that of docs/optimizers.md. ``python -m capabilities [NAME ...]``."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import torch

import lit_optim.config
from capabilities.columns import QUICK, SLOW, measure
from capabilities.page import with_table
from conftest import OPTIMIZERS
from lit_optim.config import capabilities

STORED = Path(lit_optim.config.__file__).parent / "capabilities.json"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "optimizers.md"


def main(names: list[str]) -> None:
    """Measures ``names``, or all presets; those that are gone are dropped."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    for name in names or OPTIMIZERS:
        stored[name] = measure(name, {**QUICK, **SLOW})
        print(name, *stored[name].values(), flush=True)
    rows = (f"  {json.dumps(name)}: {json.dumps(stored[name])}" for name in sorted(OPTIMIZERS) if name in stored)
    STORED.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")
    for read in (capabilities._measured, capabilities.capability_table):
        read.cache_clear()
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), capabilities.capability_table()), encoding="utf-8")


main(sys.argv[1:])
