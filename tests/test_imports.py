import sys

import pytest

from lit_optim import ConfigError
from lit_optim.imports import import_object, only_known_packages


def test_only_modules_that_are_imported_already():
    assert "this" not in sys.modules
    with only_known_packages(), pytest.raises(ConfigError, match="this.Zen: a checkpoint names it"):
        import_object("this.Zen", "optimizer._target_")
    assert "this" not in sys.modules
    assert "wave" not in sys.modules
    with only_known_packages(["wav", "wave.Wave"]), pytest.raises(ConfigError, match="'wave' is not imported"):
        import_object("wave.Wave_read", "x")
    with only_known_packages("wave"), only_known_packages():
        assert import_object("wave.Wave_read", "x"), "what was allowed around it stays allowed"


def test_a_module_that_exits_or_raises_when_it_is_imported(tmp_path, monkeypatch):
    (tmp_path / "lo_exits.py").write_text("raise SystemExit(7)")
    (tmp_path / "lo_raises.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, message in (("lo_exits", "importing lo_exits failed: 7"), ("lo_raises", "division by zero")):
        with pytest.raises(ConfigError, match=message):
            import_object(f"{name}.Optimizer", "optimizer._target_")
