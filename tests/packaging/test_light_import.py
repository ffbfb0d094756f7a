"""Every Hydra app of an environment imports lit_optim through the plugin, so that has to be cheap."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOADED = """
import sys
import hydra
from hydra.plugins.search_path_plugin import SearchPathPlugin
before = {*sys.modules}
import lit_optim, lit_optim.conf, hydra_plugins.lit_optim.searchpath as plugin
assert issubclass(plugin.LitOptimSearchPathPlugin, SearchPathPlugin)
print(*{*sys.modules} - before)
"""


def test_an_unrelated_hydra_app_loads_a_few_small_files():
    """A few milliseconds; modules are counted, because times depend on the machine."""
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    plugin = {"hydra_plugins.lit_optim", "hydra_plugins.lit_optim.searchpath"}
    errors = {f"lit_optim.errors{name}" for name in ("", ".failures", ".hydra_messages", ".wording")}
    ours = {"lit_optim", "lit_optim.conf", "lit_optim.imports", *errors}
    loaded = {name for name in done.stdout.split() if name.partition(".")[0] not in sys.stdlib_module_names}
    assert loaded - {"hydra_plugins"} == {*ours, *plugin}


@pytest.mark.parametrize(
    "module",
    ["lit_optim", "lit_optim.conf", "hydra_plugins.lit_optim.searchpath", "hydra_plugins.lit_optim.job_sweeper"],
)
def test_neither_torch_nor_lightning_is_imported(module):
    code = f"import sys, {module}; print(*sorted({{'torch', 'lightning', 'numpy'}} & {{*sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
