"""Compile a rule: in-place operations on 1-D tensors become ONE kernel for any length, in one pass over the memory.

The rule is traced once, at a length of 2^20 (shorter ones get no threads), and handed to inductor without dynamo: no
guards, so that nothing that changes from step to step - learning rates, which gradients there are, how many tensors -
compiles anything again. Kernels are kept per process; all that they depend on is in their key.
"""

from __future__ import annotations

import functools
import threading
import types
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from lit_optim.versions import older

RuleFn = Callable[..., Any]
TRACED_LENGTH = 1 << 20
ROW = 1 << 10  # elements that are added up by one program of a GPU's kernel
INDEX_LIMIT = 1 << 30  # elements of one call: on a GPU the indices of a kernel have 32 bits
NO_COMPILER = ("InvalidCxxCompiler", "CppCompileError", "FileNotFoundError", "TritonMissing", "GPUTooOldForTriton")
OTHER_INDUCTOR = "this torch has not the inductor that lit_optim knows: compiled optimizers call dynamo on each step"
_kernels: dict[Any, Callable[..., Any] | None] = {}
_one_at_a_time = threading.Lock()  # tracing changes globals of torch's


def compute_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return the dtype that a rule computes in: float32 for 16-bit types, else the same.

    Example:
        >>> compute_dtype(torch.bfloat16), compute_dtype(torch.float64)
        (torch.float32, torch.float64)
    """
    return torch.float32 if dtype in (torch.bfloat16, torch.float16) else dtype


def compile_rule(
    rule_fn: RuleFn,
    tensors: Sequence[Tensor],
    scalars: Tensor,
    vectors: Sequence[bool] = (),
    *,
    negated: bool = False,
    **static_args: Any,
) -> Callable[..., Any] | None:
    """Compile ``rule_fn(*tensors, scratch, *scalars, **static_args)``; None, after a warning, without a compiler.

    Args:
        rule_fn: in-place operations on 1-D tensors of one length; what it returns (0-dim tensors, say) is returned. On
            a GPU a rule that returns sums is given matrices, and returns the sum of each row.
        tensors: examples of what it is called with; only dtypes and the device are used. 16-bit ones reach the rule
            in 32 bits, and are written back.
        scalars: an example of the 1-D tensor that holds all scalars of a step, in the rule's order.
        vectors: for each scalar, whether it is a 1-D tensor of the tensors' length instead; empty: none is. Vectors
            come after the tensors, and have no place in ``scalars``.
        negated: pass the second tensor, the gradient, to the rule with its sign changed.
        static_args: constants that the rule is specialised on.

    Returns:
        ``compiled([*tensors, *vectors, scalars])``. It checks neither lengths nor dtypes: those of the examples hold.
    """
    dtypes = tuple(t.dtype for t in tensors)
    device = tensors[0].device
    mask = tuple(vectors) or (False,) * scalars.numel()
    threads = torch.get_num_threads() if device.type == "cpu" else 0
    key = (rule_fn, tuple(sorted(static_args.items())), negated, dtypes, scalars.dtype, mask, device, threads)
    with _one_at_a_time:
        if key not in _kernels:
            traced = functools.partial(_traced, rule_fn, len(dtypes), mask, negated, static_args)
            all_dtypes = [*dtypes, *[compute_dtype(dtypes[0])] * mask.count(True)]
            numbers = torch.zeros(mask.count(False), dtype=scalars.dtype, device=device)
            in_rows = device.type != "cpu" and bool(traced(*_examples((1,), all_dtypes, device), numbers))
            shape = (TRACED_LENGTH // ROW + 7, ROW) if in_rows else (TRACED_LENGTH,)  # 7: unlike any other size
            examples = [*_examples(shape, all_dtypes, device), numbers]
            compiled = _compile(traced, examples, getattr(rule_fn, "__name__", "rule"))
            _kernels[key] = functools.partial(_by_rows, compiled) if in_rows and compiled else compiled
        return _kernels[key]


def _examples(shape: tuple[int, ...], dtypes: Sequence[torch.dtype], device: torch.device) -> list[Tensor]:
    return [torch.zeros(shape, dtype=dtype, device=device) for dtype in dtypes]


def _by_rows(compiled: Callable[..., Any], inputs: list[Tensor]) -> tuple[Tensor, ...]:
    """Run a kernel that returns sums over rows, so that a GPU adds them up in the pass that makes them.

    Returns:
        For each sum of the rule its parts, 1-D.
    """
    *tensors, scalars = inputs
    n = tensors[0].numel()
    cut = n - n % ROW
    if cut == n and n:
        return tuple(compiled([*(t.view(-1, ROW) for t in tensors), scalars]))
    found = []
    if cut:
        found.append(compiled([*(t[:cut].view(-1, ROW) for t in tensors), scalars]))
    if cut < n:
        found.append(compiled([*(t[cut:].view(1, -1) for t in tensors), scalars]))
    return tuple(parts[0] if len(parts) == 1 else torch.cat(parts) for parts in zip(*found, strict=True))


def compiled_kernels() -> int:
    """Return how many kernels this process has compiled."""
    return sum(compiled is not None for compiled in _kernels.values())


def _traced(
    rule_fn: RuleFn, n: int, mask: Sequence[bool], negated: bool, static_args: dict[str, Any], *inputs: Tensor
) -> Any:
    """Widen the tensors, run the rule and write back: the function that is traced."""
    given = inputs[:n]
    tensors = [t.to(compute_dtype(t.dtype)) for t in given]
    vectors, numbers = iter(inputs[n:-1]), iter(inputs[-1].unbind(0))
    scalars = [next(vectors) if is_vector else next(numbers) for is_vector in mask]
    used = [-t if negated and i == 1 else t for i, t in enumerate(tensors)]
    returned = rule_fn(*used, torch.empty_like(tensors[0]), *scalars, **static_args)
    for i, (before, after) in enumerate(zip(given, tensors, strict=True)):
        if before is not after and not (negated and i == 1):
            before.copy_(after)
    return () if returned is None else returned


def _compile(traced: Callable[..., Any], examples: list[Tensor], name: str) -> Callable[..., Any] | None:
    try:
        try:
            return _with_inductor(traced, examples)
        except (ImportError, AttributeError, TypeError):  # gone, or called otherwise
            warnings.warn(OTHER_INDUCTOR, RuntimeWarning, stacklevel=5)
            return _with_dynamo(traced, examples)
    except Exception as error:
        if not _no_compiler(error):
            raise
        wanted, what = ("Triton", "it") if examples[0].is_cuda else ("C++ compiler", "one (g++, clang)")
        message = f"compile=True: {name} runs uncompiled, because no {wanted} works here ({_first_line(error)})"
        warnings.warn(f"{message}; install {what}, or write compile=False", RuntimeWarning, stacklevel=4)
        return None


def _with_dynamo(traced: Callable[..., Any], examples: list[Tensor]) -> Callable[..., Any]:
    """Compile by ``torch.compile``, whose guards are checked on each step."""
    code = traced.func.__code__.replace(co_name="step")  # type: ignore[attr-defined]  # recompile limits are per code
    step = functools.partial(types.FunctionType(code, globals()), *traced.args)  # type: ignore[attr-defined]
    compiled = torch.compile(step, dynamic=True, fullgraph=True)
    with torch.no_grad():
        compiled(*examples)  # compiles here, where a missing compiler is noticed
    return lambda inputs: compiled(*inputs)


def _with_inductor(traced: Callable[..., Any], examples: list[Tensor]) -> Callable[..., Any]:
    """Compile by inductor without dynamo; uses private torch functions that a test checks."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of torch's own modules, while they are imported
        from torch._guards import TracingContext, tracing
        from torch._inductor import config as inductor
        from torch._inductor.compile_fx import compile_fx_inner
        from torch._inductor.decomposition import select_decomp_table
        from torch.fx.experimental.proxy_tensor import make_fx

        pure = torch.func.functionalize(traced, remove="mutations_and_views")
        graph = make_fx(pure, decomposition_table=select_decomp_table(), tracing_mode="symbolic")(*examples)
        inputs = [node.meta["val"] for node in graph.graph.nodes if node.op == "placeholder"]
        settings = {} if examples[0].is_cuda else _half_vectors()
        if examples[0].is_cuda or older("torch", "2.7"):  # cannot make keys of these graphs, and would say so each time
            settings["fx_graph_cache"] = False
        # in this process: a forked one has no threads to talk to the workers that its parent has started
        with tracing(TracingContext(inputs[0].fake_mode)), inductor.patch({"compile_threads": 1, **settings}):
            compiled = compile_fx_inner(graph, inputs)
    # what it calls in the end: the rest is for a cache of autotuning that kernels for CPUs do not use
    return getattr(compiled, "current_callable", None) or compiled


def _half_vectors() -> dict[str, Any]:
    """Choose 256-bit vectors where 512 bits are available: as fast from memory, twice as fast from the cache.

    Allocators place tensors of one size 64 bytes apart, modulo a page. A load of 64 bytes then looks to the processor
    like one from the address that has just been written for another tensor, and waits.
    """
    from torch._inductor.cpu_vec_isa import valid_vec_isa_list

    return {"cpp.simdlen": 256} if {256, 512} <= {isa.bit_width() for isa in valid_vec_isa_list()} else {}


def _no_compiler(error: BaseException | None) -> bool:
    """Return whether an error, or one of its causes, comes from the search for a compiler."""
    while error is not None:
        if type(error).__name__ in NO_COMPILER:
            return True
        error = error.__cause__ or error.__context__
    return False


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:120] or type(error).__name__
