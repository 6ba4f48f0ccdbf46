"""Memory bandwidth: how fast the device copies and adds vectors larger than its caches.

Hunts: a card that is throttled, slotted wrongly, or fitted with slower memory than its name promises (a GTX 1650 is
sold with GDDR5 and with GDDR6). Most of a training step besides matrix products runs at this speed.
Rule: SPEED, with STREAM's convention (https://www.cs.virginia.edu/stream/ref.html): bytes that the program reads and
writes, 10**9 a GB, no write-allocate traffic. Figures: bandwidth_gbs (triad a = b + s c, three vectors) and copy_gbs.
"""

from functools import partial

from .. import timing

GROUP = "speed"
RULE = "SPEED"
DTYPES = ("float32",)
FEEDS = ""
SECONDS = 2.0
VERSION = 1

_LARGEST = {"cpu": 2**27, "accelerator": 2**29}
"""Bytes a vector: three are 384 MiB on a CPU, more than the last level cache of most sockets, and 1.5 GiB elsewhere,
ten times the largest level-2 cache of a GPU (B200: 126 MB)."""
_SMALLEST = 2**22


def cases(ctx):
    yield "copy and triad", partial(measure, ctx)


def measure(ctx):
    nbytes = vector_bytes(ctx)
    a, b, c = (_vector(ctx, nbytes) for _ in range(3))
    variants = {"copy": partial(a.copy_, b), "triad": partial(ctx.torch.add, b, c, alpha=3.0, out=a)}
    seconds = timing.interleaved(ctx, variants, 0.3, 1.0)
    note = "%d MiB a vector" % (nbytes // 2**20)
    return timing.measured(
        {
            "bandwidth_gbs": timing.rate(seconds["triad"], 3e-9 * nbytes, "GB/s", note),
            "copy_gbs": timing.rate(seconds["copy"], 2e-9 * nbytes, "GB/s", note),
        }
    )


def vector_bytes(ctx):
    """The largest power of two up to _LARGEST of which three fit the device."""
    nbytes = _LARGEST["accelerator" if ctx.large else "cpu"]
    while nbytes > _SMALLEST and not ctx.fits(3 * nbytes):
        nbytes //= 2
    return nbytes


def _vector(ctx, nbytes):
    """Written once, so that its pages exist and are not one shared zero page."""
    return ctx.torch.ones(nbytes // 4, dtype=ctx.torch.float32, device=ctx.device)
