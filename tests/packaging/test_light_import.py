"""Every Hydra app of an environment imports lit_optim through the plugin, so that has to be cheap."""

from __future__ import annotations

import subprocess
import sys

import pytest

COST = """
import time
import hydra
from hydra.plugins.search_path_plugin import SearchPathPlugin
before = time.process_time()
import lit_optim, lit_optim.conf, hydra_plugins.lit_optim.searchpath as plugin
assert issubclass(plugin.LitOptimSearchPathPlugin, SearchPathPlugin)
print(time.process_time() - before)
"""


def test_an_unrelated_hydra_app_pays_less_than_5_ms():
    """The best of some processes: what the machine does beside it is not our cost."""
    costs = []
    for _ in range(10):
        done = subprocess.run([sys.executable, "-c", COST], capture_output=True, text=True, check=True)
        costs.append(float(done.stdout))
        if costs[-1] < 0.005:
            return
    raise AssertionError(f"{min(costs):.4f} s of CPU time")


@pytest.mark.parametrize("module", ["lit_optim", "lit_optim.conf", "hydra_plugins.lit_optim.searchpath"])
def test_neither_torch_nor_lightning_is_imported(module):
    code = f"import sys, {module}; print(*sorted({{'torch', 'lightning', 'numpy'}} & {{*sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
