"""Dropout and random generators: silent on a healthy machine, loud for repetition, bias and stuck places."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from probes import conditional
from probes.conditional import broken
from probes.injected import first_failure, outcome

from hwcompat.probes import chance
from hwcompat.probes.simulate import _dispatch

DTYPES = ("float32", "float16", "bfloat16")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("probe", ["random.dropout", "random.generators"])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_healthy_machine_passes_and_its_random_state_is_put_back(probe: str, dtype: str, seed: int) -> None:
    before = torch.get_rng_state()
    result = outcome(probe, dtype, seed=seed)
    assert result["status"] == "pass", result["detail"]
    assert not result["skipped_cases"]
    assert not result["features"]
    assert torch.equal(before, torch.get_rng_state())


def after(names: tuple[str, ...], change: Any) -> Any:
    """Operators that draw: `change(args, out)` may alter the result where it lies."""
    calls = [0]

    def alter(name: str, func: Any, args: tuple[Any, ...], kwargs: Any, out: Any) -> Any:
        if name in names and isinstance(out, torch.Tensor) and out.dtype != torch.float64:
            calls[0] += 1
            change(args, out, calls[0])
        return out

    return _dispatch.after_each(torch, alter)


def draws_again(args: Any, out: Any, call: int) -> None:
    """The second half repeats the first."""
    half = out.numel() // 2
    if half and out.is_contiguous():
        out.view(-1)[half : 2 * half] = out.view(-1)[:half].clone()


def last_is_stuck(args: Any, out: Any, call: int) -> None:
    if out.numel():
        out[conditional.last(out)] = 0


DRAWING = {
    "dropout": ("bernoulli_", "native_dropout"),
    "generators": ("rand", "randn", "uniform_", "normal_", "bernoulli_"),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("probe", sorted(DRAWING))
@pytest.mark.parametrize("change", [draws_again, last_is_stuck], ids=lambda f: f.__name__)
def test_repeated_blocks_and_stuck_places_are_caught(change: Any, probe: str, dtype: str) -> None:
    assert first_failure("random." + probe, dtype, after(DRAWING[probe], change))[1] is not None


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_wrong_scale_share_or_channel_is_caught(dtype: str) -> None:
    def unscaled(args: Any, out: Any, call: int) -> None:
        out.copy_((out != 0).to(out.dtype))

    def fewer(args: Any, out: Any, call: int) -> None:
        if out.dim() > 1:
            out[..., ::16] = 0

    assert first_failure("random.dropout", dtype, after(("div_",), unscaled))[1] is not None
    assert first_failure("random.dropout", dtype, after(("bernoulli_",), fewer))[1] is not None
    for when in (conditional.always, conditional.second, conditional.strided, conditional.odd):
        assert first_failure("random.dropout", dtype, broken("mul.Tensor", when=when))[1] is not None


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["rand", "randn", "bernoulli", "randint", "normal_", "uniform_"])
def test_values_out_of_range_and_biased_ones_are_caught(name: str, dtype: str) -> None:
    def one(args: Any, out: Any, call: int) -> None:
        out[conditional.last(out)] = float("inf") if name in ("randn", "normal_") else 60.0

    def biased(args: Any, out: Any, call: int) -> None:
        out.view(-1)[::4] = float(out.min()) if out.numel() else 0.0

    for change in (one, biased):
        assert first_failure("random.generators", dtype, after((name,), change))[1] is not None


def test_a_generator_without_effect_is_caught() -> None:
    """The same numbers at every call, whatever the seed."""
    kept: dict[Any, Any] = {}

    def repeated(args: Any, out: Any, call: int) -> None:
        out.copy_(kept.setdefault((tuple(out.shape), out.dtype), out.clone()))

    assert first_failure("random.generators", "float32", after(("rand", "randn"), repeated))[1] is not None
    kept.clear()
    assert first_failure("random.dropout", "float32", after(("bernoulli_",), repeated))[1] is not None


@pytest.mark.parametrize("name", ["randperm", "multinomial"])
def test_indices_that_repeat_or_leave_out_are_caught(name: str) -> None:
    def change(args: Any, out: Any, call: int) -> None:
        if out.numel() > 1:
            out.view(-1)[-1] = 0 if name == "multinomial" else out.view(-1)[0]

    assert first_failure("random.generators", "float32", after((name,), change))[0] == name


def test_the_bounds_of_chance_are_what_they_say() -> None:
    """Hoeffding: two-sided failure 1e-15; a mask with period 128 and a biased one fail, a fair one does not."""
    assert 2 * torch.exp(torch.tensor(-2 * 1000 * chance.hoeffding(1000) ** 2)).item() == pytest.approx(1e-15, rel=1e-3)
    generator = torch.Generator().manual_seed(1)
    fair = torch.rand(65536, generator=generator) < 0.5
    assert chance.independent(torch, fair, "").status == "pass"
    assert chance.share(fair, 0.5, "").status == "pass"
    assert chance.independent(torch, fair[:128].repeat(512), "").status == "fail"
    assert chance.share(fair | (torch.arange(65536) % 16 == 0), 0.5, "").status == "fail"
