"""Correct rounding between float64 and the formats under test, in 64-bit integer arithmetic only.

torch's own `float64_tensor.half()` goes through float32 and so rounds twice (1 + 2**-11 + 2**-40 becomes 1.0 instead of
1.0009765625), and it would run the very cast that is under test. Nothing here does arithmetic in a 16- or 32-bit
format.
"""

from collections import namedtuple
from typing import Any

Format = namedtuple("Format", "name bits precision emin emax finite", defaults=(False,))
"""A binary format: total `bits`, significand `precision` including the hidden bit, exponent range of normal numbers;
`finite`: it has no infinity, and of the codes above its largest number only the last is NaN."""

FORMATS = {
    "float16": Format("float16", 16, 11, -14, 15),
    "bfloat16": Format("bfloat16", 16, 8, -126, 127),
    "float32": Format("float32", 32, 24, -126, 127),
    "float8_e4m3fn": Format("float8_e4m3fn", 8, 4, -6, 8, True),
    "float8_e5m2": Format("float8_e5m2", 8, 3, -14, 15),
}
"""float8: Open Compute Project, 8-bit Floating Point Specification (OFP8)."""

_INTEGER = {8: "int8", 16: "int16", 32: "int32"}


_MAGNITUDE = 2**63 - 1


def infinity(fmt):
    """The code of +infinity: exponent field all ones, fraction zero; in a finite format that of NaN, which is as far
    out."""
    if fmt.finite:
        return (1 << (fmt.bits - 1)) - 1
    return (fmt.emax - fmt.emin + 2) << (fmt.precision - 1)


def first_nan(fmt):
    """The smallest positive code that is no number and no infinity."""
    return infinity(fmt) + (0 if fmt.finite else 1)


def encode(torch, values, fmt):
    """Codes (int64, 0 .. 2**bits-1) of float64 `values` rounded to nearest, ties to even, with gradual underflow.

    Overflow goes to infinity from max + half an ulp on (to NaN in a finite format); every NaN becomes the canonical
    quiet NaN.
    """
    raw = values.contiguous().view(torch.int64)
    if _all_normal(raw & _MAGNITUDE, (fmt.emin + 1023) << 52, 0x7FF << 52):
        return _encode_normal(torch, raw, fmt)
    return _encode_any(torch, raw, fmt)


def _all_normal(magnitudes, least, end):
    """True if every one of `magnitudes` is 0 or in [least, end): 0 less one is the largest number of 63 bits."""
    if magnitudes.numel() == 0 or int(magnitudes.max()) >= end:
        return False
    return int(((magnitudes - 1) & _MAGNITUDE).min()) >= least - 1


def _encode_normal(torch, raw, fmt):
    """`encode` of zeros and of numbers that are normal in `fmt` or beyond it: one addition rounds them all."""
    dropped = 53 - fmt.precision
    code = raw & _MAGNITUDE
    code += ((code >> dropped) & 1) + ((1 << (dropped - 1)) - 1)
    code >>= dropped
    code -= (fmt.emin - 1 + 1023) << (fmt.precision - 1)  # the exponent's other bias; a zero becomes negative
    code.clamp_(0, infinity(fmt))
    return code | ((raw >> (64 - fmt.bits)) & (1 << (fmt.bits - 1)))


def _encode_any(torch, raw, fmt):
    """`encode` of anything."""
    sign = (raw >> 63) & 1
    exponent_field = (raw >> 52) & 0x7FF
    fraction = raw & ((1 << 52) - 1)
    significand = torch.where(exponent_field > 0, fraction | (1 << 52), fraction)
    exponent = torch.clamp(exponent_field, min=1) - 1023
    below = torch.clamp(fmt.emin - exponent, min=0)
    # From 54 dropped bits on every float64 rounds to zero; the clamp keeps the shifts below inside 64 bits.
    shift = torch.clamp(53 - fmt.precision + below, max=60)
    code = _shift_right_to_even(torch, significand, shift)
    code = code + (torch.clamp(exponent - fmt.emin, min=0) << (fmt.precision - 1))
    code = torch.clamp(code, max=infinity(fmt))
    special = exponent_field == 0x7FF
    quiet = infinity(fmt) | (1 << (fmt.precision - 2))
    code = torch.where(special & (fraction == 0), torch.full_like(code, infinity(fmt)), code)
    nan = special & (fraction != 0)
    code = torch.where(nan, torch.full_like(code, quiet), code)
    return code + torch.where(nan, torch.zeros_like(sign), sign) * (1 << (fmt.bits - 1))


def _shift_right_to_even(torch, significand, shift):
    one = torch.ones_like(significand)
    kept = significand >> shift
    rest = significand & ((one << shift) - 1)
    half = one << (shift - 1)
    up = (rest > half) | ((rest == half) & ((kept & 1) == 1))
    return kept + up.to(torch.int64)


def encode_integers(torch, values, fmt):
    """As `encode`, for int64 `values`: small ones, which most operands are, by looking them up."""
    if values.numel() == 0 or int(values.min()) < -TABLED or int(values.max()) > TABLED:
        return encode(torch, values.to(torch.float64), fmt)
    return _table(torch, fmt, "integers")[(values + TABLED).reshape(-1)].reshape(values.shape)


def values_of(torch, codes, fmt):
    """As `decode`; the 8- and 16-bit formats by looking every code up."""
    return _table(torch, fmt, "values")[codes] if fmt.bits <= 16 else decode(torch, codes, fmt)


TABLED = 4096
_TABLES: "dict[tuple[str, str], Any]" = {}


def _table(torch, fmt, kind):
    """Made once a process by `encode` and `decode` themselves, so that there is one way to round."""
    if (fmt.name, kind) not in _TABLES:
        if kind == "values":
            made = decode(torch, torch.arange(1 << fmt.bits), fmt)
        else:
            made = encode(torch, torch.arange(-TABLED, TABLED + 1).to(torch.float64), fmt)
        _TABLES[fmt.name, kind] = made
    return _TABLES[fmt.name, kind]


def decode(torch, codes, fmt):
    """The float64 values of int64 `codes`; exact for every format here."""
    magnitude = codes & ((1 << (fmt.bits - 1)) - 1)
    if _all_normal(magnitude, 1 << (fmt.precision - 1), infinity(fmt)):
        # The same fields at a float64's places, then the difference of the biases as a factor.
        raw = ((codes >> (fmt.bits - 1)) << 63) | (magnitude << (53 - fmt.precision))
        return raw.view(torch.float64) * 2.0 ** (fmt.emin - 1 + 1023)
    return _decode_any(torch, codes, fmt)


def _decode_any(torch, codes, fmt):
    sign = (codes >> (fmt.bits - 1)) & 1
    magnitude = codes & ((1 << (fmt.bits - 1)) - 1)
    field = magnitude >> (fmt.precision - 1)
    fraction = magnitude & ((1 << (fmt.precision - 1)) - 1)
    normal = ((field + (fmt.emin - 1 + 1023)) << 52) | (fraction << (53 - fmt.precision))
    value = normal.view(torch.float64)
    subnormal = fraction.to(torch.float64) * 2.0 ** (fmt.emin - fmt.precision + 1)
    value = torch.where(field == 0, subnormal, value)
    value = torch.where(magnitude == infinity(fmt), torch.full_like(value, float("inf")), value)
    value = torch.where(magnitude >= first_nan(fmt), torch.full_like(value, float("nan")), value)
    return torch.where(sign == 1, -value, value)


def rn(torch, values, fmt):
    """float64 `values` rounded to `fmt` and given back as float64."""
    return values_of(torch, encode(torch, values, fmt), fmt)


def codes_of(torch, tensor, fmt):
    """The int64 codes stored in a CPU `tensor` of dtype `fmt`, in logical (not memory) order, same shape."""
    return bits_of(torch, tensor, fmt).to(torch.int64) & ((1 << fmt.bits) - 1)


def bits_of(torch, tensor, fmt):
    """The bits of `tensor` as int8, int16 or int32: cheap where codes_of would widen millions of elements to int64."""
    return tensor.detach().contiguous().view(getattr(torch, _INTEGER[fmt.bits]))


def from_codes(torch, codes, fmt):
    """A CPU tensor of dtype `fmt` holding int64 `codes`, made without any cast between floating-point formats."""
    sign = 1 << (fmt.bits - 1)
    signed = (codes ^ sign) - sign
    return signed.to(getattr(torch, _INTEGER[fmt.bits])).view(getattr(torch, fmt.name))
