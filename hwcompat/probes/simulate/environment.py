"""What is no wrong value: hangs, crashes, errors, missing memory, slowness.

`hang` and `crash` need worker processes; in the caller's own process they would take it with them.
"""

import os
import time

from . import _dispatch, _shapes, slow_fp16

FAULTS = {
    "hang": "the second fp16 product never returns, https://github.com/NVIDIA/nccl-tests/issues/117",
    "crash": "the second fp16 product ends the process (SIGFPE), https://github.com/pytorch/pytorch/issues/14119",
    "crash_convolution": "an fp16 convolution ends the process, https://github.com/pytorch/pytorch/issues/9465",
    "product_raises": "fp16 products of more than 64 rows raise CUBLAS_STATUS_EXECUTION_FAILED, "
    "https://github.com/pytorch/pytorch/issues/152017",
    "convolution_raises": "every convolution raises an error of the library (MIOpen, gfx1151), "
    "https://github.com/ROCm/MIOpen/issues/3964",
    "backward_raises": "the backward pass of fp16 convolutions raises CUDNN_STATUS_EXECUTION_FAILED, "
    "https://github.com/pytorch/pytorch/issues/57921",
    "scaler_raises": "the scaler raises, for the device has no float64 (Intel Arc), "
    "https://github.com/pytorch/pytorch/issues/147731",
    "out_of_memory": "bf16 3-d convolutions run out of memory, https://github.com/pytorch/pytorch/issues/166643",
    "slow_bf16": "bf16 is emulated: right, and slower than fp32 (T4), https://github.com/pytorch/xla/issues/12429",
}

_FOREVER = 10**6


def _raising(torch, names, message, dtypes=_dispatch.LOW, applies=lambda call: True, kind=RuntimeError):
    def change(call):
        if applies(call):
            raise kind(message)

    return _dispatch.on(torch, names, change, dtypes)


def _second_product(torch, act):
    calls = []

    def change(call):
        calls.append(1)
        if len(calls) == 2:
            act()

    return _dispatch.on(torch, _shapes.PRODUCTS, change, ("float16",))


def hang(torch):
    def act():
        for _ in range(_FOREVER):
            time.sleep(1.0)

    return _second_product(torch, act)


def crash(torch):
    return _second_product(torch, os.abort)


def crash_convolution(torch):
    return _dispatch.on(torch, _shapes.CONVOLUTION, lambda call: os.abort(), ("float16",))


def product_raises(torch):
    message = "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx` (simulated)"
    return _raising(torch, ("mm", "addmm"), message, ("float16",), lambda call: call.out.shape[0] > 64)


def convolution_raises(torch):
    return _raising(torch, _shapes.CONVOLUTIONS, "miopenStatusUnknownError (simulated)", _dispatch.FLOATS)


def backward_raises(torch):
    message = "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED (simulated)"
    return _raising(torch, ("convolution_backward",), message, ("float16",))


def scaler_raises(torch):
    message = "Required aspect fp64 is missing on the device (simulated)"
    names = ("_amp_foreach_non_finite_check_and_unscale", "_amp_update_scale")
    return _raising(torch, names, message, (*_dispatch.FLOATS, "float64"))


def out_of_memory(torch):
    kind = getattr(torch, "OutOfMemoryError", getattr(torch.cuda, "OutOfMemoryError", RuntimeError))
    message = "CUDA out of memory. Tried to allocate 7.30 GiB (simulated)"
    return _raising(torch, _shapes.CONVOLUTION, message, ("bfloat16",), lambda call: call.args[1].dim() == 5, kind)


def slow_bf16(torch):
    return slow_fp16.mode(torch, dtype=torch.bfloat16)
