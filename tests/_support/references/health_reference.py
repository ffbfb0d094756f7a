"""The quantities of `Health` in float64 NumPy, from whole tensors that a module copies around each of its steps."""

import csv
import math

import numpy as np

from _support.net import Net


def whole(tensor):
    return getattr(tensor, "full_tensor", lambda: tensor)().detach().double().numpy().copy()


def read(path):
    with path.open() as file:
        return list(csv.DictReader(file))


class Copies(Net):
    """Keeps gradients before and after clipping, weights before and after each step, and the second moments."""

    def __init__(self, **specs):
        super().__init__(**specs)
        self.save_hyperparameters()
        self.taken = []

    def on_before_optimizer_step(self, optimizer):
        self.raw = {name: whole(p.grad) for name, p in self.named_parameters() if p.grad is not None}

    def configure_gradient_clipping(self, optimizer, gradient_clip_val=None, gradient_clip_algorithm=None):
        self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
        self.consumed = {name: whole(p.grad) for name, p in self.named_parameters() if p.grad is not None}
        self.before = {name: whole(p) for name, p in self.named_parameters()}

    def on_train_batch_end(self, *_):
        if not hasattr(self, "raw"):
            return
        after = {name: whole(p) for name, p in self.named_parameters()}
        (optimizer,) = self.trainer.optimizers
        named = {p: name for name, p in self.named_parameters()}
        found = {}
        for group in optimizer.param_groups:
            members = [named[p] for p in group["params"] if p.requires_grad]
            states = [(optimizer.state[p], group) for p in group["params"]]
            found[group.get("name", "")] = self.values(members, after, states)
        self.taken.append(found)
        del self.raw

    def values(self, members, after, states):
        with_grad = [name for name in members if name in self.raw]

        def norm(tensors, names):
            return math.sqrt(sum((tensors[name] ** 2).sum() for name in names))

        update = {name: after[name] - self.before[name] for name in members}
        product = sum((update[name] * self.consumed[name]).sum() for name in with_grad)
        length = norm(update, with_grad)
        found = {
            "gradient_norm": norm(self.raw, with_grad),
            "gradient_norm_clipped": norm(self.consumed, with_grad),
            "update_ratio": length / norm(self.before, members),
            "effective_lr": length / norm(self.consumed, with_grad),
            "cosine": -product / (length * norm(self.consumed, with_grad)),
        }
        moments = []
        for state, group in states:
            if "exp_avg_sq" in state and "betas" in group:
                step = float(state["step"])
                moments.append(
                    np.sqrt(whole(state["exp_avg_sq"]) / (1 - group["betas"][1] ** step)).ravel() <= group["eps"]
                )
        if moments:
            found["saturation"] = np.concatenate(moments).mean()
        return found


def sound_steps(taken, group):
    """Return for each step whether all numbers of a group were finite."""
    return [all(map(math.isfinite, values[group].values())) for values in taken]


def assert_equal_to_reference(rows, taken, *, measured=None, rel=2e-5):
    """Compare the csv file with the copies of each step: every value of every group, and no other columns."""
    for row in rows:
        expected = taken[int(row["step"])]
        one = len(expected) == 1
        for group, values in expected.items():
            for quantity, value in values.items():
                found = float(row[quantity if one else f"{quantity}/{group}"])
                assert math.isclose(found, value, rel_tol=rel, abs_tol=1e-7), (
                    row["step"],
                    quantity,
                    group,
                    found,
                    value,
                )
    assert [int(row["step"]) for row in rows] == (measured if measured is not None else [*range(len(taken))])
