import subprocess
import sys

import pytest

import lit_optim


def test_importing_the_package_imports_neither_torch_nor_lightning():
    code = (
        "import sys, lit_optim, lit_optim.conf; lit_optim.presets(); "
        "print([m for m in ('torch', 'lightning', 'hydra', 'omegaconf', 'numpy') if m in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_public_names():
    assert {"ConfigureOptimizersMixin", "build_optimizer", "exit_on_config_error"} <= set(dir(lit_optim))
    for name in lit_optim.__all__:
        assert getattr(lit_optim, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'bulid_optimizer'"):
        _ = lit_optim.bulid_optimizer
