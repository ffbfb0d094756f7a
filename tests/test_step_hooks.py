"""Under a gradient scaler the schedule counts the steps that were really taken."""

import pytest
import torch
from lightning.pytorch.plugins import MixedPrecision

from _support.net import Net, fit


class Overflows(Net):
    """Gives infinite gradients in some batches."""

    at = (0, 2, 3, 9)

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        return loss * float("inf") if self.trainer.fit_loop.total_batch_idx in self.at else loss


@pytest.mark.parametrize("fused", [True, False])
def test_a_skipped_step_holds_the_schedule(tmp_path, fused):
    module = Overflows({"_target_": "torch.optim.SGD", "lr": 0.01, "fused": fused}, scheduler="linear")
    scaler = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=2.0))
    _, run = fit(tmp_path, module, max_epochs=2, plugins=[scaler])
    held = [lr for (lr,) in module.used]
    taken, expected = 0, []
    for batch in range(16):
        expected.append(0.01 * (1 - taken / 16))
        taken += batch not in module.at
    assert held == pytest.approx(expected)
    assert run.lr_scheduler_configs[0].scheduler.last_epoch == 12


def test_without_a_scaler_every_step_counts(tmp_path):
    module = Net("sgd", scheduler="linear")
    _, run = fit(tmp_path, module, max_epochs=1)
    assert run.lr_scheduler_configs[0].scheduler.last_epoch == 8
