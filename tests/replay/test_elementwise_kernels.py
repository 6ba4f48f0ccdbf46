"""Operators of one step for each element, and sums: wrong ones are found without another way, sane ones never."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from replay import loops
from torch import Tensor, nn
from torch.nn import functional

import hwcompat
from hwcompat.replay import crooked, independent

aten = torch.ops.aten
UNARY = {
    "abs": aten.abs.default,
    "elu": aten.elu.default,
    "exp": aten.exp.default,
    "gelu": aten.gelu.default,
    "leaky_relu": aten.leaky_relu.default,
    "neg": aten.neg.default,
    "relu": aten.relu.default,
    "sigmoid": aten.sigmoid.default,
    "silu": aten.silu.default,
    "tanh": aten.tanh.default,
    "sum": aten.sum.default,
    "mean": aten.mean.default,
}
BINARY = {"add": aten.add.Tensor, "sub": aten.sub.Tensor, "mul": aten.mul.Tensor, "div": aten.div.Tensor}
TERNARY = {"addcmul": aten.addcmul.default, "addcdiv": aten.addcdiv.default}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def look(name: str, func: Any, args: tuple[Any, ...], out: Any) -> Any:
    return crooked.look(func, name, args, {}, out, ("", "forward", ""), "cpu")


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted({**UNARY, **BINARY, **TERNARY})),
    st.sampled_from([torch.float16, torch.bfloat16, torch.float32]),
    st.floats(-7, 4),
    st.integers(1, 300),
    st.integers(0, 2**31),
)
def test_a_sane_operator_is_never_blamed(name: str, dtype: torch.dtype, power: float, size: int, seed: int) -> None:
    """Results that round to 0, sums that nearly cancel, magnitudes from 1e-7 to 1e4."""
    generator = torch.Generator().manual_seed(seed)
    parts = [(10**power * torch.randn(size, generator=generator)).to(dtype) for _ in range(3)]
    func = {**UNARY, **BINARY, **TERNARY}[name]
    args = tuple(parts[: 1 if name in UNARY else 2 if name in BINARY else 3])
    if name in ("sum", "mean"):
        args = (torch.cat([parts[0], -parts[0], parts[1] * 1e-3]),)
    assert look(name, func, args, func(*args)) is None


@pytest.mark.parametrize("factor", [0.0, 1.3, -2.0])
@pytest.mark.parametrize("name", ["gelu", "sum", "mul", "add", "tanh"])
def test_a_result_that_is_wrong_each_time_is_the_machines(name: str, factor: float) -> None:
    func = {**UNARY, **BINARY, **TERNARY}[name]
    count = 1 if name in UNARY else 2 if name in BINARY else 3
    args = tuple(torch.rand(64) + 0.5 for _ in range(count))

    class Card(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, called: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = called(*args, **(kwargs or {}))
            wrong = called is func and out.dtype == torch.float32
            return out * factor if wrong else out

    with Card():
        found = look(name, func, args, func(*args))
    assert found.op == name
    assert found.way == ""
    assert look(name, func, args, func(*args)) is None


@pytest.mark.parametrize("wrong", [True, False])
def test_an_activation_that_gives_zeros_lets_a_training_stand_still(wrong: bool) -> None:
    """Not a gradient that vanished: in float64 it is as large as any."""
    model = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 1))
    optimizer = torch.optim.Adam(model.parameters(), 0.01)

    class Card(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            zeroed = wrong and func is aten.gelu.default and out.dtype == torch.float16
            return out.zero_() if zeroed else out

    step = loops.step_of(model, optimizer, functional.mse_loss, amp=torch.float16)
    with Card():
        finding = loops.run(hwcompat.watch(model, optimizer=optimizer), step, loops.pairs(40, 64))
    if wrong:
        assert (finding.cause, finding.kind, finding.module, finding.op) == ("hardware", "silent", "1", "gelu")
    else:
        assert finding is None


@pytest.mark.parametrize("options", [(2,), ((3, 2), (2, 1)), (3, 2, 1), (2, 2, 0, False, False)])
def test_an_average_pooling_is_the_same_position_by_position(options: tuple[Any, ...]) -> None:
    x = torch.randn(2, 3, 9, 7, dtype=torch.float64)
    assert torch.allclose(independent.avg_pool2d(x, *options), functional.avg_pool2d(x, *options))
    assert torch.allclose(independent.avg_pool2d(x[0], *options), functional.avg_pool2d(x[0], *options))
    assert independent.avg_pool2d(x, 3, 2, 1, False, False) is None


@pytest.mark.parametrize(("dims", "keep"), [(None, False), (0, True), ([0, 2], False), ([-1], True)])
def test_a_sum_is_the_last_of_running_sums(dims: Any, keep: bool) -> None:
    x = torch.randn(4, 5, 6, dtype=torch.float64)
    wanted = x.sum() if dims is None else x.sum(dims, keepdim=keep)
    assert torch.allclose(independent.total(x, dims, keep), wanted)


def test_an_average_pooling_that_is_wrong_in_one_layout_is_the_librarys() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(16, 3))
    model.to(memory_format=torch.channels_last)

    class Library(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            if func is aten.avg_pool2d.default and not args[0].is_contiguous() and out.dtype == torch.float32:
                out[:, 1] = float("nan")
            return out

    images = torch.randn(4, 3, 6, 6).to(memory_format=torch.channels_last)
    labels: Tensor = torch.randint(3, (4,))
    with Library():
        finding = loops.watched(model, functional.cross_entropy, [(images, labels)])
    assert (finding.cause, finding.module, finding.step) == ("library", "1", 0)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("avg_pool2d_backward", ((2, 3, 4, 5), (2, 3, 8, 10), [2, 2], [2, 2], [0, 0], False, True, None)),
        ("upsample_bilinear2d_backward", ((2, 3, 8, 10), [8, 10], [2, 3, 4, 5], False, None, None)),
        ("upsample_bilinear2d_backward", ((2, 3, 7, 9), [7, 9], [2, 3, 4, 5], True, None, None)),
        ("upsample_nearest2d_backward", ((2, 3, 8, 10), [8, 10], [2, 3, 4, 5], None, None)),
    ],
)
def test_a_backward_kernel_by_the_derivative_of_the_forward_one(name: str, arguments: tuple[Any, ...]) -> None:
    args = [torch.randn(value, dtype=torch.float64) if isinstance(value, tuple) else value for value in arguments]
    [made] = independent.outputs(name, args, {})
    kernel = getattr(aten, name).default(*args)
    assert torch.allclose(made, kernel)
    assert float(kernel.abs().max()) <= independent.envelope(name, args, {})


def test_a_gradient_of_words_that_is_infinite_once() -> None:
    model = nn.Sequential(nn.Embedding(30, 6), nn.Flatten(), nn.Linear(42, 2))
    calls = [0]

    class Card(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            if func is aten.embedding_dense_backward.default:
                calls[0] += 1
                if calls[0] == 6:
                    out[3, 1] = float("inf")
            return out

    batches = [(torch.randint(30, (16, 7)), torch.randint(2, (16,))) for _ in range(12)]
    with Card():
        finding = loops.watched(model, functional.cross_entropy, batches)
    assert (finding.cause, finding.kind, finding.module, finding.step) == ("hardware", "transient", "0", 5)
