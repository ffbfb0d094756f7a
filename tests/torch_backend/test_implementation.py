"""The automatic choice of ``fused`` never changes a result."""

import copy
import pickle

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.optim import SGD, Adagrad, Adam, AdamW, NAdam, RMSprop

import lit_optim
from lit_optim.config.read import presets
from lit_optim.optimizers import fastest

FUSABLE = [
    name
    for name in presets.preset_names("optimizer")
    if presets.load_preset("optimizer", name)["_target_"].rpartition(".")[2] in ("SGD", "Adagrad", "Adam", "AdamW")
]


def train(optimizer, params, grads, steps=4):
    for step in range(steps):
        for p, grad in zip(params, grads, strict=True):
            p.grad = grad(p, step)
        optimizer.step()
    return [p.detach().clone() for p in params]


def contiguous(p, step):
    return torch.full(p.shape, 0.3 + 0.1 * step, dtype=p.dtype) * torch.arange(1.0, p.numel() + 1).to(p.dtype).view(
        p.shape
    )


def expanded(p, step):
    return torch.full((1,) * p.ndim, 0.3 + step, dtype=p.dtype).expand(p.shape)


def transposed(p, step):
    return contiguous(p, step).transpose(0, 1).contiguous().transpose(0, 1)


def compare(name, make, grad, **tolerance):
    ours, loop = [torch.nn.Parameter(make())], [torch.nn.Parameter(make())]
    built = lit_optim.build_optimizer(name, ours)
    reference = lit_optim.build_optimizer(name, loop, fused=False, foreach=False)
    assert not reference.param_groups[0]["fused"]
    for result, expected in zip(train(built, ours, [grad]), train(reference, loop, [grad]), strict=True):
        torch.testing.assert_close(result, expected, **tolerance)
    return built


LAYOUTS = {
    "plain": lambda: torch.ones(2, 3, 5, 7),
    "channels_last": lambda: torch.ones(2, 3, 5, 7).to(memory_format=torch.channels_last),
    "transposed": lambda: torch.ones(7, 5, 3, 2).permute(3, 2, 1, 0),
    "sliced": lambda: torch.ones(4, 3, 5, 9)[::2, :, :, 1:8],
    "size one": lambda: torch.ones(1, 3, 1, 1).to(memory_format=torch.channels_last),
    "float64": lambda: torch.ones(2, 3, 5, 7, dtype=torch.float64),
    "scalar": lambda: torch.ones(()),
    "empty": lambda: torch.ones(0, 3),
}


@pytest.mark.filterwarnings("ignore:.*other strides")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("grad", [contiguous, expanded])
@pytest.mark.parametrize("name", FUSABLE)
def test_strides_of_parameter_and_gradient(name, grad, layout):
    compare(name, LAYOUTS[layout], grad, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", FUSABLE)
def test_a_gradient_with_other_strides_is_copied_with_one_warning(name):
    with pytest.warns(UserWarning, match="other strides") as record:
        optimizer = compare(name, LAYOUTS["plain"], transposed, rtol=1e-5, atol=1e-6)
    assert optimizer.param_groups[0]["fused"] is True
    assert len([w for w in record if "other strides" in str(w.message)]) == 1


@pytest.mark.parametrize("name", FUSABLE)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_sixteen_bits_with_a_tail_that_fills_no_vector(name, dtype):
    compare(name, lambda: torch.ones(40, dtype=dtype), contiguous, rtol=2e-2, atol=2e-2)


def test_which_is_chosen():
    plain = [torch.zeros(3, 4)]
    for cls in (Adam, AdamW, SGD, Adagrad):
        assert fastest(cls, plain, {}) == {"fused": True}
        for flag in ("fused", "foreach", "capturable", "differentiable"):
            assert fastest(cls, plain, {flag: False}) == {}, "the user has spoken"
        assert fastest(cls, [torch.zeros(4, 4)[:, :2]], {}) == {}
        assert fastest(cls, [torch.zeros(3, dtype=torch.complex64)], {}) == {}
        assert fastest(cls, [torch.zeros(3), torch.zeros(3, device="meta")], {}) == {}

    class Mine(Adam):
        pass

    assert fastest(Mine, plain, {}) == {}
    assert fastest(SGD, [torch.zeros(3, dtype=torch.bfloat16)], {}) == {}
    assert fastest(Adam, [torch.zeros(3, dtype=torch.bfloat16)], {}) == {"fused": True}
    assert fastest(RMSprop, plain, {}) == {}
    assert fastest(NAdam, [torch.zeros(10) for _ in range(30)], {}) == {"foreach": True}
    assert fastest(NAdam, [torch.zeros(10**6, device="meta")] * 30, {}) == {}
    if hasattr(torch.optim, "Muon"):
        assert fastest(torch.optim.Muon, [torch.zeros(2, 2) for _ in range(30)], {}) == {}
    assert fastest(AdamW, [], {}) == {}


def test_adagrad_has_no_fused_kernel_on_a_gpu():
    """Seen on one: torch raises in the first step."""
    with FakeTensorMode():
        on_gpu = [torch.empty(2, 3, device="cuda:0")]
        assert fastest(Adam, on_gpu, {}) == {"fused": True}
        assert fastest(Adagrad, on_gpu, {}) == {}


def test_adagrad_whose_parameters_move_to_a_gpu_steps_in_the_loop():
    from lit_optim.torch_backend.layout import lay_out

    optimizer = lit_optim.build_optimizer("adagrad", [torch.nn.Parameter(torch.ones(2))])
    assert optimizer.param_groups[0]["fused"]
    with FakeTensorMode():
        moved = torch.nn.Parameter(torch.empty(2, device="cuda:0"))
        moved.grad = torch.empty(2, device="cuda:0")
    optimizer.param_groups[0]["params"] = [moved]
    lay_out(optimizer)
    assert optimizer.param_groups[0]["fused"] is False


@pytest.mark.parametrize("name", FUSABLE)
@pytest.mark.parametrize("before", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("change", ["loaded into another format", "converted on the way"])
def test_state_with_other_strides_than_the_parameters(name, change, before):
    after = torch.channels_last if before is torch.contiguous_format else torch.contiguous_format

    def weights():
        torch.manual_seed(1)
        return torch.randn(4, 3, 5, 5)

    def grad(p, step):
        return torch.linspace(-1, 1, p.numel()).view(p.shape).contiguous(memory_format=layout(p)) + step

    def layout(p):
        return torch.contiguous_format if p.is_contiguous() else torch.channels_last

    results = []
    for implementation in ({}, {"fused": False, "foreach": False}):
        params = [torch.nn.Parameter(weights().contiguous(memory_format=before))]
        optimizer = lit_optim.build_optimizer(name, params, **implementation)
        train(optimizer, params, [grad])
        if change == "loaded into another format":
            params = [torch.nn.Parameter(params[0].detach().contiguous(memory_format=after))]
            second = lit_optim.build_optimizer(name, params, **implementation)
            second.load_state_dict(optimizer.state_dict())
            optimizer = second
        else:
            params[0].data = params[0].data.contiguous(memory_format=after)
        assert bool(optimizer.param_groups[0]["fused"]) == (not implementation)
        results.append(train(optimizer, params, [grad])[0])
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("first", "second"), [({}, {"fused": False}), ({"fused": False}, {}), ({}, {"foreach": True})])
def test_a_checkpoint_does_not_bring_its_implementation(first, second):
    params = [torch.nn.Parameter(torch.ones(3, 3))]
    before = lit_optim.build_optimizer("adamw", params, **first)
    train(before, params, [contiguous])
    after = lit_optim.build_optimizer("adamw", params, **second)
    flags = {flag: after.param_groups[0][flag] for flag in ("fused", "foreach")}
    after.load_state_dict(before.state_dict())
    assert {flag: after.param_groups[0][flag] for flag in flags} == flags
    train(after, params, [contiguous])


def test_a_closure_is_called_once_and_its_gradients_are_checked():
    p = torch.nn.Parameter(torch.ones(3, 4))
    optimizer = lit_optim.build_optimizer("sgd", [p], lr=1.0)
    calls = []

    def closure():
        calls.append(torch.is_grad_enabled())
        p.grad = torch.ones(4, 3).t() * torch.arange(4.0)
        return torch.tensor(5.0)

    with pytest.warns(UserWarning, match="other strides"):
        assert optimizer.step(closure) == 5.0
    assert optimizer.step(closure=closure) == 5.0
    assert calls == [True, True]
    assert torch.equal(p.detach(), (1 - 2 * torch.arange(4.0)).expand(3, 4))


def test_sparse_gradients_switch_to_the_loop():
    table = torch.nn.Embedding(5, 2, sparse=True)
    expected = table.weight.detach().clone()
    optimizer = lit_optim.build_optimizer("sgd", table, lr=1.0)
    assert optimizer.param_groups[0]["fused"]
    table(torch.tensor([1, 3])).sum().backward()
    optimizer.step()
    expected[[1, 3]] -= 1
    assert torch.equal(table.weight.detach(), expected)


@pytest.mark.parametrize("name", FUSABLE)
def test_grad_scaler_with_clipping(name):
    ends = []
    for implementation in ({}, {"fused": False, "foreach": False}):
        params = [torch.nn.Parameter(torch.ones(3, 3))]
        optimizer = lit_optim.build_optimizer(name, params, **implementation)
        scaler = torch.amp.GradScaler("cpu", init_scale=64.0)
        for step in range(4):
            optimizer.zero_grad()
            scaler.scale((params[0] * (step + 1)).square().sum()).backward()
            if step == 2:
                params[0].grad[0, 0] = float("inf")  # this step is skipped
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(params, 0.5)
            scaler.step(optimizer)
            scaler.update()
        ends.append(params[0].detach())
    torch.testing.assert_close(*ends, rtol=1e-6, atol=1e-7)
    assert torch.isfinite(ends[0]).all()


@pytest.mark.parametrize("how", ["converted", "added"])
def test_parameters_that_become_16_bit_after_the_choice(how):
    net = torch.nn.Linear(40, 1, bias=False)
    optimizer = lit_optim.build_optimizer("sgd", net, lr=1.0)
    assert optimizer.param_groups[0]["fused"]
    if how == "converted":
        net.to(torch.bfloat16)
        p = net.weight
    else:
        p = torch.nn.Parameter(torch.zeros(40, dtype=torch.bfloat16))
        optimizer.add_param_group({"params": [p]})
    before = p.detach().clone()
    p.grad = torch.ones_like(p)
    optimizer.step()
    assert torch.equal(p.detach(), before - 1)


def test_a_groups_own_flag_survives_loading():
    a, b = (torch.nn.Parameter(torch.ones(2, 2)) for _ in range(2))
    optimizer = lit_optim.build_optimizer("adamw", [{"params": [a], "fused": False}, {"params": [b]}])
    flags = [group["fused"] for group in optimizer.param_groups]
    optimizer.load_state_dict(optimizer.state_dict())
    assert [group["fused"] for group in optimizer.param_groups] == flags == [False, True]


@pytest.mark.filterwarnings("ignore:.*other strides")
@pytest.mark.parametrize("name", FUSABLE)
@pytest.mark.parametrize("grad", [contiguous, transposed])
@pytest.mark.parametrize(
    "twice",
    [
        lambda o: copy.deepcopy(copy.deepcopy(o)),
        lambda o: pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(o)))),
        copy.copy,
    ],
)
def test_copies_still_step_right(name, grad, twice):
    p = torch.nn.Parameter(torch.ones(3, 4))
    optimizer = lit_optim.build_optimizer(name, [p])
    train(optimizer, [p], [grad])
    twin = twice(optimizer)
    assert twin is not optimizer
    q = twin.param_groups[0]["params"][0]
    assert twin.param_groups[0]["fused"]
    reference = lit_optim.build_optimizer(name, [torch.nn.Parameter(p.detach().clone())], fused=False)
    reference.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    expected = train(reference, reference.param_groups[0]["params"], [grad])[0]
    torch.testing.assert_close(train(twin, [q], [grad])[0], expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dampening", [0.0, 0.4])
@pytest.mark.parametrize("group", [0, 1])
def test_momentum_of_a_parameter_that_gets_its_first_gradient_later(dampening, group):
    """As after unfreezing: torch's fused kernel raises TypeError where some have a buffer and others none."""

    def trained(**flags):
        params = [torch.nn.Parameter(torch.full((n,), 1.0, dtype=torch.float64)) for n in (3, 5)]
        groups = [{"params": params}] if group == 0 else [{"params": [p]} for p in params]
        spec = {"_target_": "momentum", "lr": 0.1, "dampening": dampening, "weight_decay": 0.1, **flags}
        optimizer = lit_optim.build_optimizer(spec, groups)
        for t in range(5):
            for i, p in enumerate(params):
                p.grad = torch.full_like(p, 1.0 + t) if i == 0 or t > 1 else None
            optimizer.step()
        return torch.cat([p.detach() for p in params])

    assert torch.allclose(trained(), trained(fused=False, foreach=False), rtol=1e-12)


@pytest.mark.parametrize("name", ["adamw", "adam", "amsgrad", "adagrad", "momentum", "sgd"])
@pytest.mark.parametrize("what", ["parameter", "state", "one element", "gradient"])
def test_what_has_another_size_reaches_no_fused_kernel(name, what):
    """A kernel ran past the end of the smaller tensor, and the process crashed."""
    p = torch.nn.Parameter(torch.ones(64, 8))
    optimizer = lit_optim.build_optimizer(name, [p])
    for _ in range(2):
        p.grad = torch.ones_like(p)
        optimizer.step()
    tensors = [key for key, value in optimizer.state[p].items() if key != "step" and value is not None]
    if what == "gradient":
        small, p.grad = p.grad, None
        p.data = torch.ones(640, 8)
        p.data, p.grad = p.data[:64].clone(), small
        p.data = torch.ones(640, 8)
    elif what == "parameter":
        p.grad = None
        p.data = torch.ones(640, 8)
        p.grad = torch.ones_like(p)
    elif tensors:
        optimizer.state[p][tensors[0]] = torch.zeros(3 if what == "state" else 1)
    if what in ("parameter", "state", "one element") and not tensors:
        optimizer.step()  # without state there is nothing of another size
        return
    with pytest.raises(
        lit_optim.ConfigError, match="parameter 0 of those with a gradient: .* has shape .*, and the parameter"
    ):
        optimizer.step()


@pytest.mark.parametrize("name", ["nadam", "radam", "rmsprop", "adadelta", "adamax", "adamw"])
def test_a_checkpoint_of_another_device_does_not_bring_capturable(name):
    p = torch.nn.Parameter(torch.ones(3))
    optimizer = lit_optim.build_optimizer(name, [p])
    p.grad = torch.ones(3)
    optimizer.step()
    saved = optimizer.state_dict()
    for group in saved["param_groups"]:
        group["capturable"] = True
    again = lit_optim.build_optimizer(name, [p])
    again.load_state_dict(saved)
    again.step()
    assert again.param_groups[0]["capturable"] is False
