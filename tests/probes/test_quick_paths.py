"""The short cuts of rounding and judging give what the long way gives."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hwcompat.probes import catalogue, context, execute, judge, mixed, rounding

FORMATS = list(rounding.FORMATS.values())


@pytest.mark.parametrize("fmt", FORMATS, ids=lambda fmt: fmt.name)
def test_looked_up_integers_are_encoded_integers(fmt) -> None:
    """Also beyond the table, in any layout, and beside values that are not tabled."""
    inside = torch.arange(-rounding.TABLED, rounding.TABLED + 1)
    beyond = torch.cat([inside, torch.tensor([rounding.TABLED + 1, 70000, -(2**40)])])
    for values in (inside, beyond, inside[:-1].reshape(2, -1).t(), inside[:5], inside[:0]):
        expected = rounding.encode(torch, values.to(torch.float64), fmt)
        assert torch.equal(rounding.encode_integers(torch, values, fmt), expected)


@pytest.mark.parametrize("fmt", FORMATS[:2], ids=lambda fmt: fmt.name)
def test_looked_up_values_are_decoded_values(fmt) -> None:
    codes = torch.arange(1 << fmt.bits).reshape(256, -1).t()
    looked_up, decoded = rounding.values_of(torch, codes, fmt), rounding.decode(torch, codes, fmt)
    assert torch.equal(looked_up.contiguous().view(torch.int64), decoded.contiguous().view(torch.int64))


@given(st.lists(st.integers(0, 65535), min_size=1, max_size=8), st.integers(0, 7), st.integers(0, 15), st.booleans())
def test_exact_judges_every_single_bit(codes, place, bit, signed_zero) -> None:
    """Equal bits pass and give one digest; a flipped bit fails, but for NaN payloads and, by choice, a zero's sign."""
    fmt = rounding.FORMATS["float16"]
    have = torch.tensor(codes)
    expected = rounding.decode(torch, have, fmt)
    same = judge.exact(torch, rounding.from_codes(torch, have, fmt), expected, signed_zero)
    assert same.status == "pass"
    flipped = have.clone()
    flipped[place % len(codes)] ^= 1 << bit
    after = rounding.decode(torch, flipped, fmt)
    alike = (after == expected) | (after.isnan() & expected.isnan())
    if signed_zero:
        alike &= torch.signbit(after) == torch.signbit(expected)
        alike |= after.isnan() & expected.isnan()
    found = judge.exact(torch, rounding.from_codes(torch, flipped, fmt), expected, signed_zero)
    assert (found.status == "pass") == bool(alike.all())
    if found.status == "pass":
        assert found.digest == same.digest


def test_the_plain_optimizer_of_a_quick_run_steps_like_torchs() -> None:
    ends = []
    for level in ("quick", "standard"):
        ctx = context.Context(torch, "cpu", "float16", level=level)
        parameter = torch.tensor([3.0, -1.0], requires_grad=True)
        parameter.grad = torch.tensor([0.5, 2.0])
        mixed.sgd(ctx, [parameter], lr=0.5).step()
        ends.append(parameter.detach().clone())
    assert torch.equal(ends[0], ends[1])
    assert isinstance(mixed.sgd(ctx, [parameter], lr=0.5), torch.optim.SGD)


@pytest.mark.parametrize("probe_id", ["amp.gradscaler", "amp.train_step", "conv.shapes"])
def test_a_quick_run_is_as_quiet_as_a_standard_one(probe_id: str) -> None:
    probe = catalogue.find(probe_id)
    for dtype in probe.dtypes:
        for seed in (0, 1):
            assert execute.run(torch, probe, dtype, level="quick", seed=seed)["status"] == "pass"
