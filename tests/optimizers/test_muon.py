"""Muon: torch's own on matrices, the flattened shape of convolutions, blocks, and the whole matrix of sharded ones."""

import copy
import math

import pytest
import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Replicate, Shard, distribute_tensor

from _support.fork import on_two_ranks
from lit_optim import ConfigError
from lit_optim.optimizers import Muon
from lit_optim.optimizers.matrix_shape import flat_shape, is_odd_shape
from lit_optim.optimizers.muon import orthogonalize, update_scale

SHAPES = [(8, 16), (33, 7), (5, 5), (4, 64)]
needs_torchs = pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch.optim.Muon came with torch 2.9")


def draw(shapes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for shape in shapes]


def train(make, shapes=SHAPES, steps=3, view=lambda p: p):
    params = [torch.nn.Parameter(view(p).clone()) for p in draw(shapes)]
    optimizer = make(params)
    for step in range(1, steps + 1):
        for p, grad in zip(params, draw(shapes, step), strict=True):
            p.grad = view(grad).clone()
        optimizer.step()
    return params, optimizer


def equal(ones, others):
    return all(torch.equal(p.flatten(), q.flatten()) for p, q in zip(ones, others, strict=True))


@needs_torchs
@pytest.mark.parametrize(
    "options",
    [{}, {"adjust_lr_fn": "match_rms_adamw"}, {"nesterov": False, "momentum": 0.5, "ns_steps": 3, "weight_decay": 0.5}],
    ids=str,
)
def test_matrices_are_what_torch_makes_of_them_bit_for_bit(options):
    ours, theirs = (
        train(lambda p: Muon(p, lr=0.02, **options)),
        train(lambda p: torch.optim.Muon(p, lr=0.02, **options)),
    )
    assert equal(ours[0], theirs[0])
    for p, q in zip(ours[0], theirs[0], strict=True):
        assert torch.equal(ours[1].state[p]["momentum_buffer"], theirs[1].state[q]["momentum_buffer"])
    assert {*theirs[1].param_groups[0]} <= {*ours[1].param_groups[0]}


def test_momentum_in_bfloat16_is_not_divided_by_the_norm_of_the_update():
    p = torch.nn.Parameter(torch.zeros(8, 8, dtype=torch.bfloat16))
    p.grad = torch.full_like(p, 4.0)
    optimizer = Muon([p], momentum=0.0, nesterov=False)
    optimizer.step()
    assert (optimizer.state[p]["momentum_buffer"] == 4).all()


@pytest.mark.parametrize("scale", ["original", "match_rms_adamw", "spectral_unclamped"])
def test_a_convolution_is_its_flattened_matrix(scale):
    shapes = [(16, 4, 3, 3), (8, 2, 5)]
    conv, _ = train(lambda p: Muon(p, lr=0.02, adjust_lr_fn=scale), shapes)
    flat, _ = train(lambda p: Muon(p, lr=0.02, adjust_lr_fn=scale), shapes, view=lambda p: p.flatten(1))
    assert equal(conv, flat)
    strided, _ = train(
        lambda p: Muon(p, lr=0.02, adjust_lr_fn=scale),
        shapes[:1],
        view=lambda p: p.to(memory_format=torch.channels_last),
    )
    torch.testing.assert_close(strided[0], conv[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("split", "rows"), [([8, 8, 8], [8, 8, 8]), ([16, 4, 4], [16, 4, 4]), ({"heads": 2}, [4] * 6)], ids=str
)
def test_blocks_are_orthogonalized_apart_each_with_the_scale_of_its_own_shape(split, rows):
    whole, _ = train(lambda p: Muon(p, lr=0.02, split=split), [(24, 8)])
    begin = draw([(24, 8)])[0].split(rows)
    blocks = [torch.nn.Parameter(p.clone()) for p in begin]
    optimizer = Muon(blocks, lr=0.02)
    for step in (1, 2, 3):
        for p, grad in zip(blocks, draw([(24, 8)], step)[0].split(rows), strict=True):
            p.grad = grad.clone()
        optimizer.step()
    torch.testing.assert_close(whole[0], torch.cat(blocks), rtol=1e-6, atol=1e-6)


def test_orthogonalized_singular_values_lie_near_one():
    values = torch.linalg.svdvals(orthogonalize(draw([(20, 50)])[0], (3.4445, -4.7750, 2.0315), 5, 1e-7).double())
    assert values.min() > 0.6
    assert values.max() < 1.3


@pytest.mark.parametrize(
    ("scale", "rows", "columns", "factor"),
    [
        (None, 3, 12, 1.0), ("original", 12, 3, 2.0), ("original", 3, 12, 1.0),
        ("match_rms_adamw", 100, 25, 2.0), ("spectral_unclamped", 3, 12, 0.5),
    ],
)  # fmt: skip
def test_scales_by_hand(scale, rows, columns, factor):
    assert update_scale(scale, rows, columns) == pytest.approx(factor)


@pytest.mark.parametrize(
    ("shape", "odd"),
    [
        ((1, 64), True), ((64, 1), True), ((3, 64), True), ((4, 64), False), ((4, 513), True), ((512, 4), False),
        ((0, 64), True), ((64,), True), ((), True), ((64, 3, 7, 7), False), ((64, 1, 3, 3), False), ((64, 1, 1), True),
    ],
)  # fmt: skip
def test_odd_shapes(shape, odd):
    assert is_odd_shape(*flat_shape(shape)) is odd
    assert math.prod(flat_shape(shape)) == math.prod(shape)


WRONG = [
    ({"lr": -1.0}, "lr=-1.0: must be a finite number of at least 0"),
    ({"adjust_lr_fn": "orginal"}, "adjust_lr_fn='orginal': no such scale; did you mean 'original'?"),
    ({"ns_steps": 0}, "ns_steps=0: must be a whole number from 1 to 99"),
    ({"split": [4, 3]}, "split=[4, 3]: the blocks have 7 rows, and a matrix has 8"),
    ({"split": {"heads": 3}}, "split={'heads': 3}: a matrix of 8 x 4 has no heads of equal size"),
    ({"split": "8"}, "split='8': must be the rows of each block, or e.g. {heads: 12}"),
    ({"split": {"head": 2}}, "split={'head': 2}: must be the rows of each block, or e.g. {heads: 12}"),
]


@pytest.mark.parametrize(("options", "message"), WRONG, ids=[str(options) for options, _ in WRONG])
def test_wrong_arguments(options, message):
    with pytest.raises(ConfigError) as caught:
        Muon([torch.nn.Parameter(torch.zeros(8, 4))], **options)
    assert str(caught.value) == message


def test_a_vector_is_named():
    with pytest.raises(ConfigError, match=r"bias \(4,\) have fewer than two dimensions; choose optimizer=muon_adamw"):
        Muon(torch.nn.Linear(4, 4).named_parameters())
    optimizer = Muon([torch.nn.Parameter(torch.zeros(4, 4))])
    with pytest.raises(ConfigError, match="fewer than two dimensions"):
        optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(4))]})
    assert len(optimizer.param_groups) == 1


def test_copies_and_loaded_ones_go_on():
    params, optimizer = train(Muon)
    twins, other = copy.deepcopy((params, optimizer))
    fresh = Muon([torch.nn.Parameter(p.detach().clone()) for p in params])
    fresh.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for members, each in ((params, optimizer), (twins, other), (fresh.param_groups[0]["params"], fresh)):
        for p, grad in zip(members, draw(SHAPES, 9), strict=True):
            p.grad = grad.clone()
        each.step()
    assert equal(params, twins)
    assert equal(params, fresh.param_groups[0]["params"])


SHARDED = [(16, 8), (17, 8), (5, 9), (1, 4, 2), (12, 4, 3, 3), (24, 8)]


@pytest.mark.parametrize("placement", [Shard(0), Shard(1), Replicate()], ids=str)
def test_of_a_sharded_matrix_the_whole_is_orthogonalized(placement):
    """Also where ranks hold different numbers of rows, or one of them none, and where blocks lie on both."""

    def groups(params):
        return [{"params": params[:-1]}, {"params": params[-1:], "split": [4, 16, 4]}]

    expected, _ = train(lambda p: Muon(groups(p), lr=0.1), SHARDED)

    def work(rank):
        torch.distributed.init_process_group("gloo")
        mesh = init_device_mesh("cpu", (2,))
        params, optimizer = train(
            lambda p: Muon(groups(p), lr=0.1), SHARDED, view=lambda p: distribute_tensor(p, mesh, [placement])
        )
        assert all(optimizer.state[p]["momentum_buffer"].placements == (placement,) for p in params)
        return [p.full_tensor().detach() for p in params]

    for result in on_two_ranks(work):
        for p, q in zip(result, expected, strict=True):
            torch.testing.assert_close(p, q.detach(), rtol=1e-5, atol=1e-5)
