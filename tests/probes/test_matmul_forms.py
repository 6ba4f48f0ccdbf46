"""Products in every form, with addends, in large numbers and as layers: quiet on a healthy CPU, loud about faults."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from probes.injected import fault, outcome

from hwcompat.probes import context, products
from hwcompat.probes.simulate import _dispatch

DTYPES = ("float32", "float16", "bfloat16")
PROBES = ("matmul.forms", "matmul.addends", "matmul.counts", "matmul.layers")
EVERY = (torch.float32, torch.float16, torch.bfloat16)


def last_off(args: Any, out: Any) -> Any:
    out = out.clone()
    out.view(-1)[-1:] += 1
    return out


@pytest.mark.parametrize(("probe", "dtype"), list(product(PROBES, DTYPES)))
@pytest.mark.parametrize("seed", [0, 17])
def test_a_healthy_cpu_is_silent(probe: str, dtype: str, seed: int) -> None:
    result = outcome(probe, dtype, seed=seed)
    assert (result["status"], result["detail"]) == ("pass", "")
    assert not result["skipped_cases"]
    assert not result["features"]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(DTYPES), st.lists(st.integers(1, 600), min_size=3, max_size=3))
def test_absolute_products_never_outgrow_the_significand(seed: int, dtype: str, sizes: list[int]) -> None:
    rows, depth, columns = sizes[0] % 40 + 1, sizes[1], sizes[2] % 40 + 1
    ctx = context.Context(torch, "cpu", dtype, "precondition", seed=seed)
    form = products.Form("any", ((rows, depth), (depth, columns)), lambda torch, a, b: torch.matmul(a, b))
    (a, b), gradient, want = products.operands(ctx, form)
    sums = (a.abs() @ b.abs(), gradient.abs() @ b.abs().t(), a.abs().t() @ gradient.abs())
    assert max(int(s.max()) for s in sums) <= 2**ctx.precision
    assert want[0].shape == (rows, columns)


@pytest.mark.parametrize(
    ("probe", "name"),
    [
        ("matmul.forms", "mm"),
        ("matmul.forms", "bmm"),
        ("matmul.forms", "mv"),
        ("matmul.forms", "dot"),
        ("matmul.forms", "_trilinear"),
        ("matmul.addends", "addmm"),
        ("matmul.addends", "addmm_"),
        ("matmul.addends", "addmv"),
        ("matmul.addends", "addmv_"),
        ("matmul.addends", "addr"),
        ("matmul.addends", "addr_"),
        ("matmul.addends", "addbmm"),
        ("matmul.addends", "addbmm_"),
        ("matmul.addends", "baddbmm"),
        ("matmul.addends", "baddbmm_"),
        ("matmul.addends", "_addmm_activation"),
        ("matmul.counts", "bmm"),
        ("matmul.counts", "baddbmm"),
        ("matmul.counts", "mm"),
        ("matmul.counts", "addmm"),
        ("matmul.layers", "mm"),
        ("matmul.layers", "addmm"),
    ],
)
def test_one_wrong_element_is_seen(probe: str, name: str) -> None:
    def change(args: Any, out: Any) -> Any:
        if name.endswith("_"):
            out.view(-1)[-1:] += 1
            return out
        return last_off(args, out)

    assert outcome(probe, "bfloat16", fault(name, change, EVERY))["status"] == "fail"


def test_zeros_beyond_65535_matrices_are_seen_on_a_cpu() -> None:
    def change(args: Any, out: Any) -> Any:
        out = out.clone()
        out[65535:] = 0
        return out

    result = outcome("matmul.counts", "float16", fault("bmm", change, EVERY))
    assert len(result["failed_cases"]) == 2
    assert "first at [65535" in result["detail"]


def test_rows_beyond_two_to_the_21_are_seen() -> None:
    def change(args: Any, out: Any) -> Any:
        if out.shape[0] > 2**21:
            out[2**21 :] = out[: out.shape[0] - 2**21]
        return out

    result = outcome("matmul.counts", "float32", fault("mm", change, EVERY))
    assert result["failed_cases"] == ["mm 2097155x2x1"]


CONDITIONS: dict[str, tuple[str, str, Any]] = {
    "only one row": ("matmul.layers", "mm", lambda a, b: a.shape[0] == 1),
    "only 7 rows": ("matmul.layers", "mm", lambda a, b: a.shape[0] == 7),
    "only an odd width": ("matmul.layers", "mm", lambda a, b: b.shape[1] % 2),
    "only strided operands": ("matmul.forms", "mm", lambda a, b: min(a.stride()) > 1),
    "only misaligned operands": ("matmul.forms", "mm", lambda a, b: a.storage_offset() % 2),
    "only broadcast matrices": ("matmul.forms", "bmm", lambda a, b: 0 in a.stride() or 0 in b.stride()),
    "only an inner dimension of one": ("matmul.forms", "mm", lambda a, b: a.shape[1] == 1),
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_a_fault_of_one_condition_is_seen(name: str) -> None:
    probe, operator, condition = CONDITIONS[name]

    def change(args: Any, out: Any) -> Any:
        return last_off(args, out) if condition(*args[:2]) else out

    assert outcome(probe, "bfloat16", fault(operator, change, EVERY))["status"] == "fail"


def test_a_second_step_that_overwrites_the_gradient_is_seen() -> None:
    def change(args: Any, out: Any) -> Any:
        return args[0].copy_(args[1])

    result = outcome("matmul.layers", "float16", fault("add_", change, EVERY))
    assert result["status"] == "fail"
    assert "gradient of operand" in result["detail"]


def test_a_product_that_is_wrong_every_second_time_is_seen() -> None:
    seen: set[object] = set()

    def change(args: Any, out: Any) -> Any:
        key = tuple(args[0].shape), tuple(args[1].shape), args[1].stride()
        if key in seen:
            return last_off(args, out)
        seen.add(key)
        return out

    assert outcome("matmul.layers", "bfloat16", fault("mm", change, EVERY))["status"] == "fail"


def with_scalars(name: str, **wrong: float) -> Any:
    """The operator as if it had been given other scalars."""

    def alter(called: str, func: Any, args: Any, kwargs: Any, out: Any) -> Any:
        if called != name or args[0].dtype not in EVERY or not set(wrong) & set(kwargs):
            return out
        return func(*args, **{**kwargs, **wrong})

    return _dispatch.after_each(torch, alter)


@pytest.mark.parametrize("name", ["addmm", "addmv", "addr", "addbmm", "baddbmm"])
@pytest.mark.parametrize("wrong", [{"alpha": 1}, {"beta": 1}])
def test_a_lost_scalar_is_seen(name: str, wrong: dict[str, float]) -> None:
    assert outcome("matmul.addends", "float32", with_scalars(name, **wrong))["status"] == "fail"


@pytest.mark.parametrize("name", ["addmm", "baddbmm", "addmv"])
def test_an_addend_that_beta_0_should_hide_is_seen(name: str) -> None:
    def alter(called: str, func: Any, args: Any, kwargs: Any, out: Any) -> Any:
        leaks = called == name and kwargs.get("beta") == 0 and args[0].dtype in EVERY
        return out + 0 * args[0] if leaks else out

    result = outcome("matmul.addends", "float16", _dispatch.after_each(torch, alter))
    assert any("ignores NaN" in label and label.startswith(name) for label in result["failed_cases"])


@pytest.mark.parametrize(
    "change",
    [lambda args, out: out[..., :-1], lambda args, out: out.double(), lambda args, out: out * float("nan")],
    ids=["shape", "dtype", "nan"],
)
@pytest.mark.parametrize("probe", ["matmul.counts", "matmul.forms"])
def test_an_output_of_another_kind_is_a_failure_and_no_crash(probe: str, change: Any) -> None:
    assert outcome(probe, "bfloat16", fault("bmm", change, EVERY))["status"] == "fail"


def test_a_release_without_the_fused_product_skips_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch, "_addmm_activation")
    result = outcome("matmul.addends", "float32")
    assert result["status"] == "pass"
    assert len(result["skipped_cases"]) == 1


def test_the_enlarged_run_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context.Context, "large", True)
    assert outcome("matmul.forms", "bfloat16")["status"] == "pass"
