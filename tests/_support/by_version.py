"""What tests skip on old versions, each with its reason, in one place."""

from __future__ import annotations

import pytest
import torch

from lit_optim.versions import installed, older

NO_WEIGHT_AVERAGING = older("lightning", "2.6")
needs_weight_averaging = pytest.mark.skipif(
    NO_WEIGHT_AVERAGING, reason=f"Lightning {installed('lightning')} has no WeightAveraging, which came with 2.6"
)

needs_batch_idx_on_resume = pytest.mark.skipif(
    older("lightning", "2.5"),
    reason="Lightning 2.4 resumes within an epoch with a batch_idx that is one too low, which the mixin mends; this module "
    "does without the mixin, and its steps depend on batch_idx",
)
needs_grad_dtype = pytest.mark.skipif(
    not hasattr(torch.Tensor, "grad_dtype"),
    reason=f"torch {installed('torch')} gives every gradient the dtype of its parameter: there is no Tensor.grad_dtype",
)
needs_muon = pytest.mark.skipif(
    older("torch", "2.9"), reason=f"torch {installed('torch')} has no Muon, which came with 2.9"
)
needs_partials_of_hydra = pytest.mark.skipif(
    older("hydra-core", "1.3.6"),
    reason=f"Hydra {installed('hydra-core')} makes partials of functools, which look the same as those of an app's author",
)
SAVES_SAY_WHY = older("lightning", "2.6")  # later ones pass over a PermissionError
LOADER_GOES_ON = older("lightning", "2.6")  # after the search of an lr finder, which costs the first epoch some batches


def skip_what_torch_cannot(failure: str) -> None:
    """Skips the test if a rank failed in what torch 2.6 cannot do on CPUs: FSDP2, and gathering complex numbers by gloo."""
    lacking = not hasattr(torch.cpu.Stream, "record_event")
    if lacking and "'Stream' object has no attribute 'record_event'" in failure:
        pytest.skip(f"torch {installed('torch')} cannot run FSDP2 on CPUs: their streams have no record_event")
    if lacking and "Invalid scalar type" in failure:
        pytest.skip(f"torch {installed('torch')} cannot gather complex numbers: its gloo has no such type")
