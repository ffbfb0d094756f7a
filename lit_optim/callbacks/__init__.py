"""Lightning callbacks, one a file: when to act. The mathematics is elsewhere, in pure functions.

Every class is a name of this package: ``lit_optim.callbacks.ScheduleReport`` is in ``schedule_report.py``.
"""

from __future__ import annotations

import importlib
import re
from typing import Any


def __getattr__(name: str) -> Any:
    module = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    try:
        return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{module}":
            raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
