"""The linear layers of transformers, diffusion models and classifiers at their own sizes, forward and backward.

Hunts: faults of single tiles, tails and shapes: kernels that libraries choose by size (skinny decoding shapes,
vocabulary projections of 50,257 or 30,522 units, 197 tokens), where a probe of other sizes runs another kernel.
Rule: EXACT. Integers whose sums of absolute products stay within 2**p (asserted). Every element of the output and of
the gradients is covered by a checksum of its row (derivation in freivalds.py), rows that disagree and three others are
compared in full. The table of sizes, with its sources, is networks.py. On a CPU at level standard a subset runs that
covers pairs of classes (rows, inputs, units, bias) as far as half a second goes; on an accelerator all of them run at
their own size, at level full also in batches of 8 and 32.
Source: fp16 products of large sizes that held NaN (V100), https://github.com/pytorch/pytorch/issues/45724.
"""

from functools import partial

from .. import freivalds, judge, networks

GROUP = "matmul"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.5
VERSION = 1

_BATCHES = (1, 8, 32)
_BUDGET = 0.45  # seconds of one CPU core, for the subset; the estimate below errs on the high side
_MOST = {"cpu": 2**31, "other": 2**37}  # products: 2**37 take 140 ms at 2 TFLOP/s
_LARGEST = {"standard": 2**26, "full": 2**28}  # elements of an operand or result: the host verifies each of them
_LIMITS = (1, 2, 8, 64, 128, 256, 512, 1024, 4096)


def cases(ctx):
    for row, batch, bias in chosen(ctx):
        label = "%s: %dx%d to %d%s" % (row.network, row.rows * batch, row.inputs, row.outputs, ", bias" * bias)
        yield label, partial(check, ctx, row, batch, bias)


def chosen(ctx):
    """(row, batch, bias) of the run."""
    rows = list(dict.fromkeys((r.rows, r.inputs, r.outputs) for r in networks.LINEARS))
    named = {(r.rows, r.inputs, r.outputs): r for r in networks.LINEARS}
    candidates = [
        (named[size], batch, (n + batch) % 2 == 0)
        for n, size in enumerate(rows)
        for batch in (_BATCHES if ctx.at_least("full") else _BATCHES[:1])
    ]
    fitting = [c for c in candidates if within(ctx, c)]
    if ctx.large or ctx.at_least("full"):
        return fitting
    both = [(row, batch, bias) for row, batch, _ in fitting for bias in (False, True)]
    return networks.covering(both, classes, seconds, _BUDGET)


def within(ctx, candidate):
    row, batch, _ = candidate
    rows, inputs, units = row.rows * batch, row.inputs, row.outputs
    largest = max(rows * inputs, inputs * units, rows * units)
    level = "full" if ctx.at_least("full") else "standard"
    return rows * inputs * units <= _MOST["other" if ctx.large else "cpu"] and largest <= _LARGEST[level]


def classes(candidate):
    row, batch, bias = candidate
    sizes = (row.rows * batch, row.inputs, row.outputs)
    return tuple(next((n for n in _LIMITS if size <= n), 0) for size in sizes) + (bias,)


def seconds(candidate):
    """An estimate for one CPU core: 20 ns an element verified, 3 products a term at 20 GFLOP/s."""
    row, batch, _ = candidate
    rows, inputs, units = row.rows * batch, row.inputs, row.outputs
    return 2e-3 + 2e-8 * (2 * rows * inputs + 2 * inputs * units + 2 * rows * units) + 1e-10 * rows * inputs * units


def check(ctx, row, batch, bias):
    rows = row.rows * batch
    size = 2 if ctx.dtype_name != "float32" else 4
    if not ctx.fits(3 * size * (rows * row.inputs + row.inputs * row.outputs + rows * row.outputs)):
        return judge.skipped("not enough free memory for %d rows, %d to %d" % (rows, row.inputs, row.outputs))
    return freivalds.Layer(ctx, rows, row.inputs, row.outputs, bias).judged(bias)
