"""Operands of any size for little work: a pool of random integers of prime length, repeated.

Element i of an operand is pool[i % 65521]: a prime, so that neither rows nor channels nor tiles of any library repeat
within an operand, and a value that lands in a wrong place shows. Only the pool is drawn and rounded; the rest moves
bits.
"""

from . import rounding

LENGTH = 65521


class Pool:
    """Integers in [-largest, largest], of which a share `kept` is not set to zero."""

    def __init__(self, ctx, largest, kept, name):
        self.ctx = ctx
        values = _drawn(ctx, "integers", name, largest)
        if kept < 1.0:
            values = values * (_drawn(ctx, "uniform", name) < kept).to(values.dtype)
        self.values = values.double()
        codes = rounding.encode_integers(ctx.torch, values, ctx.format)
        self.bits = rounding.bits_of(ctx.torch, rounding.from_codes(ctx.torch, codes, ctx.format), ctx.format)

    def tensor(self, shape):
        """The operand on the device, in the dtype under test."""
        return _cycled(self.bits, 0, _count(shape)).view(self.ctx.dtype).reshape(shape).to(self.ctx.device)

    def doubles(self, start, shape):
        """float64 values of the elements from `start` on, as `shape`."""
        return _cycled(self.values, start, _count(shape)).reshape(shape)


def _drawn(ctx, kind, *words):
    """Kept with the context: a sweep draws from the same few pools for every shape."""
    kept = ctx.__dict__.setdefault("_pools", {})
    if (kind,) + words not in kept:
        drawn = ctx.uniform if kind == "uniform" else lambda shape, *w: ctx.integers(shape, -w[-1], w[-1], *w)
        kept[(kind,) + words] = drawn((LENGTH,), "pool", *words)
    return kept[(kind,) + words]


def _cycled(pool, start, count):
    first = start % LENGTH
    times = -(-(first + count) // LENGTH)
    return pool.repeat(times)[first : first + count].contiguous()


def _count(shape):
    total = 1
    for size in shape:
        total *= size
    return total


def blocks(shape, most=2**22):
    """Slices over the first dimension, each of at most `most` elements (or one row)."""
    step = max(1, most // max(1, _count(shape[1:])))
    for start in range(0, shape[0], step):
        yield start, min(shape[0], start + step)


def values(ctx, tensor):
    """float64 values of a device tensor, decoded by table from 16 bits; every float32 is a float64."""
    host = ctx.host(tensor)
    if ctx.format.bits == 16:
        return rounding.values_of(ctx.torch, rounding.codes_of(ctx.torch, host, ctx.format), ctx.format)
    return host.double()
