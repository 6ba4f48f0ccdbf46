"""A card whose fp16 is right and slow: what remains of a TU116/TU117 when its convolutions happen to be correct.

These chips report compute capability 7.5 and have no tensor cores; the libraries pick tensor-core kernels all the same,
which are emulated. Reported, fp16 against fp32 or against one row on the same card:
- GTX 1650, product with 2 rows: 23 times fewer bytes a second than with one:
  https://github.com/pytorch/pytorch/issues/195716
- GTX 1650, text generation: 22 tokens a second instead of 203: https://github.com/vllm-project/vllm/issues/54950
- GTX 1650, chess positions a second: fp32 2304, fp16 with tensor-core kernels NCHW 536, NHWC 225:
  https://github.com/LeelaChessZero/lc0/issues/849
- GTX 1660 Ti, torch 2.7.0+cu128, square products from 1024 to 8192, TFLOP/s: fp32 2.6 to 5.2, fp16 0.53 to 0.61, bf16
  2.8:
  https://github.com/zzc0721/torch-performance-test-data/issues/89
- GTX 1660 SUPER, torch 2.2.1+cu121: fp16 about 0.5 TFLOP/s: https://github.com/pytorch/pytorch/issues/121957

Simulated: each fp16 matrix product with two rows or more, and each fp16 convolution, forward and backward, costs TIMES
times its fp32 twin on this machine, whatever its own fp16 speed. Values stay right; fp32 is untouched, and so is bf16,
which the real cards emulate at about half the speed of fp32. The time is spent in real fp32 work and not in sleeping,
so that an accelerator's queue and its event clock see it.
"""

from . import _dispatch

FAULTS = {
    "slow_fp16": "fp16 is right and five times slower than fp32 (GTX 16xx without tensor cores), "
    "https://github.com/pytorch/pytorch/issues/195716",
}

TIMES = 5
"""Times slower than fp32: 4.3 (NCHW), 4.9 and 8.6 (products of 1024 and 4096), 9.2 and 10.2 are reported above."""

_ROWS_OF = {"mm": 0, "addmm": 1, "bmm": 0, "baddbmm": 1}
"""Which argument of the operator has the rows, last dimension but one."""

_CONVOLUTIONS = ("convolution", "convolution_backward")


def mode(torch, times=TIMES, dtype=None):
    """The context manager; see the module's docstring. `dtype`: another slow one than float16."""

    def alter(name, func, args, kwargs, out):
        burden(torch, times, name, func, args, kwargs, dtype or torch.float16)
        return out

    return _dispatch.after_each(torch, alter)


def burden(torch, times, name, func, args, kwargs, dtype=None):
    """Do the fp32 twin of a slow operator in `dtype` (fp16) `times` times and forget the results."""
    dtype = dtype or torch.float16
    if not slow(name, args, dtype):
        return
    twin = getattr(func.overloadpacket, "default", func) if "out" in kwargs else func
    options = {key: value for key, value in kwargs.items() if key != "out"}
    wide = [_to_fp32(torch, value, dtype) for value in args]
    for _ in range(times):
        twin(*wide, **options)


def slow(name, args, dtype):
    """True for a convolution in `dtype`, and for a product with at least two rows."""
    if name in _CONVOLUTIONS:
        return args[0].dtype == dtype
    if name not in _ROWS_OF:
        return False
    left = args[_ROWS_OF[name]]
    return left.dtype == dtype and left.shape[-2] >= 2


def _to_fp32(torch, value, dtype):
    return value.float() if isinstance(value, torch.Tensor) and value.dtype == dtype else value
