"""The fp8 probes are silent on a healthy CPU and see wrong casts, products, scales and biases."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from probes.injected import PROBES, first_failure, outcome

from hwcompat import verdicts
from hwcompat.probes import context, execute
from hwcompat.probes.simulate import _dispatch
from hwcompat.probes.suite import fp8_matmul

MINE = ("fp8.cast", "fp8.matmul")
DTYPES = ("float8_e4m3fn", "float8_e5m2")
LOW = tuple(getattr(torch, name) for name in DTYPES)

pytestmark = pytest.mark.skipif(not hasattr(torch, "float8_e5m2"), reason="this torch has no fp8")


@pytest.mark.parametrize(("probe", "dtype", "seed"), [(p, d, s) for p, d in product(MINE, DTYPES) for s in (0, 9)])
def test_a_healthy_cpu_is_silent(probe: str, dtype: str, seed: int) -> None:
    result = outcome(probe, dtype, seed=seed)
    assert (result["status"], result["detail"], result["skipped_cases"]) == ("pass", "", [])


def test_whether_casts_saturate_is_recorded_and_both_are_legal() -> None:
    def overflowing(name: str, func: Any, args: Any, kwargs: Any, out: Any) -> Any:
        if name == "_to_copy" and out.dtype == LOW[1] and args[0].dtype == torch.float32:
            far = args[0].abs() > 61440
            sign = torch.where(args[0] < 0, 0xFC, 0x7C).to(torch.uint8)
            return torch.where(far, sign, out.view(torch.uint8)).view(LOW[1])
        return out

    assert outcome("fp8.cast", "float8_e5m2", _dispatch.after_each(torch, overflowing))["data"] == {
        "fp8_saturates": False
    }
    assert "fp8_saturates" in outcome("fp8.cast", "float8_e4m3fn")["data"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_torch_without_the_dtype_is_unsupported(dtype: str) -> None:
    class Old:
        """torch without fp8, as before 2.1."""

        def __getattr__(self, name: str) -> Any:
            if name.startswith("float8"):
                raise AttributeError(f"module 'torch' has no attribute '{name}'")
            return getattr(torch, name)

    for probe in MINE:
        result = execute.run(Old(), PROBES[probe], dtype)
        assert (result["status"], result["cases"]) == ("unsupported", 1)
        assert verdicts.capability_of(PROBES[probe].feeds, dtype) == "fp8"


def casting(change: Any) -> Any:
    """After every conversion to fp8: `change(source, out)`."""

    def alter(name: str, func: Any, args: Any, kwargs: Any, out: Any) -> Any:
        hit = name in ("_to_copy", "copy_") and isinstance(out, torch.Tensor) and out.dtype in LOW
        source = args[0] if name == "_to_copy" else args[-1]
        return change(source, out) if hit and source.dtype not in LOW else out

    return _dispatch.after_each(torch, alter)


def codes(out: Any, change: Any) -> Any:
    return change(out.contiguous().view(torch.uint8)).view(out.dtype)


def truncated(source: Any, out: Any) -> Any:
    """Towards zero: one code less wherever the magnitude was rounded up."""
    up = out.to(torch.float32).abs() > source.to(torch.float32).abs()
    return codes(out, lambda bits: bits - up.contiguous().to(torch.uint8))


def ties_away(source: Any, out: Any) -> Any:
    wide = source.to(torch.float32)
    above = codes(out, lambda bits: bits + 1).to(torch.float32)
    middle = (out.to(torch.float32) + above) / 2 == wide
    return codes(out, lambda bits: bits + middle.contiguous().to(torch.uint8))


def flushed(source: Any, out: Any) -> Any:
    subnormal = out.to(torch.float32).abs() < (2.0**-6 if out.dtype == LOW[0] else 2.0**-14)
    return codes(out, lambda bits: torch.where(subnormal, bits & 0x80, bits))


def unsigned_zero(source: Any, out: Any) -> Any:
    return codes(out, lambda bits: torch.where(bits == 0x80, torch.zeros_like(bits), bits))


def nan_lost(source: Any, out: Any) -> Any:
    return codes(out, lambda bits: torch.where(torch.isnan(source), torch.full_like(bits, 0x77), bits))


CASTS = {"truncated": truncated, "ties away": ties_away, "flushed": flushed, "-0 is 0": unsigned_zero, "NaN": nan_lost}


@pytest.mark.parametrize(("name", "dtype"), list(product(CASTS, DTYPES)))
def test_a_wrong_cast_is_caught(name: str, dtype: str) -> None:
    assert first_failure("fp8.cast", dtype, casting(CASTS[name]))[0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_code_that_widens_wrongly_is_caught(dtype: str) -> None:
    def alter(name: str, func: Any, args: Any, kwargs: Any, out: Any) -> Any:
        if name == "_to_copy" and args[0].dtype in LOW and out.dtype not in LOW:
            return torch.where(args[0].view(torch.uint8) == 3, torch.full_like(out, 1.0), out)
        return out

    assert first_failure("fp8.cast", dtype, _dispatch.after_each(torch, alter))[0]


def multiplying(change: Any) -> Any:
    """After every scaled product: `change(args, kwargs, out)`."""

    def alter(name: str, func: Any, args: Any, kwargs: Any, out: Any) -> Any:
        return change(args, kwargs, out) if name == "_scaled_mm" else out

    return _dispatch.after_each(torch, alter)


def scaled_wrongly(args: Any, kwargs: Any, out: Any) -> Any:
    return (out.float() / float(args[3])).to(out.dtype)  # scale_b forgotten


def bias_forgotten(args: Any, kwargs: Any, out: Any) -> Any:
    bias = args[4] if len(args) > 4 else None
    return out if bias is None else out - bias


def last_column(args: Any, kwargs: Any, out: Any) -> Any:
    out[:, -1] += 1
    return out


def narrow(args: Any, kwargs: Any, out: Any) -> Any:
    """Output of float32 that went through fp16's 11 bits."""
    return out.half().to(out.dtype)


PRODUCTS = {"scale": scaled_wrongly, "bias": bias_forgotten, "last column": last_column, "narrow": narrow}


@pytest.mark.parametrize(("name", "dtype"), list(product(PRODUCTS, DTYPES)))
def test_a_wrong_product_is_caught(name: str, dtype: str) -> None:
    assert first_failure("fp8.matmul", dtype, multiplying(PRODUCTS[name]))[0]


def test_operands_keep_their_sums_within_thirteen_bits() -> None:
    for dtype, seed in product(DTYPES, range(5)):
        ctx = context.Context(torch, "cpu", dtype, "fp8.matmul", seed=seed)
        for rows, depth, columns, largest in fp8_matmul._SHAPES:
            a, b = fp8_matmul.operands(ctx, (rows, depth, columns), largest)
            assert int((a.abs().double() @ b.abs().double().t()).max()) <= 2**13


def test_products_that_the_device_lacks_are_unsupported() -> None:
    def refuse(name: str, func: Any, args: Any, kwargs: Any, out: Any) -> Any:
        if name == "_scaled_mm":
            raise RuntimeError("torch._scaled_mm is only supported on CUDA devices with compute capability >= 9.0")
        return out

    result = outcome("fp8.matmul", "float8_e4m3fn", _dispatch.after_each(torch, refuse))
    assert result["status"] == "unsupported"
