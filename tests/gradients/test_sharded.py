"""Two real processes: a shard gets its part of what the whole tensor gets, however unevenly it is cut."""

import lightning as L
import numpy as np
import pytest
import torch
import torch.distributed as dist
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.strategies import ModelParallelStrategy
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Shard, distribute_tensor

from _support.fork import on_two_ranks
from _support.gradient_problem import Mixed
from _support.net import Net, loader, trainer
from _support.references.gradient_reference import centralized, clipped_by_unit
from lit_optim.gradients import Agc, Centralize, Noise
from lit_optim.versions import older

SHAPES = [(6, 1500), (7, 3, 5), (1, 4), (5,), (2050,), (1,), (4, 3, 2, 2), (3, 0)]
SHAPED = [
    *((shape, 0) for shape in SHAPES),
    ((6, 1500), 1),
    ((7, 3, 5), 1),
    ((7, 3, 5), 2),
    ((3, 1), 1),
    ((4, 3, 2, 2), 2),
]
# torch 2.6 cannot distribute tensors whose second dimension is empty
SHAPED = [(shape, dim) for shape, dim in SHAPED if 0 not in shape[1:] or not older("torch", "2.7")]


def tensor(shape, seed, dtype):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def transformed(links, place, dtype):
    """The gradients that a step consumes, whole again."""
    params = [torch.nn.Parameter(place(tensor(shape, i, dtype), dim)) for i, (shape, dim) in enumerate(SHAPED)]
    optimizer = torch.optim.SGD(params, lr=0.1)
    for link in links:
        link.attach(optimizer)
    for i, (p, (shape, dim)) in enumerate(zip(params, SHAPED, strict=True)):
        p.grad = place(tensor(shape, 100 + i, dtype), dim)
    optimizer.step()
    return [p.grad.full_tensor() if isinstance(p.grad, DTensor) else p.grad for p in params]


def on_two_shards(links, dtype):
    def work(rank):
        dist.init_process_group("gloo", rank=rank, world_size=2)
        mesh = init_device_mesh("cpu", (2,))
        return transformed(links, lambda t, dim: distribute_tensor(t, mesh, [Shard(dim)]), dtype)

    return on_two_ranks(work)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.complex64])
def test_noise_of_shards_is_that_of_the_whole(dtype):
    whole = transformed([Noise(eta=0.5)], lambda t, dim: t, dtype)
    for shards in on_two_shards([Noise(eta=0.5)], dtype):
        for i, (one, other) in enumerate(zip(shards, whole, strict=True)):
            assert torch.equal(one, other), SHAPED[i]


def test_units_that_ranks_share_are_clipped_and_centralized_as_wholes():
    for shards in on_two_shards([Centralize(), Agc(lam=0.3)], torch.float64):
        for i, (shape, _) in enumerate(SHAPED):
            w, g = tensor(shape, i, torch.float64).numpy(), tensor(shape, 100 + i, torch.float64).numpy()
            expected = clipped_by_unit(w, centralized(g) if g.size else g, 0.3, 1e-3)
            np.testing.assert_allclose(shards[i].numpy(), expected, rtol=1e-12, atol=1e-14, err_msg=str(SHAPED[i]))


def test_modules_that_are_sharded_keep_their_names():
    def work(rank):
        dist.init_process_group("gloo", rank=rank, world_size=2)
        net = Mixed(torch.float32)
        del net.empty
        del net.gain  # FSDP2 shards no scalars
        net = fully_shard(net, mesh=init_device_mesh("cpu", (2,)))
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        Noise(eta=1.0).attach(optimizer, net)
        for p in net.parameters():
            p.grad = torch.zeros_like(p)
        optimizer.step()
        return {name: p.grad.full_tensor() for name, p in net.named_parameters()}

    net = Mixed(torch.float32)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    Noise(eta=1.0).attach(optimizer, net)
    for p in net.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    for result in on_two_ranks(work):
        assert set(result) == {name for name, _ in net.named_parameters()} - {"empty", "gain"}
        for name, grad in result.items():
            assert torch.equal(grad, dict(net.named_parameters())[name].grad), name


class Sharded(Net):
    def configure_model(self):
        if not isinstance(self.layer[0].weight, DTensor):
            fully_shard(self.layer, mesh=self.device_mesh["data_parallel"])


SPEC = dict(optimizer="adamw", optim_callbacks=["gradient_noise", "agc", "centralize"])


def run(tmp_path, cls, strategy, ckpt_path=None, **options):
    torch.manual_seed(0)
    module = cls(**SPEC)
    fitting = trainer(tmp_path, devices=2, strategy=strategy, gradient_clip_val=0.5, **options)
    fitting.fit(module, loader(), loader(8), ckpt_path=ckpt_path)
    return torch.cat([getattr(p, "full_tensor", lambda p=p: p)().detach().flatten() for p in module.parameters()])


def whole_and_resumed(tmp_path, cls, strategy):
    """The weights of a run, which both ranks agree on, and those of runs that go on from four of its checkpoints."""

    def work(rank):
        saves = [ModelCheckpoint(tmp_path, "s{step}", every_n_train_steps=1, save_top_k=-1)]
        unbroken = run(tmp_path, cls, strategy(), callbacks=saves)
        return [unbroken, *(run(tmp_path, cls, strategy(), tmp_path / f"sstep={step}.ckpt") for step in (1, 3, 4, 6))]

    (first, *resumed), (second, *others) = on_two_ranks(work)
    assert torch.equal(first, second)
    return first, [*resumed, *others]


@pytest.fixture(scope="module")
def replicated(tmp_path_factory):
    return whole_and_resumed(tmp_path_factory.mktemp("ddp"), Net, lambda: "ddp")


def test_replicated_training_resumes_exactly(replicated):
    expected, resumed = replicated
    assert all(torch.equal(result, expected) for result in resumed)


@pytest.mark.parametrize("distributed", [True, False])
def test_sharded_training_ends_where_replicated_does_and_resumes_exactly(tmp_path, replicated, distributed):
    def strategy():
        return ModelParallelStrategy(2, 1, save_distributed_checkpoint=distributed)

    expected, resumed = whole_and_resumed(tmp_path, Sharded, strategy)
    torch.testing.assert_close(expected, replicated[0], rtol=1e-3, atol=1e-5)
    assert all(torch.equal(result, expected) for result in resumed)


class SavesFirst(L.Callback):
    def on_train_start(self, trainer, pl_module):
        trainer.save_checkpoint(f"{trainer.default_root_dir}/first.ckpt")


def test_a_checkpoint_before_the_first_step_counts_no_step(tmp_path):
    def counted(rank):
        module = Sharded(optimizer="sgd", optim_callbacks="gradient_noise")
        fitting = trainer(
            tmp_path, devices=2, strategy=ModelParallelStrategy(2, 1), callbacks=[SavesFirst()], max_epochs=1
        )
        fitting.fit(module, loader(), loader(8))
        noise = next(c for c in fitting.callbacks if type(c).__name__ == "GradientNoise")
        return noise.state_dict(), fitting.global_step, weights_of(module)

    def weights_of(module):
        return torch.cat([p.full_tensor().detach().flatten() for p in module.parameters()])

    results = on_two_ranks(counted)
    assert all(state["steps"] == [steps] for state, steps, _ in results)
    assert torch.equal(results[0][2], results[1][2])
