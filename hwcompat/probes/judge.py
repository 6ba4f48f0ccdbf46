"""The three rules by which a probe may speak about a device. There is no fourth, and no free tolerance.

EXACT     the inputs are chosen so that every legal order of evaluation gives one bit pattern; any other bit is a fault.
INTERVAL  rn(reference - bound) <= output <= rn(reference + bound), the bound derived in the probe's docstring.
FEATURE   legal variation (flushing of subnormals, an accumulator's width): recorded, never a failure.

Judging computes in integers and float64 only, on the CPU, so that a faulty device cannot judge itself.
"""

import array
import ctypes
import hashlib
import sys
from collections import namedtuple

from . import inputs, rounding

Judgement = namedtuple("Judgement", "status detail checked digest data")
"""What one case came to: status word, numbers in words, elements checked, SHA-256 of the exact output or "", facts."""


def passed(checked, digest="", data=None):
    return Judgement("pass", "", checked, digest, data or {})


def failed(detail, checked, data=None):
    return Judgement("fail", detail, checked, "", data or {})


def feature(detail, data=None, checked=0):
    """A legal variation: `data` goes into the report, the verdict stays untouched."""
    return Judgement("feature", detail, checked, "", data or {})


def skipped(reason):
    return Judgement("skipped", reason, 0, "", {})


def exact(torch, got, expected, signed_zero=False, note=""):
    """Compare `got` (CPU tensor, any format of rounding.FORMATS) with float64 or int64 `expected`, bit by bit.

    `expected` is rounded correctly to the format of `got`; for EXACT probes that rounding changes nothing or is the one
    rounding the operation itself must make. All NaNs are alike; -0 equals +0 unless `signed_zero`.
    """
    fmt = rounding.FORMATS[str(got.dtype).replace("torch.", "")]
    if tuple(got.shape) != tuple(expected.shape):
        return failed("shape %s instead of %s" % (tuple(got.shape), tuple(expected.shape)), 0)
    have = rounding.codes_of(torch, got, fmt)
    if not signed_zero and bool((rounding.values_of(torch, have, fmt) == expected).all()):
        return passed(have.numel(), _digest(torch, _positive_zero(torch, have, fmt)))  # equal without any rounding
    want = rounding.encode(torch, expected.to(torch.float64), fmt)
    have = _canonical_nan(torch, have, fmt)
    if not signed_zero:
        have, want = _positive_zero(torch, have, fmt), _positive_zero(torch, want, fmt)
    wrong = have != want
    if not bool(wrong.any()):
        return passed(have.numel(), _digest(torch, have))
    return failed(_describe(torch, wrong, have, want, fmt) + _aside(note), have.numel())


def repeated(torch, got, pattern, note=""):
    """EXACT for large outputs: got[i, j, ...] must be pattern[i % P, j % Q, ...]; one pass over the bits when it is.

    Nothing is widened to int64 unless a bit differs (a wrong value, or a zero of the other sign).
    """
    fmt = rounding.FORMATS[str(got.dtype).replace("torch.", "")]
    if got.dim() != pattern.dim():
        return failed("%d dimensions instead of %d" % (got.dim(), pattern.dim()), 0)
    codes = rounding.encode(torch, pattern.to(torch.float64), fmt)
    small = rounding.bits_of(torch, rounding.from_codes(torch, codes, fmt), fmt)
    bits, want = rounding.bits_of(torch, got, fmt), inputs.spread(torch, small, got.shape)
    if torch.equal(bits, want):
        return passed(got.numel(), _digest(torch, _positive_zero(torch, codes, fmt)))
    differs = bits != want
    mask = (1 << fmt.bits) - 1
    have, expected = (_comparable(torch, side[differs].to(torch.int64) & mask, fmt) for side in (bits, want))
    wrong = have != expected
    if not bool(wrong.any()):
        return passed(got.numel(), _digest(torch, _positive_zero(torch, codes, fmt)))
    at = _first(torch, wrong)[0]
    place = torch.nonzero(differs)[at].tolist()
    return failed(_describe(torch, wrong, have, expected, fmt, place, got.numel()) + _aside(note), got.numel())


def one_of(torch, got, expected, alternatives, legal, note=""):
    """Every element must be `expected` or its counterpart in one of `alternatives` (all float64, signs of zero alike).

    All as expected: pass. Some as an alternative: a feature, with `legal` (name -> value) as its data. Else: fail.
    """
    fmt = rounding.FORMATS[str(got.dtype).replace("torch.", "")]
    if tuple(got.shape) != tuple(expected.shape):
        return failed("shape %s instead of %s" % (tuple(got.shape), tuple(expected.shape)), 0)
    have = _comparable(torch, rounding.codes_of(torch, got, fmt), fmt)
    legal_values = (expected,) + alternatives
    wants = [_comparable(torch, rounding.encode(torch, v.to(torch.float64), fmt), fmt) for v in legal_values]
    other = have != wants[0]
    wrong = other.clone()
    for want in wants[1:]:
        wrong = wrong & (have != want)
    if bool(wrong.any()):
        return failed(_describe(torch, wrong, have, wants[0], fmt) + _aside(note), have.numel())
    if bool(other.any()):
        return feature("%d of %d %s" % (int(other.sum()), have.numel(), note), legal, have.numel())
    return passed(have.numel(), _digest(torch, have))


def exact_integers(torch, got, expected, note=""):
    """Compare integer or boolean tensors (indices, masks, counts) element by element."""
    have, want = got.detach().to(torch.int64), expected.to(torch.int64)
    if tuple(have.shape) != tuple(want.shape):
        return failed("shape %s instead of %s" % (tuple(have.shape), tuple(want.shape)), 0)
    wrong = have != want
    if not bool(wrong.any()):
        return passed(have.numel(), _digest(torch, have))
    at = _first(torch, wrong)
    text = "%d of %d wrong; first at %s: got %d, expected %d" % (
        int(wrong.sum()),
        have.numel(),
        list(at),
        int(have[at]),
        int(want[at]),
    )
    return failed(text + _aside(note), have.numel())


def interval(torch, got, reference, bound, note=""):
    """Check rn(reference - bound) <= got <= rn(reference + bound); `reference` and `bound` are float64, bound >= 0.

    The bound is widened by 2**-40 of itself and of the reference: float64 made the reference with a relative error
    below n * 2**-53, which that covers for every n < 2**13; probes with longer sums add the term themselves.
    """
    fmt = rounding.FORMATS[str(got.dtype).replace("torch.", "")]
    if tuple(got.shape) != tuple(reference.shape):
        return failed("shape %s instead of %s" % (tuple(got.shape), tuple(reference.shape)) + _aside(note), 0)
    slack = bound * (1 + 2.0**-40) + reference.abs() * 2.0**-40
    have = rounding.values_of(torch, rounding.codes_of(torch, got, fmt), fmt)
    low, high = rounding.rn(torch, torch.stack((reference - slack, reference + slack)), fmt)
    wrong = ~((have >= low) & (have <= high))  # a NaN compares false and so is wrong
    used = _bound_used(torch, have, reference, low, high)
    if not bool(wrong.any()):
        return passed(have.numel(), data={"bound_used": used})
    at = _first(torch, wrong)
    text = "%d of %d outside the bound (%d non-finite); first at %s: got %r, reference %r, allowed %r to %r" % (
        int(wrong.sum()),
        have.numel(),
        int((~torch.isfinite(have)).sum()),
        list(at),
        float(have[at]),
        float(reference[at]),
        float(low[at]),
        float(high[at]),
    )
    return failed(text + _aside(note), have.numel())


def gamma(count, unit):
    """Relative error of `count` roundings of relative size `unit`: n u / (1 - n u) (Higham 2002, section 3.1)."""
    return count * unit / (1 - count * unit)


def _bound_used(torch, have, reference, low, high):
    """The largest share of its interval (bound and output rounding) that any finite element used; 1 is the edge."""
    room = torch.maximum((high - reference).abs(), (reference - low).abs())
    share = (have - reference).abs() / torch.clamp(room, min=2.0**-1000)
    share = share[torch.isfinite(share)]
    return round(float(share.max()), 4) if share.numel() else 0.0


def _aside(note):
    return " " + note if note else ""


def _describe(torch, wrong, have, want, fmt, place=None, total=None):
    """Numbers in words; `place` and `total` where `wrong` covers only a part of the output."""
    got = rounding.values_of(torch, have, fmt)
    expected = rounding.values_of(torch, want, fmt)
    at = _first(torch, wrong)
    nonfinite = int((wrong & ~torch.isfinite(got)).sum())
    return "%d of %d wrong (%d non-finite); first at %s: got %r, expected %r" % (
        int(wrong.sum()),
        total or have.numel(),
        nonfinite,
        place or list(at),
        float(got[at]),
        float(expected[at]),
    )


def _first(torch, mask):
    if mask.dim() == 0:
        return ()
    return tuple(int(i) for i in torch.nonzero(mask)[0])


def _comparable(torch, codes, fmt):
    return _positive_zero(torch, _canonical_nan(torch, codes, fmt), fmt)


def _canonical_nan(torch, codes, fmt):
    magnitude = codes & ((1 << (fmt.bits - 1)) - 1)
    quiet = rounding.infinity(fmt) | (1 << (fmt.precision - 2))
    return torch.where(magnitude >= rounding.first_nan(fmt), torch.full_like(codes, quiet), codes)


def _positive_zero(torch, codes, fmt):
    return codes.masked_fill(codes == 1 << (fmt.bits - 1), 0)


def digest_of_bits(torch, tensor):
    """SHA-256 of a CPU tensor's codes, every NaN as one; -0 is not 0 here."""
    fmt = rounding.FORMATS[str(tensor.dtype).replace("torch.", "")]
    return _digest(torch, _canonical_nan(torch, rounding.codes_of(torch, tensor, fmt), fmt))


def _digest(torch, codes):
    """SHA-256 over the codes as little-endian int64 in logical order, the shape first."""
    digest = hashlib.sha256(repr(tuple(codes.shape)).encode("ascii"))
    flat = codes.contiguous()
    if sys.byteorder == "little":  # straight from memory: torch without numpy has no quick way to bytes
        digest.update(ctypes.string_at(flat.data_ptr(), 8 * flat.numel()))
    else:
        words = array.array("q", flat.reshape(-1).tolist())
        words.byteswap()
        digest.update(words.tobytes())
    return digest.hexdigest()
