"""Digests of products, convolutions, norms, softmax and attention on random numbers, to compare machines of one kind.

Hunts: differences between two machines that should be alike, in the roundings that no exact test can see. cuBLAS
promises equal bits for equal toolkit, architecture and number of multiprocessors on one stream
(https://docs.nvidia.com/cuda/cublas/#results-reproducibility), cuDNN for its deterministic algorithms. One fp16 product
kept its bits on A100 cards from 2023 to 2026 (https://github.com/pytorch/pytorch/issues/105726); cards of one chip with
other numbers of multiprocessors differ (https://github.com/pytorch/pytorch/issues/144614).
Rule: FEATURE. Nothing is judged but that outputs are finite (inputs are below 1, sums below 2**11: no overflow). The
digest of the raw bits is kept, every NaN as one and -0 apart from 0. Comparing digests needs equal cards, drivers and
builds (`hwcompat matrix digests` sees to it); a difference makes suspect, never faulty.
Pinned: deterministic algorithms, no cuDNN benchmark, no TF32, no reduced-precision reductions or 16-bit accumulation, a
fixed cuBLAS workspace, one stream, one CPU thread, fixed contiguous shapes, each attention backend by itself, inputs
from integers made on the CPU.
"""

import contextlib
import hashlib
import os
from functools import partial

from .. import execute, judge, torch_state

GROUP = "memory"
LEVEL = "standard"
RULE = "FEATURE"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
FEEDS = ""
SECONDS = 0.5
ENVIRONMENT = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
VERSION = 1

_PINNED = {
    "backends.cuda.matmul.allow_tf32": False,
    "backends.cuda.matmul.allow_fp16_reduced_precision_reduction": False,
    "backends.cuda.matmul.allow_bf16_reduced_precision_reduction": False,
    "backends.cuda.matmul.allow_fp16_accumulation": False,
    "backends.cudnn.allow_tf32": False,
    "backends.cudnn.enabled": True,
    "backends.cudnn.benchmark": False,
    "backends.cudnn.deterministic": True,
}
_BACKENDS = ("MATH", "FLASH_ATTENTION", "EFFICIENT_ATTENTION", "CUDNN_ATTENTION")


def cases(ctx):
    yield "mm", partial(kept, ctx, product)
    yield "convolution forward and backward", partial(kept, ctx, convolution)
    yield "layer_norm and softmax, forward and backward", partial(kept, ctx, normalised)
    for backend in filter(partial(offered, ctx), _BACKENDS):
        yield "attention %s" % backend.lower(), partial(kept, ctx, partial(attention, backend=backend))


def kept(ctx, function):
    """The digest of what `function(ctx)` gives under the pinned switches."""
    missing = [name for name in ENVIRONMENT if ctx.kind == "cuda" and name not in os.environ]
    if missing:
        return judge.skipped("%s was not set before CUDA started" % missing[0])
    torch_state.write_switches(ctx.torch, _PINNED)  # put back by whoever runs the probe
    torch_state.set_deterministic(ctx.torch, True)
    with one_thread(ctx.torch):
        outputs = [ctx.host(tensor) for tensor in function(ctx)]
    wrong = sum(int((~ctx.torch.isfinite(tensor)).sum()) for tensor in outputs)
    count = sum(tensor.numel() for tensor in outputs)
    if wrong:
        return judge.failed("%d of %d outputs are not finite" % (wrong, count), count)
    digest = hashlib.sha256("".join(judge.digest_of_bits(ctx.torch, tensor) for tensor in outputs).encode("ascii"))
    return judge.passed(count, digest.hexdigest())


@contextlib.contextmanager
def one_thread(torch):
    """How a sum is split over a CPU's threads changes its bits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def product(ctx):
    size = 1024 if ctx.large else 256
    return [ctx.torch.mm(numbers(ctx, (size, size), "a"), numbers(ctx, (size, size), "b"))]


def convolution(ctx):
    channels, side = (64, 32) if ctx.large else (16, 16)
    x = numbers(ctx, (4, channels, side, side), "x").requires_grad_()
    w = numbers(ctx, (channels, channels, 3, 3), "w").requires_grad_()
    y = ctx.torch.nn.functional.conv2d(x, w, padding=1)
    y.backward(numbers(ctx, y.shape, "dy"))
    return [y.detach(), x.grad, w.grad]


def normalised(ctx):
    x = numbers(ctx, (64, 384), "rows").requires_grad_()
    y = ctx.torch.nn.functional.layer_norm(x, (384,))
    z = ctx.torch.softmax(y, 1)
    z.backward(numbers(ctx, z.shape, "dz"))
    return [y.detach(), z.detach(), x.grad]


def attention(ctx, backend):
    attention = ctx.torch.nn.attention
    q, k, v = (numbers(ctx, (2, 4, 128, 64), word).requires_grad_() for word in "qkv")
    with attention.sdpa_kernel(getattr(attention.SDPBackend, backend)):
        y = ctx.torch.nn.functional.scaled_dot_product_attention(q, k, v)
        with contextlib.suppress(NotImplementedError):  # a backend may be for inference only
            y.backward(numbers(ctx, y.shape, "dy"))
    return [tensor for tensor in (y.detach(), q.grad, k.grad, v.grad) if tensor is not None]


def offered(ctx, backend):
    """True if this torch can force the backend and the device takes it for these shapes and this dtype."""
    if not hasattr(ctx.torch.nn, "attention") or not hasattr(ctx.torch.nn.attention.SDPBackend, backend):
        return False
    try:
        attention(ctx, backend)
    except (NotImplementedError, RuntimeError) as error:
        return execute.classify(error) != "unsupported"
    return True


def numbers(ctx, shape, word):
    """Numbers in [-1, 1) on the device, the same bits everywhere."""
    return ctx.tensor(2 * ctx.uniform(shape, word) - 1)
