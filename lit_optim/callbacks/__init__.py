"""Lightning callbacks, one a file: when to act. The mathematics is elsewhere, in pure functions.

Every class is a name of this package: ``lit_optim.callbacks.ScheduleReport`` is in ``schedule_report.py``.
"""

from __future__ import annotations

from typing import Any

from lit_optim.imports import class_in_package


def __getattr__(name: str) -> Any:
    return class_in_package(__name__, __path__, name)
