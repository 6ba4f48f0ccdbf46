"""Single bits and single values that are wrong now and then, as on a defective specimen."""

from . import _alter, _dispatch, _shapes

FAULTS = {
    "last_bit": "the last bit of one in 100,000 results of 16-bit products is flipped, "
    "https://arxiv.org/abs/2502.12340",
    "exponent": "an exponent bit of one in 100,000 results of 16-bit products is flipped, "
    "https://arxiv.org/abs/2605.04213",
    "exponent_rare": "an exponent bit of one in a million results of 16-bit products is flipped, "
    "https://arxiv.org/abs/2605.04213",
    "sign": "the sign of one in 100,000 results of 16-bit products is flipped, https://arxiv.org/abs/2605.04213",
    "several_bits": "three bits of one in 100,000 results of products in any precision are flipped, "
    "https://arxiv.org/abs/2605.04213",
    "convolution_exponent": "an exponent bit of one in 100,000 results of convolutions, forward and backward, is "
    "flipped, https://arxiv.org/abs/2605.04213",
    "elementwise_sign": "the sign of one in 100,000 results of element-wise operators is flipped, "
    "https://arxiv.org/abs/2605.04213",
    "sporadic_nan": "every 40th product or convolution holds a NaN (a defective card), "
    "https://github.com/AlexeyAB/darknet/issues/2789",
}

_ELEMENTWISE = ("add", "sub", "mul", "div", "sqrt", "exp", "relu", "sigmoid", "tanh", "silu", "gelu")


def _flips(torch, names, rate, mask_of, dtypes, seed):
    chance = _alter.dice(seed)

    def flipped(tensor):
        mask = mask_of(str(tensor.dtype).replace("torch.", ""))
        return _alter.with_bits_flipped(torch, tensor, chance, rate, mask)

    def change(call):
        damaged = _dispatch.mapped(torch, call.out, flipped)
        same = zip(_dispatch.tensors(torch, call.out), _dispatch.tensors(torch, damaged))
        return None if all(a is b for a, b in same) else damaged

    return _dispatch.on(torch, names, change, dtypes)


def _sign_bit(dtype_name):
    return 1 << (31 if dtype_name == "float32" else 15)


def last_bit(torch):
    return _flips(torch, _shapes.PRODUCTS, 1e-5, lambda name: 1, _dispatch.LOW, 15)


def exponent(torch):
    return _flips(torch, _shapes.PRODUCTS, 1e-5, _alter.exponent_bit, _dispatch.LOW, 16)


def exponent_rare(torch):
    return _flips(torch, _shapes.PRODUCTS, 1e-6, _alter.exponent_bit, _dispatch.LOW, 16)


def sign(torch):
    return _flips(torch, _shapes.PRODUCTS, 1e-5, _sign_bit, _dispatch.LOW, 17)


def several_bits(torch):
    return _flips(torch, _shapes.PRODUCTS, 1e-5, lambda name: 0b10101, _dispatch.FLOATS, 18)


def convolution_exponent(torch):
    return _flips(torch, _shapes.CONVOLUTIONS, 1e-5, _alter.exponent_bit, _dispatch.FLOATS, 19)


def elementwise_sign(torch):
    return _flips(torch, _ELEMENTWISE, 1e-5, _sign_bit, _dispatch.FLOATS, 20)


def sporadic_nan(torch):
    calls = []

    def change(call):
        calls.append(1)
        if len(calls) % 40 or not call.out.numel():
            return None
        return _alter.with_element(torch, call.out, call.out.numel() // 2, float("nan"))

    return _dispatch.on(torch, _shapes.PRODUCTS + _shapes.CONVOLUTION, change, _dispatch.FLOATS)
