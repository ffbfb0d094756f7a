import torch
from omegaconf import OmegaConf

from lit_optim.config.read.plain_containers import to_plain, to_serializable


def test_plain_and_portable():
    import functools

    assert to_plain({"a": OmegaConf.create([1, {"b": 2}]), "t": (1, OmegaConf.create({}))}) == {
        "a": [1, {"b": 2}],
        "t": (1, {}),
    }
    partial = functools.partial(torch.optim.AdamW, betas=OmegaConf.create([0.9, 0.99]))
    assert to_serializable({"x": partial, "f": torch.optim.SGD, "o": object}) == {
        "x": {"_target_": "torch.optim.AdamW", "_partial_": True, "betas": [0.9, 0.99]}, "f": "torch.optim.SGD", "o": "builtins.object"
    }  # fmt: skip
