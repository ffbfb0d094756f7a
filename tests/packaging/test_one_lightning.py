"""Only one of `lightning` and `pytorch_lightning` is imported, and only one has to be installed."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
USER = """
import sys, warnings
warnings.simplefilter("ignore")
import torch
import lit_optim
from lit_optim import ConfigureOptimizersMixin  # before Lightning, as import sorters put it
import {package} as pl

class Net(ConfigureOptimizersMixin, pl.LightningModule):
    def __init__(self, optimizer="adam", scheduler=None, optim_callbacks=None):
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(4, 1)

    def training_step(self, batch, _):
        return self.layer(batch).square().mean()

def fit(module, epochs, ckpt_path=None):
    data = torch.utils.data.DataLoader(torch.arange(80.0).reshape(20, 4) / 80, batch_size=2)
    quiet = dict(logger=False, enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False)
    run = pl.Trainer(max_epochs=epochs, accelerator="cpu", default_root_dir={folder!r}, **quiet)
    run.fit(module, data, ckpt_path=ckpt_path)
    return run

from omegaconf import OmegaConf
callbacks = OmegaConf.create({{"swats": {{"_target_": "lit_optim.callbacks.SWATS", "at": 5}}}})
path = {folder!r} + "/half.ckpt"
whole, half = Net(optim_callbacks=callbacks), Net(optim_callbacks=callbacks)
half.load_state_dict(whole.state_dict())
fit(whole, 2)
fit(half, 1).save_checkpoint(path)
resumed = Net.load_from_checkpoint(path)
assert fit(resumed, 2, path).global_step == 20
assert all(map(torch.equal, whole.parameters(), resumed.parameters()))
assert issubclass(lit_optim.callbacks.SWATS, pl.Callback)
lit_optim.validate({{"optimizer": "sgd", "optim_callbacks": "ema"}})
from lit_optim.cli.main import main
assert main(["info", "schedule_report"]) == 0
assert main(["doctor", "optimizer=sgd", "optim_callbacks=ema"]) == 0
print(*sorted({{"lightning", "pytorch_lightning"}} & {{*sys.modules}}))
"""


@pytest.mark.parametrize(
    ("package", "absent"), [("lightning.pytorch", True), ("pytorch_lightning", True), ("pytorch_lightning", False)]
)
def test_the_package_that_is_not_used_is_not_needed(tmp_path, package, absent):
    (other,) = {"lightning", "pytorch_lightning"} - {package.partition(".")[0]}
    script = tmp_path / "user.py"
    script.write_text(USER.format(package=package, folder=str(tmp_path)), encoding="utf-8")
    if absent:  # the script's folder is the first on the path
        error = f"raise ModuleNotFoundError(\"No module named '{other}'\", name='{other}')\n"
        (tmp_path / f"{other}.py").write_text(error, encoding="utf-8")
    environment = {"PYTHONPATH": str(ROOT), "PATH": "", "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    assert done.stdout.splitlines()[-1] == package.partition(".")[0]
