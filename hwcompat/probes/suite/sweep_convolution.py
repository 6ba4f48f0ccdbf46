"""The convolutions of YOLO, ResNet-50, Stable Diffusion and others at their own sizes, batch 1 to 32, both directions.

Hunts: faults that one size brings out, because libraries choose kernels by size: half the channels NaN for 3x3 on
64 x 64 (https://github.com/pytorch/pytorch/issues/58123), the last tile of a large image, channel counts of 48, 80 or
320, batches of 7 or 8 and more, strides, both layouts.
Rule: EXACT. Integers whose sums of absolute products stay within 2**p (asserted). Every element of the output and of
the gradients is covered by a checksum over channels; a place that disagrees and two others are compared channel by
channel (derivation in sweeping.py). Where a library may transform its operands, a difference is a FEATURE if it is what
transform.py allows and most places show it. The table of sizes, with its sources, is networks.py. On a CPU at level
standard a subset runs that covers pairs of classes (batch, channels, size, kernel, layout, bias) as far as half a
second goes, and float16, whose backward kernels on a CPU take seconds, goes backward on fewer pixels; on an accelerator
every size runs once, at level full in batches of 1, 8 and 32. A batch that is too large for one kernel of 200 ms or for
the memory is halved until it fits, and what was not covered is reported as skipped.
"""

from functools import partial

from .. import judge, networks, spatial
from ..sweeping import Sweep

GROUP = "conv"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 1.0
VERSION = 1

_BATCHES = (1, 2, 7, 8, 16, 32)
_BUDGET = 0.75  # seconds of one CPU core for the subset, by the estimate below
_SMALL = 2**21  # elements of an input or output there
_SLOW = 2**19  # products that a float16 backward pass may take on a CPU: 80 million a second
_PRODUCTS = {"cpu": 2**31, "other": 2**34}  # 2**34 take 35 ms at 1 TFLOP/s
_ELEMENTS = {"standard": 2**23, "full": 2**26}  # of an input or output: the host verifies each of them
_CHANNELS = (4, 16, 32, 64, 128, 256, 512, 1280)
_SIZES = (8, 14, 20, 32, 40, 64, 80, 160)


def cases(ctx):
    for row, batch, layout, bias in chosen(ctx):
        images = fitting(ctx, row, batch)
        name = "%s: %dx%d %d-%d%s on %dx%dx%d" % (
            (row.network, row.kernel, row.kernel, row.cin, row.cout)
            + (" stride %d" % row.stride if row.stride > 1 else "", images or batch, row.size, row.size)
        )
        label = "%s, %s%s" % (name, {"plain": "nchw", "last": "nhwc"}[layout], ", bias" * bias)
        if images < batch:
            reason = "no room for a batch of %d, %d instead" % (batch, images)
            yield label + " batch %d" % batch, partial(judge.skipped, reason)
        if images:
            yield label, partial(check, ctx, row, images, layout, bias)
    if ctx.large or ctx.at_least("full"):
        for row in networks.DEPTHWISE if ctx.large else networks.DEPTHWISE[3:]:
            yield from depthwise(ctx, row)


def chosen(ctx):
    """(row, batch, layout, bias) of the run."""
    rows = list({tuple(row[1:]): row for row in networks.CONVOLUTIONS}.values())
    if ctx.at_least("full"):
        batches = (1, 8, 32) if ctx.large else (1, 2)
        return [
            (row, batch, _LAYOUTS[(n + k) % 2], (n + k) % 3 == 0)
            for n, row in enumerate(rows)
            for k, batch in enumerate(batches)
        ]
    if ctx.large:
        return [(row, _BATCHES[n % 6], _LAYOUTS[n // 6 % 2], n % 3 == 0) for n, row in enumerate(rows)]
    candidates = [
        (row, batch, layout, (n + k + m) % 2 == 0)
        for n, row in enumerate(rows)
        for k, batch in enumerate(_BATCHES)
        if measure(row, batch)[1] <= _SMALL
        for m, layout in enumerate(_LAYOUTS)
    ]
    return networks.covering(candidates, classes, partial(seconds, ctx), _BUDGET)


_LAYOUTS = ("plain", "last")


def layer(row, images, size=None):
    pad = 0 if row.stride == row.kernel else (row.kernel - 1) // 2
    size = size or row.size
    name = "%d-%d %d" % (row.cin, row.cout, row.kernel)
    return spatial.layer(name, images, row.cin, (size, size), row.cout, row.kernel, stride=row.stride, padding=pad)


def measure(row, images):
    """(products of a forward pass, elements of the larger of input and output)."""
    pixels = (-(-row.size // row.stride)) ** 2
    largest = max(row.cin * row.size**2, row.cout * pixels)
    return images * pixels * row.cin * row.cout * row.kernel**2, images * largest


def fitting(ctx, row, batch):
    """The largest of batch, batch / 2, ... that stays within the limits; 0: none."""
    size = 4 if ctx.dtype_name == "float32" else 2
    level = "full" if ctx.at_least("full") else "standard"
    while batch:
        products, elements = measure(row, batch)
        roomy = products <= _PRODUCTS["other" if ctx.large else "cpu"] and elements <= _ELEMENTS[level]
        if roomy and ctx.fits(size * 8 * elements):
            return batch
        batch //= 2
    return 0


def classes(candidate):
    row, batch, layout, bias = candidate
    channels = [next((n for n in _CHANNELS if count <= n), 0) for count in (row.cin, row.cout)]
    odd = row.cin % 32 != 0, row.cout % 32 != 0
    size = next((n for n in _SIZES if row.size <= n), 0)
    return (batch, channels[0], channels[1], odd, size, (row.kernel, row.stride), layout, bias)


def seconds(ctx, candidate):
    """An estimate for one CPU core: 60 ns an element, products at 10 GFLOP/s, the checksums' own products."""
    row, batch, _, _ = candidate
    products, elements = measure(row, batch)
    weights = row.cin * row.cout * row.kernel**2
    slow = min(products, _SLOW) * 2.5e-8 if ctx.dtype_name == "float16" else 0.0
    return 3e-3 + 6e-8 * (elements + weights) + 3e-10 * products + 6e-10 * row.kernel**2 * elements + slow


def check(ctx, row, images, layout, bias):
    """Forward and backward; where a backward pass takes seconds, on as few pixels as it needs."""
    if ctx.large or ctx.dtype_name != "float16":
        return Sweep(ctx, layer(row, images)).judged(layout, bias)
    forward = Sweep(ctx, layer(row, images)).judged(layout, bias, backward=False)
    small = [n for n in range(row.size, 0, -1) if n >= row.kernel and _affordable(row, n)]
    if not small:
        return forward
    return ctx.all_of(forward, Sweep(ctx, layer(row, 1, small[0])).judged(layout, bias))


def _affordable(row, size):
    return measure(row._replace(size=size), 1)[0] <= _SLOW


def depthwise(ctx, row):
    """One group a channel leaves a checksum nothing to sum over: every element is compared."""
    pad = (row.kernel - 1) // 2
    for images, way in ((1, spatial.Way(bias=False)), (3, spatial.Way(layout="last"))):
        name = "%s: depthwise %dx%d %d on %dx%dx%d" % (
            (row.network, row.kernel, row.kernel, row.cin, images, row.size, row.size)
        )
        lay = spatial.layer(
            *(name, images, row.cin, (row.size, row.size), row.cout, row.kernel),
            stride=row.stride,
            padding=pad,
            groups=row.cin,
        )
        if ctx.fits(40 * images * row.cin * row.size**2):
            yield from spatial.cases_of(ctx, [(lay, way)])
