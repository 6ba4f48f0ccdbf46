"""Two-dimensional convolutions of unusual kernels: rectangular, dilated, wide, unequal strides, every padding mode.

Hunts: swapped dimensions (a stride that differs between them was wrong on MPS,
https://github.com/pytorch/pytorch/issues/83180), wrong taps under dilation, in one layout only, wrong borders under
reflected, repeated or circular padding, padding on one side only (as diffusion encoders pad before stride 2).
Rule: EXACT. Integer operands whose sums of absolute products stay within 2**p for every output (asserted), so that any
order and accumulator gives the same bits; derivation and reference in spatial.py, and where a library may transform its
operands (Winograd, FFT), an inexact output is a FEATURE if it meets every condition of transform.py. Padded images:
the padding is a table of the source of every row and column, so that the reference gathers by it and adds the gradient
up by it, the sums of absolute products included; stride 2 or a dilation rule transforms out there.
"""

import warnings
from functools import partial

from .. import outputs, spatial
from ..spatial import Way, cases_of, layer

GROUP = "conv"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.4
VERSION = 1

_BARE = Way(bias=False, twice=True)
_LAST = Way(bias=False, layout="last")
_BIASED = Way()
_BIASED_LAST = Way(layout="last", twice=True)

_ROWS = (
    (layer("1x7 10-12", 2, 10, (5, 9), 12, (1, 7), padding=(0, 3)), _BARE, _BIASED_LAST),
    (layer("7x1 10-12", 2, 10, (9, 5), 12, (7, 1), padding=(3, 0)), _BARE, _BIASED_LAST),
    (layer("3x1 stride 2x1 8-9", 2, 8, (9, 6), 9, (3, 1), stride=(2, 1), padding=(1, 0)), _BIASED, _LAST),
    (layer("3x3 stride 1x2 9-8", 2, 9, (6, 9), 8, 3, stride=(1, 2), padding=1), _BARE, _BIASED_LAST),
    (layer("5x3 stride 1x2 padding 2x1 7-8", 2, 7, (6, 9), 8, (5, 3), stride=(1, 2), padding=(2, 1)), _BARE, _LAST),
    (layer("3x3 dilation 2 16-12", 2, 16, (8, 7), 12, 3, padding=2, dilation=2), _BARE, _BIASED_LAST),
    (layer("3x3 dilation 4 12-16", 2, 12, (9, 10), 16, 3, padding=4, dilation=4), _BARE, _BIASED_LAST),
    (layer("3x3 dilation 12 6-5", 1, 6, (13, 14), 5, 3, padding=12, dilation=12), _BIASED, _LAST),
    (layer("3x3 dilation 2x1 stride 2 5-8", 2, 5, (11, 9), 8, 3, stride=2, dilation=(2, 1)), _BARE, _LAST),
    (layer("4x4 9-6", 2, 9, (7, 8), 6, 4, padding=1), _BARE, _BIASED_LAST),
    (layer("5x5 stride 2 6-8", 2, 6, (9, 11), 8, 5, stride=2, padding=2), _BARE, _LAST),
    (layer("9x9 3-4", 1, 3, (11, 10), 4, 9, padding=4), _BIASED, _LAST),
    (layer("11x11 stride 4 3-8", 1, 3, (27, 31), 8, 11, stride=4, padding=2), _BARE, _BIASED_LAST),
)

# mode of torch.nn.functional.pad, (left, right, top, bottom); a dilation of 2 reads every place of the padded image.
_PADDED = (
    ("constant", (0, 1, 0, 1)),
    ("constant", (2, 1, 1, 0)),
    ("reflect", (1, 1, 1, 1)),
    ("reflect", (2, 1, 3, 0)),
    ("replicate", (1, 2, 1, 1)),
    ("circular", (1, 1, 1, 1)),
    ("circular", (2, 0, 1, 3)),
)
_NONE = -1
_SIZE = (8, 7)


def cases(ctx):
    for label, function in cases_of(ctx, _ROWS):
        yield label, function
    for mode, sides in _PADDED:
        for layout in ("plain", "last"):
            yield "3x3 padded %s %s, %s" % (mode, sides, layout), partial(padded, ctx, mode, sides, {}, layout)
        yield "3x3 stride 2 padded %s %s" % (mode, sides), partial(padded, ctx, mode, sides, {"stride": 2}, "last")
    for kernel, dilation in ((4, 3), (5, 2)):
        label = "%dx%d dilation %d padding 'same'" % (kernel, kernel, dilation)
        yield label, partial(same, ctx, kernel, dilation)


def padded(ctx, mode, sides, options, layout):
    """F.pad and a convolution without padding of its own, forward and backward."""
    rows, columns = sources(mode, _SIZE[0], sides[2], sides[3]), sources(mode, _SIZE[1], sides[0], sides[1])
    functional = ctx.torch.nn.functional
    options = options or {"dilation": 2}

    def run(x, w, b):
        return functional.conv2d(functional.pad(x, sides, mode=mode), w, b, **options)

    return judged(ctx, rows, columns, dict(options, kernel=3), Way(layout=layout), run)


def same(ctx, kernel, dilation):
    """Where the padding is odd, one more goes to the right and below."""
    whole = dilation * (kernel - 1)
    rows, columns = (sources("constant", size, whole // 2, whole - whole // 2) for size in _SIZE)

    def run(x, w, b):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch says that unequal padding needs a copy
            return ctx.torch.nn.functional.conv2d(x, w, b, padding="same", dilation=dilation)

    return judged(ctx, rows, columns, {"kernel": kernel, "dilation": dilation}, Way(), run)


def judged(ctx, rows, columns, options, way, run):
    """`run(x, w, b)` forward and backward; `rows` and `columns` say how it pads."""
    torch = ctx.torch
    lay = layer("padded", 2, 6, (len(rows), len(columns)), 7, **options)
    small = ctx.integers((lay.images, lay.cin) + _SIZE, -1, 1, "x", lay, rows, columns)
    operands, want, sums = operands_of(ctx, lay, spread(torch, small, rows, columns))
    for part in (sums[0], fold(torch, sums[1], rows, columns)) + tuple(sums[2:]):
        ctx.require_exact_sums(part)
    x, w = (spatial.arranged(ctx, v, way).requires_grad_() for v in (small, operands.w))
    b = ctx.tensor(operands.b, grad=True)
    y = run(x, w, b)
    bad = outputs.misshapen(ctx, y, want[0].shape)
    if bad:
        return bad
    y.backward(spatial.arranged(ctx, operands.dy, way))
    wanted = (want[0], fold(torch, want[1], rows, columns)) + tuple(want[2:])
    return outputs.all_exact(ctx, zip(spatial.NAMES, (y, x.grad, w.grad, b.grad), wanted))


def operands_of(ctx, lay, x):
    """(Operands, outputs, sums of absolute products) for a given input; all ternary, w thinned by half."""
    _, w_shape, y_shape = spatial.shapes(lay)
    kept = (ctx.uniform(w_shape, "thin w", lay) < 0.5).to(ctx.torch.int64)
    w = ctx.integers(w_shape, -1, 1, "w", lay) * kept
    dy, b = ctx.integers(y_shape, -1, 1, "dy", lay), ctx.integers((lay.cout,), -1, 1, "b", lay)
    operands = spatial.Operands(x, w, b, dy, 1)
    sums = spatial.expected(ctx.torch, lay, spatial.absolute(operands))
    return operands, spatial.expected(ctx.torch, lay, operands), sums


def sources(mode, size, before, after):
    """For every row of the padded image the row of the image that it shows, or _NONE."""
    rows = range(-before, size + after)
    if mode == "constant":
        return [r if 0 <= r < size else _NONE for r in rows]
    if mode == "circular":
        return [r % size for r in rows]
    if mode == "replicate":
        return [min(max(r, 0), size - 1) for r in rows]
    return [-r if r < 0 else 2 * (size - 1) - r if r >= size else r for r in rows]


def spread(torch, x, rows, columns):
    """The padded image."""
    wide = torch.zeros(tuple(x.shape[:2]) + (len(rows), len(columns)), dtype=x.dtype)
    for i, r in enumerate(rows):
        for j, c in enumerate(columns):
            if _NONE not in (r, c):
                wide[:, :, i, j] = x[:, :, r, c]
    return wide


def fold(torch, wide, rows, columns):
    """The gradient of `spread`: every place gives its gradient to its source."""
    out = torch.zeros(tuple(wide.shape[:2]) + _SIZE, dtype=torch.float64)
    for i, r in enumerate(rows):
        for j, c in enumerate(columns):
            if _NONE not in (r, c):
                out[:, :, r, c] += wide[:, :, i, j]
    return out
