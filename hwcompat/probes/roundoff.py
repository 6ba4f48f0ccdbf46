"""Running error analysis: float64 numbers that carry how far any legal evaluation in the dtype under test may be off.

Higham, Accuracy and Stability of Numerical Algorithms (2002), section 3.3: beside each intermediate value runs a bound
on its error; an operation propagates the errors of its operands to first order exactly (and to second where it matters)
and adds its own rounding, u |result|. Here u = 2**-p for +, - and *, which IEEE 754 rounds correctly. Division and
square root are correctly rounded on CPUs and on CUDA (CUDA C++ Programming Guide, Mathematical Functions: 0 ulp without
fast-math flags); OpenCL allows 2.5 and 3 ulp, so elsewhere they get 7 * 2**-24 (3.5 ulp of float32) on top.

Where the operands are free of error and the result is representable, a correctly rounded operation cannot err, so
nothing is added: on dyadic inputs with few bits the same formula gives error 0 and the judgement is EXACT by itself.
A kernel that fuses operations, or keeps 16-bit intermediates in float32, rounds fewer times and stays inside.
"""

from collections import namedtuple

Arithmetic = namedtuple("Arithmetic", "torch format unit loose splitter")
"""`unit` of +, -, *; `loose` of / and sqrt beyond it; `splitter` of Veltkamp's test for representable numbers."""


def arithmetic(ctx, dtype_name=None):
    """The arithmetic of the dtype under test (or another) on the device of `ctx`."""
    from . import rounding

    fmt = rounding.FORMATS[dtype_name or ctx.dtype_name]
    loose = 0.0 if ctx.kind in ("cpu", "cuda") else 7 * 2.0**-24
    return Arithmetic(ctx.torch, fmt, 2.0**-fmt.precision, loose, 2.0 ** (53 - fmt.precision) + 1)


class Number:
    """`value` as float64, `error`: absolute bound on what the device holds, `before`: the same without the last
    rounding, which is what judge.interval wants, since it rounds the ends of the interval itself."""

    __slots__ = ("before", "error", "of", "value")

    def __init__(self, of, value, error=None, before=None):
        self.of, self.value = of, value
        self.error = of.torch.zeros_like(value) if error is None else error
        self.before = self.error if before is None else before

    def _rounded(self, value, error, loose=0.0):
        return Number(self.of, value, error + rounding_error(self.of, value, error, loose), error)

    def _lift(self, other):
        if isinstance(other, Number):
            return other
        scalar = self.of.torch.tensor(float(other), dtype=self.of.torch.float64)
        return Number(self.of, scalar, rounding_error(self.of, scalar, scalar * 0, 0.0))

    def __add__(self, other):
        other = self._lift(other)
        return self._rounded(self.value + other.value, self.error + other.error)

    def __sub__(self, other):
        other = self._lift(other)
        return self._rounded(self.value - other.value, self.error + other.error)

    def __mul__(self, other):
        other = self._lift(other)
        crossed = self.value.abs() * other.error + other.value.abs() * self.error + self.error * other.error
        return self._rounded(self.value * other.value, crossed)

    def __truediv__(self, other):
        other = self._lift(other)
        quotient = self.value / other.value
        room = (other.value.abs() - other.error).clamp(min=2.0**-1000)
        error = (quotient.abs() * other.error + self.error) / room
        return self._rounded(quotient, error, self.of.loose)

    __radd__ = __add__
    __rmul__ = __mul__

    def __neg__(self):
        return Number(self.of, -self.value, self.error, self.before)

    def sqrt(self):
        root = self.value.clamp(min=0).sqrt()
        least = (self.value - self.error).clamp(min=0).sqrt()
        error = self.error / (root + least).clamp(min=2.0**-500)
        return self._rounded(root, error, self.of.loose)

    def abs(self):
        return Number(self.of, self.value.abs(), self.error, self.before)

    def maximum(self, other):
        torch = self.of.torch
        return Number(
            self.of,
            torch.maximum(self.value, other.value),
            torch.maximum(self.error, other.error),
            torch.maximum(self.before, other.before),
        )

    def mix(self, other, keep):
        """keep * self + (1 - keep) * other, by any formula: two products and a sum, or a step along the difference.

        torch.lerp goes from the nearer end; the worst of the three formulas rounds each end's share three times, and
        the difference, times the smaller of the two weights, twice; the scalars are rounded as well: 5 u of both
        shares and of the smaller weight times both ends.
        """
        torch, of = self.of.torch, self.of
        value = keep * self.value + (1 - keep) * other.value
        before = keep * self.error + abs(1 - keep) * other.error
        near = min(keep, 1 - keep)
        apart = other.value - self.value
        steps = [keep * self.value, (1 - keep) * other.value, apart, keep * apart, (1 - keep) * apart, value]
        exact = before == 0
        for step in steps:
            exact = exact & representable(of, step)
        size = (
            keep * self.value.abs() + abs(1 - keep) * other.value.abs() + near * (self.value.abs() + other.value.abs())
        )
        before = before + torch.where(exact, torch.zeros_like(value), 5 * of.unit * size + 4 * tiny(of))
        return Number(of, value, before + rounding_error(of, value, before, 0.0), before)


def tiny(of):
    """What one operation may lose to underflow: half a subnormal unit in float16, else all below 2**-126 (flushing)."""
    return 2.0 ** (of.format.emin - of.format.precision) if of.format.name == "float16" else 2.0**-126


def rounding_error(of, value, error, loose):
    """The rounding of one operation whose exact operands would give `value`: none if that is representable."""
    clean = (error == 0) & representable(of, value)
    if loose:
        clean = clean & (value == 0)
    size = (of.unit + loose) * (value.abs() + error) + tiny(of)
    return of.torch.where(clean, of.torch.zeros_like(value), size)


def representable(of, value):
    """Whether float64 `value` is a normal number (or zero) of the format: Veltkamp's split leaves nothing behind."""
    spread = value * of.splitter
    head = spread - (spread - value)
    size = value.abs()
    normal = (size >= 2.0**of.format.emin) & (size <= 2.0**of.format.emax * 1.5)
    return ((head == value) & normal) | (value == 0)


def scalar(of, value, error=0.0):
    """A Number of a Python float that the device knows within `error` before it is rounded to the dtype."""
    number = of.torch.tensor(float(value), dtype=of.torch.float64)
    allowed = of.torch.full_like(number, error)
    return Number(of, number, allowed + rounding_error(of, number, allowed, 0.0))


def scaled_quotient(top, bottom, factor):
    """factor * top / bottom in any of the three orders: free of rounding only where each intermediate is exact."""
    of = top.of
    result = (top / bottom) * factor
    clean = representable(of, top.value * factor.value) & representable(of, factor.value / bottom.value)
    clean = clean | (result.value == 0)
    extra = of.torch.where(clean, of.torch.zeros_like(result.value), 2 * of.unit * result.value.abs() + tiny(of))
    return Number(of, result.value, result.error + extra, result.before + extra)


def decayed(number, rate):
    """number * (1 - rate), or number - rate * number: both are in use for decoupled weight decay."""
    of = number.of
    result = number * (1 - rate)
    clean = representable(of, number.value * rate)
    extra = of.torch.where(clean, of.torch.zeros_like(result.value), of.unit * rate * number.value.abs() * 2 + tiny(of))
    return Number(of, result.value, result.error + extra, result.before + extra)
