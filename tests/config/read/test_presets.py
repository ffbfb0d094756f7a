import pytest

import lit_optim
from lit_optim import ConfigError


def test_presets_are_found_by_pattern():
    assert list(lit_optim.presets("scheduler", "warmup_p*")) == ["warmup_plateau", "warmup_polynomial"]
    with pytest.raises(ConfigError, match="did you mean 'scheduler'"):
        lit_optim.presets("schedulr")
