"""Operators once more in float64, written out from their definition: no matrix product, no convolution of torch.

Products are multiplied and summed elementwise, so that neither BLAS nor oneDNN takes part.
"""

from typing import Any, Callable, Dict, List

import torch
import torch.nn.functional as F

BLOCK = 1 << 22
"""Products held at once."""


def outputs(name, args, kwargs):
    """A list of outputs for a known operator, None for others. Tensors come as float64 on the CPU."""
    maker = MAKERS.get(name)
    made = None if maker is None else maker(*args, **kwargs)
    if made is None:
        return None
    return list(made) if isinstance(made, (tuple, list)) else [made]


def product(a, b):
    """a @ b for [..., n, k] and [..., k, m], by sums of elementwise products over blocks of rows."""
    step = max(1, BLOCK // max(1, a.shape[-1] * b.shape[-1] * max(1, a[..., :1, :1].numel())))
    rows = [
        (a[..., i : i + step, :].unsqueeze(-1) * b.unsqueeze(-3)).sum(-2) for i in range(0, max(1, a.shape[-2]), step)
    ]
    return torch.cat(rows, dim=-2)


def _scaled(beta, bias, alpha, value):
    return beta * bias + alpha * value if beta else alpha * value


def addmm(bias, a, b, *, beta=1, alpha=1):
    return _scaled(beta, bias, alpha, product(a, b))


def mv(a, x):
    return (a * x).sum(-1)


def addmv(bias, a, x, *, beta=1, alpha=1):
    return _scaled(beta, bias, alpha, mv(a, x))


def convolution(x, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    """One kernel position after the other: a shifted, strided slice of the padded input times one weight slice."""
    if transposed:
        return _transposed(x, weight, bias, stride, padding, dilation, output_padding, groups)
    pads = [p for amount in reversed(list(padding)) for p in (amount, amount)]
    padded = F.pad(x, pads)
    kernel = weight.shape[2:]
    sizes = [(padded.shape[2 + d] - dilation[d] * (kernel[d] - 1) - 1) // stride[d] + 1 for d in range(len(kernel))]
    total = None
    for position in _positions(kernel):
        window = padded
        for d, at in enumerate(position):
            start = at * dilation[d]
            window = window.narrow(2 + d, start, (sizes[d] - 1) * stride[d] + 1)[
                (slice(None),) * (2 + d) + (slice(None, None, stride[d]),)
            ]
        part = _mixed(window, weight[(slice(None), slice(None)) + position], groups)
        total = part if total is None else total + part
    return total if bias is None else total + bias.view(1, -1, *[1] * len(kernel))


def _transposed(x, weight, bias, stride, padding, dilation, output_padding, groups):
    """A transposed convolution is the derivative of the convolution with the same weight, by its input."""
    sizes = [
        (x.shape[2 + d] - 1) * stride[d]
        - 2 * padding[d]
        + dilation[d] * (weight.shape[2 + d] - 1)
        + output_padding[d]
        + 1
        for d in range(weight.dim() - 2)
    ]
    with torch.enable_grad():
        place = torch.zeros((x.shape[0], weight.shape[1] * groups, *sizes), dtype=x.dtype).requires_grad_()
        given = convolution(place, weight, None, stride, padding, dilation, False, output_padding, groups)
        (total,) = torch.autograd.grad(given, place, x, create_graph=torch.is_grad_enabled() and x.requires_grad)
    return total if bias is None else total + bias.view(1, -1, *[1] * (weight.dim() - 2))


def _positions(kernel):
    found: List[Any] = [()]
    for size in kernel:
        found = [p + (i,) for p in found for i in range(size)]
    return found


def _mixed(window, weight, groups):
    """[n, c, ...] and [o, c / groups] -> [n, o, ...]."""
    parts: List[Any] = []
    for x, w in zip(window.chunk(groups, 1), weight.chunk(groups, 0)):
        total = None
        for channel in range(w.shape[1]):
            term = x[:, channel].unsqueeze(1) * w[:, channel].view(1, -1, *[1] * (x.dim() - 2))
            total = term if total is None else total + term
        parts.append(total)
    return torch.cat(parts, 1)


def convolution_backward(
    grad, x, weight, bias_sizes, stride, padding, dilation, transposed, output_padding, groups, mask
):
    """The three gradients, by the derivative of `convolution` above."""
    with torch.enable_grad():
        x, weight = x.clone().requires_grad_(), weight.clone().requires_grad_()
        bias = torch.zeros(weight.shape[0], dtype=x.dtype, requires_grad=True)
        out = convolution(x, weight, bias, stride, padding, dilation, transposed, output_padding, groups)
        found = torch.autograd.grad(out, (x, weight, bias), grad)
    return [value if wanted else None for value, wanted in zip(found, mask)]


def softmax(x, dim, _half=False):
    raised = torch.exp(x - x.amax(dim, keepdim=True))
    return raised / raised.sum(dim, keepdim=True)


def log_softmax(x, dim, _half=False):
    shifted = x - x.amax(dim, keepdim=True)
    return shifted - torch.log(torch.exp(shifted).sum(dim, keepdim=True))


def layer_norm(x, shape, weight, bias, eps):
    dims = list(range(x.dim() - len(shape), x.dim()))
    centred = x - x.mean(dims, keepdim=True)
    spread = 1.0 / torch.sqrt((centred * centred).mean(dims, keepdim=True) + eps)
    out = centred * spread
    out = out * weight if weight is not None else out
    return out + bias if bias is not None else out


def total(x, dims=None, keepdim=False, *, dtype=None):
    """A sum as the last of running sums, one dimension after the other."""
    named = [dims] if isinstance(dims, int) else list(dims or range(x.dim()))
    wanted = {dim % max(1, x.dim()) for dim in named}
    for dim in wanted:
        x = torch.cumsum(x, dim).narrow(dim, x.shape[dim] - 1, 1)
    return x if keepdim else x.reshape([size for dim, size in enumerate(x.shape) if dim not in wanted])


def avg_pool2d(x, kernel, stride=(), padding=(0, 0), ceil_mode=False, count_include_pad=True, divisor=None):
    """One position of the window after the other, added up; None for rounded-up sizes and divisors of ones own."""
    kernel, padding = _pair(kernel), _pair(padding)
    stride = _pair(stride) if stride else kernel
    if ceil_mode or divisor is not None or (any(padding) and not count_include_pad):
        return None
    channels = x.shape[-3]
    weight = torch.full((channels, 1, *kernel), 1.0 / (kernel[0] * kernel[1]), dtype=x.dtype)
    whole = x if x.dim() == 4 else x.unsqueeze(0)
    made = convolution(whole, weight, None, stride, padding, (1, 1), False, (0, 0), channels)
    return made if x.dim() == 4 else made[0]


def avg_pool2d_backward(grad, x, kernel, stride, padding, ceil_mode, count_include_pad, divisor):
    """By the derivative of `avg_pool2d` above."""
    return _by_derivative(
        x.shape, grad, lambda place: avg_pool2d(place, kernel, stride, padding, ceil_mode, count_include_pad, divisor)
    )


def upsample_bilinear2d_backward(grad, sizes, shape, corners, *scales):
    """By the derivative of torch's own decomposition of the forward operator, by elementwise operators."""
    return _by_derivative(shape, grad, lambda place: _upsampled("upsample_bilinear2d", place, sizes, corners, *scales))


def upsample_nearest2d_backward(grad, sizes, shape, *scales):
    return _by_derivative(shape, grad, lambda place: _upsampled("upsample_nearest2d", place, sizes, *scales))


def _upsampled(name, *args):
    from torch._decomp import decomposition_table

    return decomposition_table[getattr(torch.ops.aten, name).default](*args)


def _by_derivative(shape, grad, forward):
    """What a linear operator's backward gives: it does not depend on where the derivative is taken."""
    with torch.enable_grad():
        place = torch.zeros(shape, dtype=grad.dtype).requires_grad_()
        made = forward(place)
        return None if made is None else torch.autograd.grad(made, place, grad)[0]


def _pair(value):
    value = [value] if isinstance(value, int) else list(value)
    return value * 2 if len(value) == 1 else value


def sigmoid(x):
    return 1.0 / (1.0 + torch.exp(-x))


MAKERS: Dict[str, Callable[..., Any]] = {
    "mm": product,
    "bmm": product,
    "addmm": addmm,
    "baddbmm": addmm,
    "mv": mv,
    "addmv": addmv,
    "dot": lambda a, b: (a * b).sum(),
    "convolution": convolution,
    "convolution_backward": convolution_backward,
    "_softmax": softmax,
    "_log_softmax": log_softmax,
    "native_layer_norm": layer_norm,
    "sigmoid": sigmoid,
    "sum": total,
    "avg_pool2d": avg_pool2d,
    "avg_pool2d_backward": avg_pool2d_backward,
    "upsample_bilinear2d_backward": upsample_bilinear2d_backward,
    "upsample_nearest2d_backward": upsample_nearest2d_backward,
    "addcdiv": lambda x, a, b, value=1: x + value * (a * (1.0 / b)),
    "addcdiv_": lambda x, a, b, value=1: x + value * (a * (1.0 / b)),
    "addcmul": lambda x, a, b, value=1: x + a * (value * b),
    "addcmul_": lambda x, a, b, value=1: x + a * (value * b),
    "lerp": lambda a, b, weight: a * (1.0 - weight) + b * weight,
    "lerp_": lambda a, b, weight: a * (1.0 - weight) + b * weight,
    "relu": lambda x: x * (x > 0),
    "add": lambda a, b, alpha=1: a + alpha * b,
    "sub": lambda a, b, alpha=1: a - alpha * b,
    "mul": lambda a, b: (
        torch.exp(torch.log(abs(a))) * abs(b) * torch.sign(torch.as_tensor(a)) * torch.sign(torch.as_tensor(b))
    ),
    "gelu": lambda x, approximate="none": 0.5 * x * (1.0 + torch.erf(x / 2**0.5)) if approximate == "none" else None,
    "silu": lambda x: x / (1.0 + torch.exp(-x)),
    "tanh": lambda x: 1.0 - 2.0 / (torch.exp(2.0 * x) + 1.0),
}


def envelope(name, args, kwargs):
    """No step of a sane kernel passes this magnitude; None for operators that are not as simple as that.

    For releases of torch that have no decomposition of the operator (module `decomposed`).
    """
    args, kwargs = [_size(v) for v in args], {k: _size(v) for k, v in kwargs.items()}
    tensors = [v for v in args if isinstance(v, torch.Tensor)]
    sizes = [float(v[torch.isfinite(v)].max()) for v in tensors if v.numel() and bool(torch.isfinite(v).any())]
    top = max(sizes or [0.0])
    if name in ("_softmax", "_log_softmax"):
        return 2.0 * top + float(tensors[0].numel())
    if name in ("add", "sub"):
        numbers = [abs(float(v)) for v in args if isinstance(v, (int, float))] + [abs(float(kwargs.get("alpha", 1)))]
        return 2.0 * max(numbers + [1.0]) * max([top] + numbers)
    if name == "mul":
        numbers = [abs(float(v)) for v in args if isinstance(v, (int, float))]
        return max(1.0, top) * max([1.0, top] + numbers)
    if name in ("avg_pool2d_backward", "upsample_bilinear2d_backward", "upsample_nearest2d_backward"):
        return float(tensors[0].sum())  # every element adds shares of these
    return max(1.0, top) if name in ("avg_pool2d", "relu", "sigmoid", "tanh") else None


def _size(value):
    return value.detach().cpu().double().abs() if isinstance(value, torch.Tensor) else value
