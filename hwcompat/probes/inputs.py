"""Random inputs from integer arithmetic alone, so that every device, release and platform sees the same bits.

torch's own generators may change their stream between releases; here element i of a stream is a hash of (key, i):
SplitMix64's finaliser (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014).
"""

import hashlib

_GOLDEN = 0x9E3779B97F4A7C15
_MIX1 = 0xBF58476D1CE4E5B9
_MIX2 = 0x94D049BB133111EB


def key_of(*words):
    """A 64-bit stream key from any words (seed, probe id, case label, operand name)."""
    text = "/".join(str(word) for word in words)
    return int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:8], "little")


def hashes(torch, count, key):
    """`count` int64 hashes of the stream `key`, each a non-negative 53-bit integer."""
    x = torch.arange(1, count + 1, dtype=torch.int64)
    x *= _signed(_GOLDEN)
    x += _signed(key)
    x ^= _logical_shift(x, 30)
    x *= _signed(_MIX1)
    x ^= _logical_shift(x, 27)
    x *= _signed(_MIX2)
    x ^= _logical_shift(x, 31)
    return _logical_shift(x, 11)


def integers(torch, shape, low, high, key):
    """int64 integers in [low, high], both ends included (modulo bias below 2**-40 for the ranges used here)."""
    count = 1
    for size in shape:
        count *= size
    found = hashes(torch, count, key)
    if high - low + 1 < 2**53:  # else every hash is its own remainder
        found %= high - low + 1
    found += low
    return found.reshape(shape)


def uniform(torch, shape, key):
    """float64 numbers in [0, 1), multiples of 2**-53."""
    return integers(torch, shape, 0, 2**53 - 1, key).to(torch.float64) * 2.0**-53


def normal(torch, shape, key):
    """float64 numbers of roughly normal shape (mean 0, variance 1): the sum of twelve uniforms less six.

    Built from sums because log and cos may differ in their last bit between platforms.
    """
    return uniform(torch, (12,) + tuple(shape), key).sum(0) - 6.0


def spread(torch, pattern, shape):
    """`pattern` (a CPU tensor of integers) repeated to `shape`: element [i, j, ...] is pattern[i % P, j % Q, ...].

    With periods that are no multiple of a kernel's tile, a large operand costs little to make and a tile that lands in
    the wrong place still shows.
    """
    for dim, size in enumerate(shape):
        pattern = pattern.index_select(dim, torch.arange(size) % pattern.shape[dim])
    return pattern


def _signed(value):
    value &= 2**64 - 1
    return value - 2**64 if value >= 2**63 else value


def _logical_shift(x, count):
    shifted = x >> count
    shifted &= (1 << (64 - count)) - 1
    return shifted
