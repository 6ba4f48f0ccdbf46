"""Products with 1, 2 and 8 rows, 16 bits against fp32: the shapes of inference, where memory traffic is the limit.

Hunts: the cliff between one row and two. On a GTX 1650 an fp16 product of (M, 896) and (896, 4864) reads weights at
99.5 GiB/s for M = 1 and at 4.3 GiB/s for M = 2, a T4 at 106.7 and 88.1:
https://github.com/pytorch/pytorch/issues/195716. Square products at large sizes do not show it,
https://github.com/vllm-project/vllm/issues/54950.
Rule: SPEED. A healthy 16-bit kernel reads half the bytes of fp32 and so approaches 2. Figures:
fp16_over_fp32_skinny_m1, _m2, _m8 and the bf16 twins: fp32 seconds over 16-bit seconds, paired by round; above 1 is
faster than fp32. The note says "launch" where a call takes less than twice as long as adding one number: then the cost
of starting a kernel was measured and not the product.
"""

from functools import partial

from .. import timing

GROUP = "speed"
RULE = "SPEED"
DTYPES = ("float32",)
FEEDS = ""
SECONDS = 2.0
VERSION = 1

_ROWS = (1, 2, 8)
_DEPTH, _COLUMNS = 896, 4864
_BLOCK = 128  # columns made on the host and repeated on the device: rounding 4 million numbers there takes a second
_SHORT = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}


def cases(ctx):
    missing: dict[str, str] = {}
    yield "skinny gemm", partial(measure, ctx, missing)
    for name, reason in missing.items():
        yield "skinny gemm " + name, partial(timing.left_out, reason)


def measure(ctx, missing):
    variants = {"floor": _floor(ctx)}
    for dtype_name, short in _SHORT.items():
        reason = timing.why_not(ctx, partial(_try, ctx, dtype_name))
        if reason:
            missing[short] = reason
        else:
            variants.update({(short, rows): call for rows, call in products(ctx, dtype_name).items()})
    seconds = timing.interleaved(ctx, variants, 0.4, 1.5)
    return timing.measured(_figures(seconds))


def products(ctx, dtype_name):
    """{rows: callable that multiplies (rows, 896) by (896, 4864)}."""
    block = ctx.tensor(ctx.uniform((_DEPTH, _BLOCK), "weight") - 0.5, dtype_name=dtype_name)
    weight = block.repeat(1, _COLUMNS // _BLOCK)
    inputs = {rows: ctx.tensor(ctx.uniform((rows, _DEPTH), "x", rows) - 0.5, dtype_name=dtype_name) for rows in _ROWS}
    return {rows: partial(ctx.torch.mm, x, weight) for rows, x in inputs.items()}


def _try(ctx, dtype_name):
    for call in products(ctx, dtype_name).values():
        call()


def _floor(ctx):
    one = ctx.torch.zeros(1, dtype=ctx.torch.int32, device=ctx.device)
    return partial(one.add_, 1)


def _figures(seconds):
    floor = timing.quartiles(seconds["floor"])[1]
    data = {}
    for key, values in seconds.items():
        if key == "floor" or key[0] == "fp32":
            continue
        note = "launch" if timing.quartiles(values)[1] < 2 * floor else ""
        name = "%s_over_fp32_skinny_m%d" % key
        data[name] = timing.ratio(seconds["fp32", key[1]], values, note)
    return data
