"""Artefacts built once a worker, each installed into an environment where this checkout cannot be seen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

import lit_optim

CHECKOUT = Path(__file__).resolve().parents[2]
SOURCES = ["hatch_build.py", "lit_optim", "conf", "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE"]
OURS = ("lit_optim", "_lit_optim", "hydra_plugins", "__pycache__")  # what the development environment has of us

APP = """
import hydra
from omegaconf import DictConfig


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def main(cfg: DictConfig) -> None:
    print("optimizer", cfg.optimizer._target_, cfg.optimizer.lr, "scheduler", cfg.scheduler.main.shape)


main()
"""
APP_CONFIG = """
defaults:
  - optimizer: adamw
  - scheduler: warmup_cosine
  - _self_
"""


@dataclass(frozen=True)
class Installed:
    """An environment that holds one artefact, and a foreign folder to work in."""

    python: Path
    folder: Path
    source: Path | None = None  # of an editable install

    def run(self, *arguments: str, **environment: str) -> str:
        """Standard output of this environment's Python, started in the foreign folder."""
        return run([str(self.python), *arguments], self.folder, **environment)


def run(command: list[str], folder: Path, **environment: str) -> str:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "COV_", "HYDRA_"))}
    environment = {**inherited, **environment}
    done = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command} exited {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build(kind: str, source: Path, folder: Path) -> Path:
    """The one wheel or sdist of a source tree; of this checkout, the one in ``LIT_OPTIM_DIST``, where that is set."""
    if (dist := os.environ.get("LIT_OPTIM_DIST")) and source == CHECKOUT:
        (artefact,) = Path(dist).glob(f"lit_optim-{lit_optim.__version__}{'-*.whl' if kind == 'wheel' else '.tar.gz'}")
        return artefact
    run([sys.executable, "-m", "build", "--no-isolation", f"--{kind}", "--outdir", str(folder), str(source)], folder)
    (artefact,) = folder.glob("lit_optim-*")
    return artefact


def unpacked(sdist: Path, folder: Path) -> Path:
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (source,) = folder.iterdir()
    return source


def install(requirement: list[str], folder: Path) -> Path:
    """A new environment with an artefact, by pip, without any index.

    Its dependencies are links to what the tests themselves run on: pip still checks that each is there, in a version
    that the artefact's metadata allows.
    """
    environment = folder / "environment"
    venv.create(environment, symlinks=True)
    python = environment / "bin" / "python"
    theirs = Path(sysconfig.get_path("purelib", vars={"base": str(environment), "platbase": str(environment)}))
    links = folder / "dependencies"
    links.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.startswith(OURS) and entry.suffix != ".pth":
            (links / entry.name).symlink_to(entry)
    (theirs / "dependencies.pth").write_text(f"{links}\n")
    options = ["--quiet", "--no-index", "--no-build-isolation", "--disable-pip-version-check"]
    run([sys.executable, "-m", "pip", "--python", str(python), "install", *options, *requirement], folder)
    return python


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", CHECKOUT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("sdist", CHECKOUT, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="session", params=["wheel", "sdist", "editable"])
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp(request.param)
    source = None
    if request.param == "wheel":
        requirement = [str(request.getfixturevalue("wheel"))]
    elif request.param == "sdist":
        source_of_wheel = unpacked(request.getfixturevalue("sdist"), tmp_path_factory.mktemp("unpacked"))
        requirement = [str(build("wheel", source_of_wheel, tmp_path_factory.mktemp("wheel-of-sdist")))]
    else:
        source = folder / "checkout"
        source.mkdir()
        for name in SOURCES:
            copy = shutil.copytree if (CHECKOUT / name).is_dir() else shutil.copy
            copy(CHECKOUT / name, source / name)
        requirement = ["--editable", str(source)]
    python = install(requirement, folder)
    app = folder / "app"
    (app / "conf").mkdir(parents=True)
    (app / "train.py").write_text(APP)
    (app / "conf" / "train.yaml").write_text(APP_CONFIG)
    return Installed(python, app, source)
