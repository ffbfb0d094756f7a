"""All benchmarks, one after the other; a few minutes on one core."""

from __future__ import annotations

import subprocess
import sys

for name in ("schedule_step", "lightning_step", "lookahead", "gradient_transforms", "validate", "cli_cost"):
    subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)
