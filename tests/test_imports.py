import contextlib
import sys

import pytest

from lit_optim import ConfigError
from lit_optim.imports import check_stays_inside, import_object, only_known_packages


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


def test_a_context_within_another_adds_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with only_known_packages(folder=tmp_path / "run"), only_known_packages():
        check_stays_inside("optim", "folder")
        with pytest.raises(ConfigError, match="outside of the run's folder"):
            check_stays_inside(tmp_path / "optim", "folder")


NAMED = {
    "torch.optim.SGD": True,
    "torch.optim.lr_scheduler.StepLR": True,
    "torch.nn.LayerNorm": True,  # in `type`
    "lit_optim.callbacks.Lookahead": True,
    "lit_optim.schedules.shapes.lambda_.unchanged": True,
    "lit_optim.imports.import_object": False,
    "lightning.pytorch.callbacks.ModelCheckpoint": False,
    "torch.utils.data.DataLoader": False,
    "torch.manual_seed": False,
    "pathlib.Path": False,
    "lit_optim.imports.sys.path": False,
}


@pytest.mark.parametrize("path", NAMED)
def test_what_a_checkpoint_may_name(path):
    with (
        only_known_packages(),
        contextlib.nullcontext() if NAMED[path] else pytest.raises(ConfigError, match="may name"),
    ):
        import_object(path, "x")
    with only_known_packages(names=[path]):
        import_object(path, "x")
