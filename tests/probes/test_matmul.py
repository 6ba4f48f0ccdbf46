"""Every matmul probe is silent on a healthy machine and speaks up for the fault it was written against."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch
from probes.injected import fault, outcome

from hwcompat.probes import catalogue, context, execute, rounding

MATMUL = [probe for probe in catalogue.listing() if probe.id.startswith("matmul.")]
HALVES = ["float16", "bfloat16"]
EVERY = (torch.float16, torch.bfloat16, torch.float32)


def healthy(probe: catalogue.Probe) -> list[Any]:
    return [pytest.param(probe.id, dtype, id=f"{probe.id}-{dtype}") for dtype in probe.dtypes]


@pytest.mark.parametrize(("probe", "dtype"), [p for probe in MATMUL if "cpu" in probe.devices for p in healthy(probe)])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_healthy_machine_passes(probe: str, dtype: str, seed: int) -> None:
    result = outcome(probe, dtype, seed=seed)
    assert result["status"] == "pass", result["detail"]
    assert not result["skipped_cases"]


@pytest.mark.parametrize("probe", [p.id for p in MATMUL if p.id not in ("matmul.interval", "matmul.wide_output")])
def test_the_enlarged_shapes_pass_too(probe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    small = outcome(probe, "float32" if probe == "matmul.tf32" else "bfloat16")["cases"]
    monkeypatch.setattr(context.Context, "large", True)
    result = outcome(probe, "float32" if probe == "matmul.tf32" else "bfloat16")
    assert result["status"] == ("feature" if probe == "matmul.tf32" else "pass"), result["detail"]
    assert result["cases"] >= small


@pytest.mark.parametrize("kind", ["normal", "positive"])
def test_the_enlarged_interval_judges_a_row_of_every_tile(kind: str) -> None:
    probe = importlib.import_module("hwcompat.probes.suite.matmul_interval")
    ctx = context.Context(torch, "cpu", "bfloat16", "matmul.interval")
    assert probe.large_product(ctx, kind, 256).status == "pass"
    with fault("mm", zero_tile(row=70, size=60)):
        assert probe.large_product(ctx, kind, 256).status == "fail"


# --- faults: (args, result) -> result; a copy is changed, never the operand -------------------------------------------


def zero_tile(row: int = 0, size: int = 16) -> Any:
    def change(args: Any, out: Any) -> Any:
        out = out.clone()
        out[..., row : row + size, :size] = 0
        return out

    return change


def flip_last_bit(args: Any, out: Any) -> Any:
    bits = out.clone().view(torch.int32 if out.dtype == torch.float32 else torch.int16)
    bits.view(-1)[bits.numel() // 2] ^= 1
    return bits.view(out.dtype)


def nan_block(args: Any, out: Any) -> Any:
    out = out.clone()
    out.view(-1)[: max(1, out.numel() // 8)] = float("nan")
    return out


def toward_zero(args: Any, out: Any) -> Any:
    """The exact product (float64 suffices for the integers and ties here), its surplus bits cut off."""
    exact = args[0].double() @ args[1].double()
    fmt = rounding.FORMATS[str(out.dtype).replace("torch.", "")]
    codes = rounding.encode(torch, exact, fmt)
    too_far = rounding.decode(torch, codes, fmt).abs() > exact.abs()
    return rounding.from_codes(torch, codes - too_far.to(torch.int64), fmt)


def narrow_sums(args: Any, out: Any, width: int = 8) -> Any:
    """Partial sums over `width` products, each stored in the format of the operands."""
    a, b = args[0].float(), args[1].float()
    total = torch.zeros_like(out)
    for start in range(0, a.shape[1], width):
        part = a[:, start : start + width] @ b[start : start + width]
        total = (total.float() + part).to(out.dtype)
    return total


def shorten_operands(bits: int) -> Any:
    """The last `bits` of every operand are lost on the way in."""

    def cut(x: Any) -> Any:
        integer = torch.int32 if x.dtype == torch.float32 else torch.int16
        return (x.contiguous().view(integer) & -(1 << bits)).view(x.dtype)

    return lambda args, out: torch.mm(cut(args[0]), cut(args[1]))


def flush(x: Any) -> Any:
    return torch.where(x.abs() < torch.finfo(x.dtype).smallest_normal, torch.zeros_like(x), x)


@pytest.mark.parametrize(
    ("probe", "change"),
    [
        ("matmul.integer", zero_tile()),
        ("matmul.integer", flip_last_bit),
        ("matmul.integer", nan_block),
        ("matmul.integer", lambda args, out: torch.zeros_like(out)),
        ("matmul.permutation", shorten_operands(1)),
        ("matmul.permutation", flip_last_bit),
        ("matmul.shapes", flip_last_bit),
        ("matmul.interval", zero_tile()),
        ("matmul.interval", lambda args, out: -out),
        ("matmul.nonfinite", lambda args, out: torch.nan_to_num(out)),
        (
            "matmul.nonfinite",
            lambda args, out: torch.nan_to_num(out, nan=0.0, posinf=float("inf"), neginf=-float("inf")),
        ),
        ("matmul.nonfinite", nan_block),
    ],
    ids=lambda value: value if isinstance(value, str) else getattr(value, "__name__", "fault"),
)
@pytest.mark.parametrize("dtype", ["float32", *HALVES])
def test_a_faulty_product_is_caught(probe: str, change: Any, dtype: str) -> None:
    assert outcome(probe, dtype, fault("mm", change, EVERY))["status"] == "fail"


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("probe", ["matmul.accumulate", "matmul.ties", "matmul.interval"])
def test_results_cut_off_instead_of_rounded_are_caught(probe: str, dtype: str) -> None:
    assert outcome(probe, dtype, fault("mm", toward_zero))["status"] == "fail"


@pytest.mark.parametrize("dtype", HALVES)
def test_sums_kept_in_16_bits_are_caught_but_do_not_touch_the_accumulator_free_probe(dtype: str) -> None:
    assert outcome("matmul.accumulate", dtype, fault("mm", narrow_sums))["status"] == "fail"
    assert outcome("matmul.interval", dtype, fault("mm", narrow_sums))["status"] == "fail"
    assert outcome("matmul.integer", dtype, fault("mm", narrow_sums))["status"] == "pass"


@pytest.mark.parametrize("dtype", HALVES)
def test_16_bit_sums_that_a_switch_allows_are_a_feature(dtype: str) -> None:
    """The same arithmetic, but only while PyTorch's default permits it: healthy, recorded, no failure anywhere."""
    switch = f"allow_{'fp16' if dtype == 'float16' else 'bf16'}_reduced_precision_reduction"

    def change(args: Any, out: Any) -> Any:
        return narrow_sums(args, out) if getattr(torch.backends.cuda.matmul, switch) else out

    result = outcome("matmul.accumulate", dtype, fault("mm", change))
    assert result["status"] in ("pass", "feature")
    assert result["features"]
    assert result["data"] == {"acc_reduced": True}
    assert outcome("matmul.interval", dtype, fault("mm", change))["status"] == "pass"


@pytest.mark.parametrize("dtype", HALVES)
def test_a_dead_tile_that_a_switch_hides_is_no_feature(dtype: str) -> None:
    """Wrong by default and right with the switch, but wrong too where no accumulator matters: a fault."""

    def change(args: Any, out: Any) -> Any:
        return zero_tile()(args, out) if torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction else out

    assert outcome("matmul.accumulate", dtype, fault("mm", change))["status"] == "fail"


@pytest.mark.parametrize("dtype", HALVES)
def test_rounding_away_from_zero_at_ties_is_caught(dtype: str) -> None:
    def change(args: Any, out: Any) -> Any:
        exact = args[0].double() @ args[1].double()
        fmt = rounding.FORMATS[dtype]
        return rounding.from_codes(torch, rounding.encode(torch, exact * (1 + 2.0**-40), fmt), fmt)

    assert outcome("matmul.ties", dtype, fault("mm", change))["status"] == "fail"


def test_saturation_and_early_overflow_are_caught() -> None:
    def saturated(args: Any, out: Any) -> Any:
        return torch.clamp(out, torch.finfo(out.dtype).min, torch.finfo(out.dtype).max)

    def early(args: Any, out: Any) -> Any:
        return torch.where(out.abs() >= 65504, out * float("inf"), out)

    def partial_sums_overflow(args: Any, out: Any) -> Any:
        return narrow_sums(args, out, width=2)

    for change in (saturated, early, partial_sums_overflow):
        assert outcome("matmul.ties", "float16", fault("mm", change))["status"] == "fail"


@pytest.mark.parametrize("dtype", ["float32", *HALVES])
def test_a_wrong_tail_of_one_transposition_is_caught(dtype: str) -> None:
    def change(args: Any, out: Any) -> Any:
        transposed = args[0].stride(0) == 1 and args[0].stride(1) > 1 and args[1].stride(1) == 1
        if transposed and out.shape[0] % 8:
            out = out.clone()
            out[-1] = 0
        return out

    result = outcome("matmul.shapes", dtype, fault("mm", change, EVERY))
    assert result["status"] == "fail"
    assert "(TN)" in result["detail"]


@pytest.mark.parametrize("dtype", ["float32", *HALVES])
def test_a_kernel_that_is_wrong_for_misaligned_operands_only_is_caught(dtype: str) -> None:
    def change(args: Any, out: Any) -> Any:
        return flip_last_bit(args, out) if args[0].storage_offset() % 2 else out

    result = outcome("matmul.shapes", dtype, fault("mm", change, EVERY))
    assert result["failed_cases"] == ["mm of slices that start one element off"]


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("name", ["bmm", "addmm", "baddbmm"])
def test_a_fault_of_one_batched_operator_is_caught(name: str, dtype: str) -> None:
    assert outcome("matmul.batched", dtype, fault(name, flip_last_bit))["status"] == "fail"


@pytest.mark.parametrize("dtype", HALVES)
def test_a_forgotten_addend_is_caught(dtype: str) -> None:
    assert outcome("matmul.batched", dtype, fault("addmm", lambda args, out: -(args[1] @ args[2])))["status"] == "fail"
    assert outcome("matmul.linear", dtype, fault("addmm", lambda args, out: args[1] @ args[2]))["status"] == "fail"


def test_zeros_beyond_65535_matrices_are_caught_on_an_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    def change(args: Any, out: Any) -> Any:
        if out.shape[0] > 65535:
            out = out.clone()
            out[65535:] = 0
        return out

    monkeypatch.setattr(context.Context, "large", True)
    result = outcome("matmul.batched", "bfloat16", fault("bmm", change))
    assert result["failed_cases"] == ["bmm 65537x8x64x8"]


def test_a_dead_corner_of_a_large_product_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def change(args: Any, out: Any) -> Any:
        return zero_tile(row=3968)(args, out) if out.shape[0] == 4096 else out

    monkeypatch.setattr(context.Context, "large", True)
    result = outcome("matmul.integer", "bfloat16", fault("mm", change))
    assert result["failed_cases"] == ["mm 4096x256x4096 |a|<=1"]
    assert "first at [3968, 0]" in result["detail"]


@pytest.mark.parametrize("dtype", ["float32", *HALVES])
def test_each_gradient_of_a_linear_layer_is_looked_at(dtype: str) -> None:
    """dX = g W is a product of two untransposed matrices, dW = g' X of a transposed one; db is a sum."""

    def only(transposed: bool) -> Any:
        def change(args: Any, out: Any) -> Any:
            is_transposed = args[0].stride(0) == 1 and args[0].shape[1] > 1 and args[0].shape[0] > 1
            return nan_block(args, out) if is_transposed == transposed else out

        return change

    for change, named in ((only(False), "(input gradient)"), (only(True), "(weight gradient)")):
        result = outcome("matmul.linear", dtype, fault("mm", change, EVERY))
        assert result["status"] == "fail"
        assert named in result["detail"]
    result = outcome("matmul.linear", dtype, fault("sum", flip_last_bit, EVERY))
    assert "(bias gradient)" in result["detail"]


@pytest.mark.parametrize("dtype", ["float32", *HALVES])
def test_flushed_subnormal_numbers_are_a_feature(dtype: str) -> None:
    def change(args: Any, out: Any) -> Any:
        return flush(torch.mm(flush(args[0]), flush(args[1])))

    result = outcome("matmul.subnormal", dtype, fault("mm", change, EVERY))
    assert result["status"] == "feature"
    assert result["data"] == {"subnormals_flushed": True}


@pytest.mark.parametrize("dtype", ["float32", *HALVES])
def test_wrong_subnormal_numbers_are_a_fault(dtype: str) -> None:
    result = outcome("matmul.subnormal", dtype, fault("mm", lambda args, out: out + out, EVERY))
    # A unit that flushed everything would double nothing, so the healthy part of the machine must not flush.
    expected = "pass" if outcome("matmul.subnormal", dtype)["features"] else "fail"
    assert result["status"] in ("fail", expected)


def test_an_addend_that_beta_0_should_hide_is_caught() -> None:
    result = outcome("matmul.nonfinite", "float16", fault("addmm", lambda args, out: out + args[0]))
    assert result["failed_cases"] == ["addmm beta=0 does not read its addend"]


# --- TF32 and float32 output, which exist on CUDA only: simulated here ------------------------------------------------


def tf32(args: Any, out: Any) -> Any:
    """Operands cut to eleven significand bits while the switch is on, as tensor cores take them."""
    return shorten_operands(13)(args, out) if torch.backends.cuda.matmul.allow_tf32 else out


def test_tf32_is_recognised_and_its_products_judged() -> None:
    assert outcome("matmul.tf32", "float32")["data"] == {"tf32_active": False}
    result = outcome("matmul.tf32", "float32", fault("mm", tf32, EVERY))
    assert result["status"] == "pass"
    assert result["data"]["tf32_active"] is True


def test_a_faulty_tf32_unit_is_caught_and_float32_left_alone() -> None:
    def change(args: Any, out: Any) -> Any:
        return flip_last_bit(args, tf32(args, out)) if torch.backends.cuda.matmul.allow_tf32 else out

    assert outcome("matmul.tf32", "float32", fault("mm", change, EVERY))["status"] == "fail"
    assert outcome("matmul.integer", "float32", fault("mm", change, EVERY))["status"] == "pass"
    assert torch.backends.cuda.matmul.allow_tf32 is False


class WideTorch:
    """torch with the `mm(..., out_dtype=)` that only CUDA has; `spoil` changes its float32 result."""

    def __init__(self, spoil: Any = None) -> None:
        self.spoil = spoil

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def mm(self, a: Any, b: Any, out_dtype: Any = None) -> Any:
        if out_dtype is None:
            return torch.mm(a, b)
        wide = torch.mm(a.double(), b.double()).to(out_dtype)
        return self.spoil((a, b), wide) if self.spoil else wide


@pytest.mark.parametrize("dtype", HALVES)
def test_low_accumulator_bits_show_in_a_float32_output(dtype: str) -> None:
    probe = next(p for p in MATMUL if p.id == "matmul.wide_output")
    assert execute.run(WideTorch(), probe, dtype)["status"] == "pass"
    assert execute.run(WideTorch(flip_last_bit), probe, dtype)["status"] == "fail"


def test_a_release_without_float32_output_skips() -> None:
    class Old(WideTorch):
        def mm(self, a: Any, b: Any) -> Any:  # type: ignore[override]
            return torch.mm(a, b)

    probe = next(p for p in MATMUL if p.id == "matmul.wide_output")
    assert execute.run(Old(), probe, "float16")["status"] == "skipped"


def test_a_broken_precondition_is_our_error_and_no_verdict() -> None:
    probe = importlib.import_module("hwcompat.probes.suite.matmul_integer")
    ctx = context.Context(torch, "cpu", "float16", "matmul.integer")
    with pytest.raises(context.PreconditionError, match="2\\*\\*p"):
        probe.product(ctx, 4, 8192, 4, 3)
