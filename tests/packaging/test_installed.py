"""A foreign Hydra app that only installed lit-optim: wheel, wheel built from the sdist, editable."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CONF = Path(__file__).resolve().parents[2] / "conf"
GROUPS = sorted(folder.name for folder in CONF.iterdir() if folder.is_dir() and not folder.name.startswith("_"))

COMPOSE_INSIDE = """
import hydra
import lit_optim
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def main(cfg):
    inner = lit_optim.compose(["optimizer=sgd", "scheduler=none"])
    assert inner.optimizer._target_ == "torch.optim.SGD", inner
    assert cfg.optimizer._target_ == "torch.optim.AdamW", cfg
    assert GlobalHydra.instance().is_initialized()
    assert HydraConfig.get().runtime.choices["optimizer"] == "adamw"
    assert "train" in GlobalHydra.instance().config_loader().get_group_options("", None)
    print("composed", inner.optimizer.lr)


main()
"""

pytestmark = pytest.mark.slow


def presets(group: str) -> list[str]:
    """As Hydra lists a group: its own files, without those of folders in it."""
    return sorted(file.stem for file in (CONF / group).glob("*.yaml"))


def test_the_package_comes_from_the_artefact(installed):
    file = Path(installed.run("-c", "import lit_optim; print(lit_optim.__file__)").strip())
    expected = installed.source or installed.python.parents[1]
    assert file.is_relative_to(expected)


def test_a_preset_composes_with_nothing_in_the_users_config(installed):
    out = installed.run("train.py", "optimizer=sgd", "optimizer.lr=0.5", "scheduler=warmup_linear")
    assert out.split() == ["optimizer", "torch.optim.SGD", "0.5", "scheduler", "linear"]


def test_defaults_of_the_users_config_name_presets(installed):
    assert installed.run("train.py").split() == ["optimizer", "torch.optim.AdamW", "0.001", "scheduler", "cosine"]


def test_help_lists_groups_and_presets(installed):
    out = installed.run("train.py", "--help")
    for group in GROUPS:
        listed = re.search(rf"^{group}: (.*)$", out, re.MULTILINE)
        assert listed, f"no group {group} in\n{out}"
        assert set(presets(group)) <= set(listed[1].split(", "))


def test_glob_launches_one_job_a_preset(installed):
    out = installed.run("train.py", "-m", "optimizer=glob(*,exclude=any)", "hydra.sweep.dir=sweep")
    names = [name for name in presets("optimizer") if name != "any"]  # which names no class
    assert f"Launching {len(names)} jobs" in out
    assert out.count("scheduler cosine") == len(names)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        pytest.param("optimizer=", {f"optimizer={name}" for name in presets("optimizer")}, id="presets"),
        pytest.param("sched", {"scheduler=", "scheduler."}, id="group"),
        pytest.param("optimizer.weight", {"optimizer.weight_decay="}, id="key"),
    ],
)
def test_bash_completion(installed, typed, offered):
    line = f"python train.py {typed}"
    out = installed.run("train.py", "-sc", "query=bash", COMP_LINE=line, COMP_POINT=str(len(line)))
    assert offered <= set(out.split())


def test_the_config_module_can_be_initialized(installed):
    code = (
        "from hydra import compose, initialize_config_module\n"
        "with initialize_config_module('lit_optim.conf', version_base='1.3'):\n"
        "    print(compose('lit_optim', ['optimizer=nadam']).optimizer._target_)"
    )
    assert installed.run("-c", code).strip() == "torch.optim.NAdam"


def test_compose_works_beside_a_running_app(installed):
    (installed.folder / "inside.py").write_text(COMPOSE_INSIDE)
    assert installed.run("inside.py").startswith("composed")


def test_presets_are_described(installed):
    out = installed.run("-c", "import lit_optim; print(*lit_optim.presets('scheduler'))")
    assert set(presets("scheduler")) <= set(out.split())


def test_the_command_lists_presets_and_finds_nothing_wrong(installed):
    code = "import subprocess, sys; raise SystemExit(subprocess.run(sys.argv[1:], check=False).returncode)"
    command = str(installed.python.parent / "lit-optim")
    listed = installed.run("-c", code, command, "list", "--group", "optimizer")
    files = (file.relative_to(CONF / "optimizer") for file in (CONF / "optimizer").rglob("*.yaml"))
    assert [line.split()[0] for line in listed.splitlines()[1:]] == sorted(str(f.with_suffix("")) for f in files)
    assert "no error found" in installed.run("-c", code, command, "doctor", "optimizer=sgd", "scheduler=cosine")


@pytest.mark.parametrize("installed", ["editable"], indirect=True)
def test_an_editable_install_sees_new_presets(installed):
    (installed.source / "conf" / "optimizer" / "mine.yaml").write_text("_target_: my.Own\n_partial_: true\nlr: 1\n")
    try:
        assert installed.run("train.py", "optimizer=mine").split()[:3] == ["optimizer", "my.Own", "1"]
    finally:
        (installed.source / "conf" / "optimizer" / "mine.yaml").unlink()
