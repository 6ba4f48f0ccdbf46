"""Matrix products: tiles, batch and row limits, special values, operands that are not contiguous."""

from . import _alter, _dispatch, _shapes

FAULTS = {
    "dead_tile": "one 16x16 tile of a 16-bit product is zero, as from one dead multiprocessor, "
    "https://arxiv.org/abs/2605.04213",
    "batch_limit": "16-bit batched products are zero beyond matrix 65,535, "
    "https://github.com/pytorch/pytorch/issues/25241",
    "large_nan": "large fp16 batched products hold NaN (V100), https://github.com/pytorch/pytorch/issues/45724",
    "batch_zeros": "the second half of a batched product is zero, in fp32 too (TITAN Xp), "
    "https://github.com/pytorch/pytorch/issues/52515",
    "tall": "rows beyond 2**21 are wrong (cuBLAS before 9.2), https://github.com/pytorch/pytorch/issues/22078",
    "inf_saturates": "16-bit products give the largest number instead of infinity: the right one is in "
    "https://docs.nvidia.com/cuda/floating-point/index.html",
    "nan_swallowed": "16-bit products give zero instead of NaN: the right one is in "
    "https://docs.nvidia.com/cuda/floating-point/index.html",
    "partial_sums_overflow": "16-bit products whose partial sums leave the range give infinity (reduced-precision "
    "reduction), https://docs.pytorch.org/docs/stable/notes/numerical_accuracy.html",
    "mps_strided_weight": "products with an operand that is not contiguous are wrong (MPS), "
    "https://github.com/pytorch/pytorch/pull/162779",
    "mps_large_gradient": "products with more than 32,768 rows wrap around (MPS), "
    "https://github.com/pytorch/pytorch/issues/177116",
}

_BATCHED = ("bmm", "baddbmm")


def _products(torch, change, dtypes=_dispatch.LOW, names=_shapes.PRODUCTS):
    return _dispatch.on(torch, names, change, dtypes)


def dead_tile(torch):
    def change(call):
        if call.out.dim() < 2 or min(call.out.shape[-2:]) < 16:
            return None
        damaged = call.out.clone()
        damaged[..., -16:, -16:] = 0.0
        return damaged

    return _products(torch, change)


def batch_limit(torch):
    def change(call):
        if call.out.shape[0] <= 65535:
            return None
        damaged = call.out.clone()
        damaged[65535:] = 0.0
        return damaged

    return _products(torch, change, names=_BATCHED)


def large_nan(torch):
    def change(call):
        return _alter.with_element(torch, call.out, 0, float("nan")) if call.out.shape[0] >= 128 else None

    return _products(torch, change, ("float16",), _BATCHED)


def batch_zeros(torch):
    def change(call):
        if call.out.shape[0] < 2:
            return None
        damaged = call.out.clone()
        damaged[call.out.shape[0] // 2 :] = 0.0
        return damaged

    return _products(torch, change, _dispatch.FLOATS, _BATCHED)


def tall(torch):
    def change(call):
        if call.out.dim() < 2 or call.out.shape[-2] <= 2**21:
            return None
        damaged = call.out.clone()
        damaged[..., 2**21 :, :] = 0.0
        return damaged

    return _products(torch, change, _dispatch.FLOATS)


def inf_saturates(torch):
    def change(call):
        top = torch.finfo(call.out.dtype).max
        return torch.where(torch.isinf(call.out), call.out.sign() * top, call.out)

    return _products(torch, change)


def nan_swallowed(torch):
    def change(call):
        return torch.where(torch.isnan(call.out), torch.zeros_like(call.out), call.out)

    return _products(torch, change)


def partial_sums_overflow(torch):
    def change(call):
        left, right = call.args[-2:]
        half = left.shape[-1] // 2
        if half == 0 or right.dim() < 2:
            return None
        first = torch.matmul(left[..., :half].float(), right[..., :half, :].float()).to(call.out.dtype)
        return torch.where(torch.isinf(first), first, call.out)

    return _products(torch, change, names=("mm", "addmm", "bmm", "baddbmm"))


def mps_strided_weight(torch):
    """A transposed operand is no such case: every library has kernels for it."""

    def odd(tensor):
        return _shapes.is_strided(tensor) and not tensor.transpose(-1, -2).is_contiguous()

    def change(call):
        operands = [t for t in _dispatch.tensors(torch, call.args) if t.dim() >= 2]
        return -call.out if any(odd(t) for t in operands) else None

    return _products(torch, change, _dispatch.FLOATS)


def mps_large_gradient(torch):
    def change(call):
        if call.out.dim() < 2 or call.out.shape[-2] <= 32768:
            return None
        damaged = call.out.clone()
        damaged[..., 32768:65536, :] = call.out[..., : min(call.out.shape[-2], 65536) - 32768, :]
        return damaged

    return _products(torch, change, ("float32",))
