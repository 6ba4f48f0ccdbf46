"""Integers that every rank can compute for every other, and the exact answer of a collective over them.

Rule: EXACT. A format with p significant bits holds every integer n with |n| <= 2**p (p: fp16 11, bf16 8, fp32 24, IEEE
754 and the bfloat16 format). `shares` keeps, for every element and any number of ranks N,

    sum over the ranks of |x_r|  <=  k * a  <=  2**p      with k = min(N, 2**p) ranks that are not 0, a = 2**p // k.

Whatever the order, the tree or the ring of a reduction, a partial sum is the sum of some of the x_r, so its magnitude
is at most 2**p: it is an integer that the format holds, and no addition rounds. The answer is one bit pattern.

A pattern repeats after PERIOD elements, so that the answer of a large vector over many ranks stays cheap. PERIOD is a
prime: a chunk that lands at a wrong offset shows, unless the offset is a multiple of 8191 elements.
"""

PERIOD = 8191
DIGITS = {"float16": 11, "bfloat16": 8, "float32": 24}
"""Significant bits, the implied one included."""

_SHARE, _PEAK, _LABEL = 1, 2, 3  # kinds of pattern: none may be mistaken for another


def shares(torch, rank, world, digits):
    """What `rank` adds to a sum: int64[PERIOD].

    Every eighth element has the full magnitude, one less in one rank where there is room: sums that need all digits.
    Odd elements have mixed signs. Of more than 2**digits ranks, each element takes another 2**digits.
    """
    count = min(world, 2**digits)
    most = 2**digits // count
    index = torch.arange(PERIOD, dtype=torch.int64)
    noise = _noise(torch, index, rank, _SHARE)
    turn = (rank + index * count) % world
    full = most - ((turn == 0) & (most > 1)).to(torch.int64)
    size = torch.where(index % 8 == 0, full, 1 + noise % most)
    sign = 1 - 2 * ((noise >> 24) & 1) * (index % 2)
    return torch.where(turn < count, size * sign, torch.zeros_like(size))


def sums(torch, world, digits):
    """The exact sum over all ranks: int64[PERIOD]."""
    total = torch.zeros(PERIOD, dtype=torch.int64)
    for rank in range(world):
        total += shares(torch, rank, world, digits)
    return total


def peaks(torch, rank, world, digits):
    """What `rank` brings to a maximum: int64[PERIOD]. Element i is largest in rank i % world, and only there.

    In odd elements all are negative: a buffer that begins with zeros shows.
    """
    bound = 2**digits
    index = torch.arange(PERIOD, dtype=torch.int64)
    noise = _noise(torch, index, rank, _PEAK)
    half = bound // 2
    odd = index % 2
    winner = torch.where(odd == 1, -1 - noise % half, 1 + noise % bound)
    loser = torch.where(odd == 1, -half - 1 - noise % half, -(noise % (bound + 1)))
    return torch.where(index % world == rank, winner, loser)


def maxima(torch, world, digits):
    """The exact maximum over all ranks: int64[PERIOD]."""
    return torch.stack([peaks(torch, rank, world, digits) for rank in range(min(world, PERIOD))]).amax(0)


def labels(torch, source, target, world, digits):
    """What `source` sends to `target`, to be moved and never computed with: int64[PERIOD], any sign."""
    index = torch.arange(PERIOD, dtype=torch.int64)
    noise = _noise(torch, index, source * (world + 1) + target, _LABEL)
    return noise % (2 ** (digits + 1) + 1) - 2**digits


def stretched(torch, pattern, dtype, start, count):
    """`count` elements of the endless repetition of `pattern`, from element `start` on, as `dtype` (exact)."""
    turned = pattern.roll(-(start % PERIOD)).to(dtype)
    return turned.repeat(count // PERIOD + 1)[:count].clone()


def _noise(torch, index, rank, kind):
    """A 32-bit hash of (element, rank, kind); every product stays below 2**63."""
    value = (index * 0x2C1B3C6D + ((rank * 4 + kind) % 2**31) * 0x297A2D39) % 2**32
    value = ((value ^ (value >> 15)) * 0x7FEB352D) % 2**32
    value = ((value ^ (value >> 13)) * 0x297A2D39) % 2**32
    return value ^ (value >> 16)
