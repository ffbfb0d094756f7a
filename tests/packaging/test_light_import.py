"""Every Hydra app of an environment imports lit_optim through the plugin, so that has to be cheap."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["lit_optim", "lit_optim.conf", "hydra_plugins.lit_optim.searchpath"])
def test_neither_torch_nor_lightning_is_imported(module):
    code = f"import sys, {module}; print(*sorted({{'torch', 'lightning', 'numpy'}} & {{*sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
