"""TFLOP/s of square matrix products in every dtype, and the ratio to fp32 that decides whether 16 bits are worth it.

Hunts: fp16 that is correct and slower than fp32. On TU116/TU117 cuBLAS picks kernels for tensor cores that these chips
lack, https://github.com/pytorch/pytorch/issues/195716 and https://github.com/LeelaChessZero/lc0/issues/1675.
Rule: SPEED. fp32 means fp32 (TF32 off); TF32 is its own figure, on CUDA from compute capability 8.0. Each dtype is
grown to the shape at which it stops gaining; then all are timed in the same rounds, each at its own shape.
Figures: <dtype>_tflops (10**12 operations a second, a product of n x n matrices counting 2 n**3) and
<dtype>_over_fp32_gemm (ratio of those, paired by round; above 1 is faster than fp32).
"""

from functools import partial

from .. import timing, torch_state

GROUP = "speed"
LEVEL = "quick"
RULE = "SPEED"
DTYPES = ("float32",)
FEEDS = ""
SECONDS = 2.0
VERSION = 1

_BYTES = {"fp32": 4, "tf32": 4, "fp16": 2, "bf16": 2}
_TORCH_NAME = {"fp32": "float32", "tf32": "float32", "fp16": "float16", "bf16": "bfloat16"}
_BLOCK = 256  # operands repeat one random block: filling 4096**2 elements on the host would cost more than the probe


def cases(ctx):
    missing: dict[str, str] = {}
    yield "gemm", partial(measure, ctx, missing)
    for name, reason in missing.items():
        yield "gemm " + name, partial(timing.left_out, reason)


def measure(ctx, missing):
    reasons = {name: _no_tf32(ctx) if name == "tf32" else _why_not(ctx, name) for name in _BYTES}
    missing.update({name: reason for name, reason in reasons.items() if reason})
    found = {name: _saturate(ctx, name) for name in _BYTES if name not in missing}
    variants = {name: product(ctx, name, size) for name, (size, _) in found.items()}
    seconds = timing.interleaved(ctx, variants, *_budget(ctx))
    return timing.measured(_figures(seconds, found))


def _why_not(ctx, name):
    return timing.why_not(ctx, lambda: product(ctx, name, _BLOCK)())


def product(ctx, name, size):
    """A callable that multiplies two `size` x `size` matrices in the dtype `name`.

    Values in [-1, 1): power, and with it the clock of a GPU, depends on the data; zeros would flatter it.
    """
    times = size // _BLOCK
    block = ctx.tensor(ctx.uniform((_BLOCK, _BLOCK), "block") * 2 - 1, dtype_name=_TORCH_NAME[name])
    operands = block.repeat(times, times), block.t().repeat(times, times)
    multiply = partial(tf32_mm, ctx.torch) if name == "tf32" else ctx.torch.mm
    return partial(multiply, *operands)


def tf32_mm(torch, a, b):
    """torch.mm with TF32 allowed; the switch is put back, since the other dtypes share the rounds."""
    torch_state.write_switches(torch, {"backends.cuda.matmul.allow_tf32": True})
    try:
        return torch.mm(a, b)
    finally:
        torch_state.write_switches(torch, {"backends.cuda.matmul.allow_tf32": False})


def _no_tf32(ctx):
    torch = ctx.torch
    if ctx.kind != "cuda" or torch.version.hip or torch.cuda.get_device_capability(ctx.device) < (8, 0):
        return "TF32 exists on CUDA devices from compute capability 8.0"
    return None


def _sizes(ctx):
    if ctx.large:
        return (256, 512, 1024, 2048, 4096)
    largest = {"quick": 512, "standard": 1024, "full": 2048}[ctx.level]
    return tuple(size for size in (256, 512, 1024, 2048) if size <= largest)


def _budget(ctx):
    """(seconds wanted, seconds at most) of the interleaved rounds."""
    return (0.2, 0.6) if ctx.level == "quick" else (0.4, 3.0 if ctx.large else 1.5)


def _saturate(ctx, name):
    """The CPU's calls stay short so that the rounds fit the budget: 15 rounds of three dtypes of 20 ms are 0.9 s."""
    ceiling = timing.LONGEST_KERNEL if ctx.large else 0.02
    return timing.saturate(
        ctx,
        _sizes(ctx),
        make=lambda size: {name: product(ctx, name, size)},
        work=lambda size: size**3,
        nbytes=lambda size: 3 * size * size * _BYTES[name],
        ceiling=ceiling,
    )


def _figures(seconds, found):
    data = {}
    for name, values in seconds.items():
        size = found[name][0]
        data[name + "_tflops"] = timing.rate(values, 2e-12 * size**3, "TFLOP/s", "%d^3" % size)
        if name != "fp32":
            scale = (size / found["fp32"][0]) ** 3
            fp32 = [value * scale for value in seconds["fp32"]]
            data[name + "_over_fp32_gemm"] = timing.ratio(fp32, values)
    return data
