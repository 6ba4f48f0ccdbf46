"""Rounding against exact fractions and numpy; inputs against their published values; the three rules of judging."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hwcompat.probes import context, inputs, judge, rounding

FORMATS = [pytest.param(fmt, id=name) for name, fmt in rounding.FORMATS.items()]
UNBOUNDED = [pytest.param(fmt, id=name) for name, fmt in rounding.FORMATS.items() if not fmt.finite]
WIDE = [pytest.param(fmt, id=name) for name, fmt in rounding.FORMATS.items() if fmt.bits > 8]
HALF, BRAIN, SINGLE = (rounding.FORMATS[name] for name in ("float16", "bfloat16", "float32"))
INFINITY, NAN = float("inf"), float("nan")

formats = st.sampled_from(list(rounding.FORMATS.values()))
floats = st.floats(allow_nan=False, width=64)
unhurried = settings(deadline=None)  # a busy machine is no failure


def encode(values: Any, fmt: Any) -> Any:
    return rounding.encode(torch, torch.tensor(values, dtype=torch.float64), fmt)


def decode(codes: Any, fmt: Any) -> Any:
    return rounding.decode(torch, torch.as_tensor(codes, dtype=torch.int64), fmt)


def value_of(code: int, fmt: Any) -> Fraction:
    """The number that a finite `code` stands for, from the definition in IEEE 754-2019, 3.4."""
    field, fraction = divmod(code & ((1 << (fmt.bits - 1)) - 1), 1 << (fmt.precision - 1))
    if field:
        fraction += 1 << (fmt.precision - 1)
    exponent = max(field, 1) - 1 + fmt.emin - (fmt.precision - 1)
    sign = -1 if code >> (fmt.bits - 1) else 1
    return sign * fraction * Fraction(2) ** exponent


def nearest_even(value: float, fmt: Any) -> int:
    """The code of `value` rounded to nearest, ties to even, found by exact comparison; the slow, sure way."""
    if value != value:
        return rounding.infinity(fmt) | 1 << (fmt.precision - 2)
    sign = (1 << (fmt.bits - 1)) if np.signbit(value) else 0
    if abs(value) == INFINITY:
        return sign | rounding.infinity(fmt)
    exact, low, high = abs(Fraction(value)), 0, rounding.infinity(fmt)
    while high - low > 1:  # the last code whose value is not above
        middle = (low + high) // 2
        low, high = (middle, high) if value_of(middle, fmt) <= exact else (low, middle)
    # The code of infinity stands for 2**(emax + 1) here, which puts the edge of overflow where IEEE puts it.
    below, above = exact - value_of(low, fmt), value_of(high, fmt) - exact
    return sign | (low if below < above or (below == above and low % 2 == 0) else high)


# --- rounding ---------------------------------------------------------------------------------------------------------


@unhurried
@given(floats, formats)
def test_encode_is_the_nearest_number(value: float, fmt: Any) -> None:
    assert int(encode([value], fmt)) == nearest_even(value, fmt)


@unhurried
@given(st.data(), formats)
def test_encode_breaks_ties_to_even_and_only_ties(data: Any, fmt: Any) -> None:
    """Midpoints of neighbours, subnormal ones and the edge of overflow included, and the float64 beside them."""
    code = data.draw(st.integers(0, rounding.infinity(fmt) - 1))
    middle = float((value_of(code, fmt) + value_of(code + 1, fmt)) / 2)
    for value in (middle, np.nextafter(middle, INFINITY), np.nextafter(middle, -INFINITY)):
        for signed in (value, -value):
            assert int(encode([signed], fmt)) == nearest_even(signed, fmt)


@unhurried
@given(st.data(), formats)
def test_decode_gives_the_number_of_the_code(data: Any, fmt: Any) -> None:
    sign = data.draw(st.sampled_from([0, 1 << (fmt.bits - 1)]))
    code = data.draw(st.integers(0, rounding.infinity(fmt) - 1)) | sign
    got = float(decode([code], fmt))
    assert Fraction(got) == value_of(code, fmt)
    assert bool(np.signbit(got)) == bool(sign)


@pytest.mark.parametrize("fmt", [HALF, BRAIN], ids=["float16", "bfloat16"])
def test_every_16_bit_code_survives_decoding_and_encoding(fmt: Any) -> None:
    codes = torch.arange(1 << 16)
    back = rounding.encode(torch, decode(codes, fmt), fmt)
    nan = torch.isnan(decode(codes, fmt))
    assert torch.equal(back[~nan], codes[~nan])
    assert back[nan].unique().tolist() == [rounding.infinity(fmt) | 1 << (fmt.precision - 2)]


@unhurried
@given(st.lists(st.floats(width=64), min_size=1, max_size=200))
def test_encode_agrees_with_numpy(values: list[float]) -> None:
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for fmt, kind, integer in ((HALF, np.float16, np.uint16), (SINGLE, np.float32, np.uint32)):
            theirs = np.array(values).astype(kind)
            ours = encode(values, fmt).numpy()
            number = ~np.isnan(theirs)
            assert (ours[number] == theirs.view(integer)[number]).all()
            assert (np.isnan(values) == ~number).all()


def test_decode_agrees_with_numpy_for_every_fp16_code() -> None:
    theirs = np.arange(1 << 16).astype(np.uint16).view(np.float16).astype(np.float64)
    np.testing.assert_array_equal(decode(range(1 << 16), HALF).numpy(), theirs)


@pytest.mark.parametrize("fmt", UNBOUNDED)
@unhurried
@given(values=st.lists(floats, min_size=2, max_size=20))
def test_rounding_keeps_order_and_sign_and_changes_nothing_twice(fmt: Any, values: list[float]) -> None:
    rounded = rounding.rn(torch, torch.tensor(sorted(values), dtype=torch.float64), fmt)
    assert bool((rounded[1:] >= rounded[:-1]).all())
    assert torch.equal(rounding.rn(torch, rounded, fmt), rounded)
    mirrored = rounding.rn(torch, -torch.tensor(sorted(values), dtype=torch.float64), fmt)
    assert torch.equal(encode(mirrored.tolist(), fmt), encode((-rounded).tolist(), fmt))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1 + 2.0**-11 + 2.0**-40, 1 + 2.0**-10),  # torch's own .half() goes through float32 and says 1.0
        (1 + 2.0**-11, 1.0),
        (65519.999, 65504.0),
        (65520.0, INFINITY),
        (-65520.0, -INFINITY),
        (2.0**-25, 0.0),
        (2.0**-25 * (1 + 2.0**-52), 2.0**-24),
        (3 * 2.0**-25, 2.0**-23),
        (INFINITY, INFINITY),
        (5e-324, 0.0),
        (1.7976931348623157e308, INFINITY),
    ],
)
def test_fp16_landmarks(value: float, expected: float) -> None:
    assert float(rounding.rn(torch, torch.tensor([value], dtype=torch.float64), HALF)) == expected


@pytest.mark.parametrize("fmt", FORMATS)
def test_the_sign_of_zero_and_of_what_rounds_to_zero_is_kept(fmt: Any) -> None:
    minus = 1 << (fmt.bits - 1)
    assert encode([0.0, -0.0, 1e-300, -1e-300], fmt).tolist() == [0, minus, 0, minus]


@pytest.mark.parametrize("fmt", FORMATS)
def test_every_nan_becomes_one_quiet_nan_without_sign(fmt: Any) -> None:
    quiet = rounding.infinity(fmt) | 1 << (fmt.precision - 2)
    negative = torch.tensor([-1], dtype=torch.int64).view(torch.float64)
    assert rounding.encode(torch, torch.cat([torch.tensor([NAN]).double(), negative]), fmt).tolist() == [quiet, quiet]
    assert bool(torch.isnan(decode([quiet, rounding.first_nan(fmt)], fmt)).all())


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e5m2"])
def test_fp8_agrees_with_torch_on_every_code_and_on_numbers_in_range(name: str) -> None:
    """torch's own conversion runs in integers for these formats, so that it is an independent witness on a CPU."""
    fmt, dtype = rounding.FORMATS[name], getattr(torch, name)
    theirs = torch.arange(256).to(torch.uint8).view(dtype).to(torch.float32).double()
    ours = decode(range(256), fmt)
    assert torch.equal(torch.isnan(ours), torch.isnan(theirs))
    assert torch.equal(ours.nan_to_num(nan=0.0), theirs.nan_to_num(nan=0.0))
    largest = float(ours[torch.isfinite(ours)].max())
    values = torch.linspace(-largest, largest, 100003, dtype=torch.float32)
    small = values * 2.0**-9
    for x in (values, small, small * 2.0**-9):
        assert torch.equal(rounding.encode(torch, x.double(), fmt), x.to(dtype).view(torch.uint8).long())


def test_e4m3_has_no_infinity() -> None:
    fmt = rounding.FORMATS["float8_e4m3fn"]
    assert encode([448.0, 464.0, 464.1, INFINITY, -INFINITY, NAN], fmt).tolist() == [126, 126, 127, 127, 255, 127]
    assert bool(torch.isnan(decode([0x7F, 0xFF], fmt)).all())
    assert decode([0x7E, 0xFE], fmt).tolist() == [448.0, -448.0]


@pytest.mark.parametrize("fmt", FORMATS)
def test_codes_travel_through_tensors_unchanged_in_logical_order(fmt: Any) -> None:
    codes = torch.arange(6).reshape(2, 3) + (1 << (fmt.bits - 1)) - 3
    tensor = rounding.from_codes(torch, codes, fmt)
    assert str(tensor.dtype) == f"torch.{fmt.name}"
    assert torch.equal(rounding.codes_of(torch, tensor, fmt), codes)
    assert torch.equal(rounding.codes_of(torch, tensor.t(), fmt), codes.t())
    assert rounding.codes_of(torch, tensor[0, 0], fmt).shape == ()


# --- inputs -----------------------------------------------------------------------------------------------------------


def splitmix(key: int, index: int) -> int:
    """Steele, Lea, Flood 2014, figure 16 with the finaliser of the reference implementation, in Python integers."""
    z = (key + (index + 1) * 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return (z ^ (z >> 31)) >> 11


@unhurried
@given(st.integers(0, 2**64 - 1))
def test_hashes_are_splitmix64(key: int) -> None:
    assert inputs.hashes(torch, 5, key).tolist() == [splitmix(key, index) for index in range(5)]


def test_the_reference_implementation_starts_as_published() -> None:
    """The first output of splitmix64 seeded with 0 is 0xE220A8397B1DCDAF (https://prng.di.unimi.it/splitmix64.c)."""
    assert inputs.hashes(torch, 1, 0).tolist() == [0xE220A8397B1DCDAF >> 11]


@unhurried
@given(st.integers(-50, 50), st.integers(0, 50), st.integers(0, 2**32))
def test_integers_stay_within_their_ends(low: int, width: int, key: int) -> None:
    values = inputs.integers(torch, (3, 40), low, low + width, key)
    assert values.shape == (3, 40)
    assert low <= int(values.min())
    assert int(values.max()) <= low + width


def test_both_ends_are_drawn_and_streams_differ() -> None:
    values = inputs.integers(torch, (1000,), -2, 2, inputs.key_of("a"))
    assert sorted(set(values.tolist())) == [-2, -1, 0, 1, 2]
    assert not torch.equal(values, inputs.integers(torch, (1000,), -2, 2, inputs.key_of("b")))
    assert torch.equal(values, inputs.integers(torch, (1000,), -2, 2, inputs.key_of("a")))


def test_uniform_and_normal_have_the_moments_they_should() -> None:
    """Bounds are six standard errors: the stream is fixed, so this is arithmetic and not chance."""
    count = 20000
    uniform = inputs.uniform(torch, (count,), 1)
    assert 0 <= float(uniform.min()) <= float(uniform.max()) < 1
    assert abs(float(uniform.mean()) - 0.5) < 6 * (1 / 12 / count) ** 0.5
    normal = inputs.normal(torch, (count,), 2)
    assert abs(float(normal.mean())) < 6 / count**0.5
    assert abs(float(normal.var()) - 1) < 6 * (2 / count) ** 0.5


@unhurried
@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 12), st.integers(1, 12))
def test_spread_repeats_along_every_dimension(rows: int, columns: int, height: int, width: int) -> None:
    pattern = torch.arange(rows * columns).reshape(rows, columns)
    got = inputs.spread(torch, pattern, (height, width))
    assert got.tolist() == [[int(pattern[i % rows, j % columns]) for j in range(width)] for i in range(height)]


# --- judging ----------------------------------------------------------------------------------------------------------


def tensor(values: Any, fmt: Any = HALF) -> Any:
    doubles = torch.tensor(values, dtype=torch.float64)
    return rounding.from_codes(torch, rounding.encode(torch, doubles, fmt), fmt)


def double(values: Any) -> Any:
    return torch.tensor(values, dtype=torch.float64)


def test_exact_passes_equal_bits_and_names_the_first_wrong_one() -> None:
    good = judge.exact(torch, tensor([[1.0, 2.0], [3.0, NAN]]), double([[1.0, 2.0], [3.0, NAN]]))
    assert (good.status, good.checked, len(good.digest)) == ("pass", 4, 64)
    bad = judge.exact(torch, tensor([[1.0, 2.0], [INFINITY, 4.0]]), double([[1.0, 2.0], [3.0, 5.0]]), note="(y)")
    assert bad.status == "fail"
    assert bad.detail == "2 of 4 wrong (1 non-finite); first at [1, 0]: got inf, expected 3.0 (y)"


def test_exact_sees_one_last_bit_and_rounds_its_expectation() -> None:
    assert judge.exact(torch, tensor([1.0]), double([1 + 2.0**-11])).status == "pass"
    assert judge.exact(torch, tensor([1.0]), double([1 + 2.0**-11 + 2.0**-52])).status == "fail"


def test_exact_takes_nan_for_nan_but_not_for_a_number() -> None:
    any_nan = rounding.from_codes(torch, torch.tensor([0x7C01, 0xFFFF]), HALF)
    assert judge.exact(torch, any_nan, double([NAN, NAN])).status == "pass"
    assert judge.exact(torch, any_nan, double([NAN, 0.0])).status == "fail"
    assert judge.exact(torch, tensor([0.0]), double([NAN])).status == "fail"


def test_the_sign_of_zero_counts_only_on_demand() -> None:
    assert judge.exact(torch, tensor([-0.0]), double([0.0])).status == "pass"
    assert judge.exact(torch, tensor([-0.0]), double([0.0]), signed_zero=True).status == "fail"


@pytest.mark.parametrize("rule", [judge.exact, lambda *a: judge.one_of(*a, (), {})], ids=["exact", "one_of"])
def test_a_wrong_shape_fails_without_broadcasting(rule: Any) -> None:
    result = rule(torch, tensor([1.0, 1.0]), double(1.0))
    assert result.status == "fail"
    assert "shape (2,) instead of ()" in result.detail


def test_zero_dimensions_are_judged_like_any_other() -> None:
    assert judge.exact(torch, tensor(2.0), double(2.0)).checked == 1
    assert "first at []: got 2.0, expected 3.0" in judge.exact(torch, tensor(2.0), double(3.0)).detail
    assert judge.interval(torch, tensor(2.0), double(2.0), double(0.0)).status == "pass"
    assert "first at []" in judge.interval(torch, tensor(2.0), double(3.0), double(0.1)).detail


def test_digests_depend_on_bits_and_shape_only() -> None:
    first = judge.exact(torch, tensor([[1.0, 2.0]]), double([[1.0, 2.0]])).digest
    assert first == judge.exact(torch, tensor([[1.0], [2.0]]).t(), double([[1.0, 2.0]])).digest
    assert first != judge.exact(torch, tensor([1.0, 2.0]), double([1.0, 2.0])).digest
    assert first != judge.exact(torch, tensor([[1.0, 3.0]]), double([[1.0, 3.0]])).digest


def test_interval_ends_belong_to_it() -> None:
    """Around 1 with bound 2**-9, fp16 numbers step by 2**-10 above and 2**-11 below."""
    reference, bound = double([1.0] * 4), double([2.0**-9] * 4)
    inside = tensor([1 + 2.0**-9, 1 - 2.0**-9, 1.0, 1 + 2.0**-10])
    assert judge.interval(torch, inside, reference, bound).status == "pass"
    for outside in (1 + 3 * 2.0**-10, 1 - 2.0**-9 - 2.0**-11):
        result = judge.interval(torch, tensor([1.0, 1.0, 1.0, outside]), reference, bound)
        assert result.status == "fail"
        assert "1 of 4 outside the bound (0 non-finite); first at [3]" in result.detail


def test_interval_without_bound_leaves_correct_rounding_only() -> None:
    reference, none = double([1 / 3]), double([0.0])
    nearest = rounding.rn(torch, reference, HALF)
    assert judge.interval(torch, tensor(nearest.tolist()), reference, none).status == "pass"
    assert judge.interval(torch, tensor([float(nearest) + 2.0**-12]), reference, none).status == "fail"


@pytest.mark.parametrize("value", [NAN, INFINITY, -INFINITY])
def test_interval_refuses_what_is_not_finite(value: float) -> None:
    result = judge.interval(torch, tensor([1.0, value]), double([1.0, 1.0]), double([0.5, 0.5]))
    assert result.status == "fail"
    assert "(1 non-finite); first at [1]" in result.detail


def test_interval_allows_infinity_where_the_bound_reaches_beyond_the_range() -> None:
    assert judge.interval(torch, tensor([INFINITY]), double([65500.0]), double([30.0])).status == "pass"
    assert judge.interval(torch, tensor([INFINITY]), double([65500.0]), double([10.0])).status == "fail"


def test_one_of_tells_exact_flushed_and_wrong_apart() -> None:
    want, zero, facts = double([2.0**-24, 1.0]), double([0.0, 1.0]), {"subnormals_flushed": True}
    assert judge.one_of(torch, tensor([2.0**-24, 1.0]), want, (zero,), facts).status == "pass"
    flushed = judge.one_of(torch, tensor([-0.0, 1.0]), want, (zero,), facts)
    assert (flushed.status, flushed.data) == ("feature", facts)
    assert judge.one_of(torch, tensor([2.0**-23, 1.0]), want, (zero,), facts).status == "fail"
    assert judge.one_of(torch, tensor([0.0, 0.0]), want, (zero,), facts).status == "fail"


@pytest.mark.parametrize("fmt", WIDE)
def test_repeated_judges_every_element_against_the_pattern(fmt: Any) -> None:
    pattern = torch.arange(15).reshape(3, 5) - 7
    output = tensor(inputs.spread(torch, pattern, (20, 33)).tolist(), fmt)
    good = judge.repeated(torch, output, pattern)
    assert (good.status, good.checked) == ("pass", 660)
    negative_zero = output.clone()
    negative_zero[output == 0] = -0.0
    assert judge.repeated(torch, negative_zero, pattern) == good
    output[19, 31] = NAN
    bad = judge.repeated(torch, output, pattern, note="(big)")
    assert bad.detail == "1 of 660 wrong (1 non-finite); first at [19, 31]: got nan, expected -1.0 (big)"
    assert judge.repeated(torch, output[0], pattern).status == "fail"


def test_integers_are_compared_one_by_one() -> None:
    assert judge.exact_integers(torch, torch.tensor([1, 2]), torch.tensor([1.0, 2.0])).status == "pass"
    assert "first at [1]: got 2, expected 3" in judge.exact_integers(torch, torch.tensor([1, 2]), double([1, 3])).detail
    assert judge.exact_integers(torch, torch.tensor([1]), torch.tensor([[1]])).status == "fail"


def test_gamma_is_higham_s() -> None:
    assert judge.gamma(4, 2.0**-10) == 4 * 2.0**-10 / (1 - 4 * 2.0**-10)


# --- the context's verbs ----------------------------------------------------------------------------------------------


def test_repeated_operands_hold_the_pattern() -> None:
    ctx = context.Context(torch, "cpu", "bfloat16")
    pattern = torch.arange(6).reshape(2, 3) - 3
    got = ctx.repeated(pattern, (5, 7))
    assert got.dtype == torch.bfloat16
    assert ctx.exact_repeated(got, pattern).status == "pass"
    assert float(got[4, 6]) == float(pattern[0, 0])


def test_sums_beyond_the_format_break_the_precondition() -> None:
    ctx = context.Context(torch, "cpu", "bfloat16")
    ctx.require_exact_sums(double([1.0, 256.0]))
    with pytest.raises(context.PreconditionError):
        ctx.require_exact_sums(double([1.0, 257.0]))


def test_the_first_bad_judgement_of_several_decides() -> None:
    good, odd, bad = judge.passed(3, "ab"), judge.feature("odd", {"x": 1}), judge.failed("broken", 2)
    assert context.combine((good, bad, judge.failed("later", 1))) is bad
    assert context.combine((good, odd))[:4] == ("pass", "odd", 3, "ab")
    assert context.combine((odd, odd)).status == "feature"


# --- the quick way for numbers that are zero or normal, and the general way ------------------------------------------
@pytest.mark.parametrize("name", sorted(rounding.FORMATS))
@given(st.lists(st.floats(width=64), min_size=1, max_size=8), st.booleans())
def test_both_ways_to_encode_agree(name, numbers, in_range):
    fmt = rounding.FORMATS[name]
    values = torch.tensor(numbers, dtype=torch.float64)
    if in_range:  # most of these take the quick way
        values = torch.where(values.abs() < 2.0**fmt.emin, torch.zeros_like(values), values).clamp(
            -(2.0**400), 2.0**400
        )
        values = torch.nan_to_num(values)
    general = rounding._encode_any(torch, values.view(torch.int64), fmt)
    assert torch.equal(rounding.encode(torch, values, fmt), general)


@pytest.mark.parametrize("name", sorted(rounding.FORMATS))
@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=8))
def test_both_ways_to_decode_agree(name, numbers):
    fmt = rounding.FORMATS[name]
    codes = torch.tensor(numbers) & ((1 << fmt.bits) - 1)
    one_by_one = torch.stack([rounding.decode(torch, code.reshape(1), fmt) for code in codes]).reshape(-1)
    general = rounding._decode_any(torch, codes, fmt)
    assert torch.equal(one_by_one.view(torch.int64), general.view(torch.int64))
    together = rounding.decode(torch, codes, fmt)
    assert torch.equal(together.view(torch.int64), general.view(torch.int64))
