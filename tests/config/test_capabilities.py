"""Looking a capability up reads the presets' headers as text: no YAML is parsed, and the answer is the file's."""

import subprocess
import sys

import pytest

from conftest import preset_names
from lit_optim.config.capabilities import capabilities, capabilities_of_target
from lit_optim.config.read import presets
from lit_optim.config.read.preset_header import header

WITHOUT_YAML = """
import sys
sys.modules["yaml"] = sys.modules["omegaconf"] = None  # an import of one of them fails
from lit_optim.config.capabilities import Capabilities, capabilities, capabilities_of_target, capability_table

assert capabilities_of_target("torch.optim.LBFGS").closure
assert capabilities_of_target("lit_optim.optimizers.SGDW") == capabilities("sgdw")
assert capabilities_of_target("somewhere.Else") == Capabilities()
assert len(capability_table()) > 40
"""


def test_no_yaml_is_parsed():
    done = subprocess.run([sys.executable, "-c", WITHOUT_YAML], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", preset_names("optimizer"))
def test_the_target_read_as_text_is_the_parsed_one(name):
    assert header("optimizer", name).target == presets.load_preset("optimizer", name)["_target_"]


def test_a_class_of_several_presets_has_the_entry_of_the_first():
    targets: dict[str, str] = {}
    for name in preset_names("optimizer"):
        targets.setdefault(presets.load_preset("optimizer", name)["_target_"], name)
    expected = {target: capabilities(name) for target, name in targets.items()}
    assert {target: capabilities_of_target(target) for target in targets} == expected
