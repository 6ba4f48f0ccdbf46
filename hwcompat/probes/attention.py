"""Scaled dot-product attention: backends, memory layouts, the float64 reference and the derived bounds.

Shared by the attention probes. Operands are float64 on the CPU with the numbers that the device will really hold:
q (B, H, Lq, D), k (B, Hkv, Lk, D), v (B, Hkv, Lk, Dv), the output's gradient g (B, H, Lq, Dv), `allowed` (bool, or
None) and `bias` (float64, or None), both broadcastable to (B, H, Lq, Lk).

The bound. Scores: the product q k, scaled before or after, errs by gamma(1.25 D + 4, 2**-23) of |q||k| (a block of an
accelerator truncates, see the matmul probes); multiplying by log2(e), subtracting the maximum or the logarithm of the
sum and storing that logarithm err by 2**-22 of each number involved. Where a release may keep 16-bit scores
(`narrow`), scaled operands, scores and masked scores round to u = 2**-p each. Weights: exp errs by two units and by its
argument's error; the rescaling of running sums multiplies such factors, whose arguments add up to the distance of the
score from the maximum; 4 u for a 16-bit exponential, the storage of the weight (2 u, a truncation) and a sum of stored
weights; eta, the smallest weight kept, below that nothing. So a weight P errs relatively by
  e = expm1(eS + 2**-22 |z - max|) + 4 u + 8 * 2**-23, and after normalisation
  E_P = (P e + eta + P E) / (1 - E), E the row's sum of P e + eta, where E < 1/2. In a row of larger E, which 16-bit
scores far from zero can bring about, nothing but 0 <= P <= 1 + 8 u is certain, and so E_P = 1 + 8 u where P may be.
Output: E_P |v| + gamma(1.25 n + 16, 2**-23) (P + E_P) |v|; the 16 cover the final combination of splits.
Gradients, by the same propagation: dP = g v^T as a product; D = sum(g o) from the stored output or sum(P dP), the
larger of both errors; dS = P (dP - D) with 2**-22 for its subtraction and product and 2 u + eta for its storage;
dq, dk, dv as products of these, with 3 u for scaled operands and results in 16 bits. Kernels that add blocks of
queries into a 16-bit gradient (PyTorch's on the CPU) round once a block of at least 32 rows, and gradients of shared
key-value heads are rounded a head before they are added: `steps` roundings of u (and as many of eta).
float32 on an accelerator may multiply as three TF32 products, whose lost parts are below 2**-20 of |a||b|.
"""

import contextlib
import warnings
from collections import namedtuple
from typing import Any

from . import judge

Operands = namedtuple("Operands", "q k v g allowed bias scale")
Answer = namedtuple("Answer", "o dq dk dv dbias")
"""Values or bounds of the output and of every gradient."""

_SWITCHES = {
    "math": ("math_sdp_enabled", "enable_math_sdp"),
    "flash": ("flash_sdp_enabled", "enable_flash_sdp"),
    "efficient": ("mem_efficient_sdp_enabled", "enable_mem_efficient_sdp"),
    "cudnn": ("cudnn_sdp_enabled", "enable_cudnn_sdp"),
}
_REFUSED = ("No available kernel", "No viable backend")


def backends(ctx, number=0):
    """Names; "default" is torch's own choice. On the CPU that is the flash kernel, and the composed one runs in every
    third case (`number`): its products and softmax have probes of their own."""
    if ctx.kind == "cuda":
        known = ctx.torch.backends.cuda
        return ["default"] + [name for name in _SWITCHES if hasattr(known, _SWITCHES[name][1])]
    return ["default", "math"] if ctx.kind == "cpu" and number % 3 == 0 else ["default"]


@contextlib.contextmanager
def forced(ctx, backend):
    """Only `backend` may be chosen inside."""
    known = ctx.torch.backends.cuda
    saved = []
    try:
        for name, (reader, writer) in _SWITCHES.items():
            if backend != "default" and hasattr(known, writer):
                saved.append((getattr(known, writer), getattr(known, reader)()))
                getattr(known, writer)(name == backend)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch says why it refuses a backend
            yield
    finally:
        for write, value in saved:
            write(value)


def refused(error):
    """True if torch says that the only backend left does not take these operands."""
    return any(text in str(error) for text in _REFUSED)


def narrow(ctx, backend):
    """Whether 16-bit scores may be kept in 16 bits: composed attention did that before it learnt to widen them."""
    if ctx.format.bits != 16 or backend not in ("default", "math"):
        return False
    allowed = getattr(ctx.torch.backends.cuda, "fp16_bf16_reduction_math_sdp_allowed", None)
    return ctx.kind not in ("cpu", "cuda") or allowed is None or bool(allowed())


def remembered(make):
    """`make`, called once: the backends of a case share its operands and reference, which cost more than they do."""
    made: "list[Any]" = []

    def get():
        if not made:
            made.append(make())
        return made[0]

    return get


# --- layouts ----------------------------------------------------------------------------------------------------------
def leaf_of(torch, values, layout):
    """`values` (B, H, L, D) as the parameter that a model would hold; the inverse of `view_of`."""
    if layout == "rows":  # (B, L, H, D), as a projection's output
        return values.transpose(1, 2).contiguous()
    if layout == "columns":  # (B, H, D, L), as a feature map of a convolution
        return values.transpose(2, 3).contiguous()
    if layout == "sparse":  # every other image of a batch
        wide = torch.zeros((2 * values.shape[0],) + tuple(values.shape[1:]), dtype=values.dtype)
        wide[::2] = values
        return wide
    return values


def view_of(leaf, layout):
    if layout == "rows":
        return leaf.transpose(1, 2)
    if layout == "columns":
        return leaf.transpose(2, 3)
    return leaf[::2] if layout == "sparse" else leaf


def fused_of(torch, q, k, v):
    """q, k, v as one (B, L, 3 H D) projection, to be cut by `chunk`."""
    return torch.cat([x.transpose(1, 2).flatten(2) for x in (q, k, v)], 2)


def operands_on_device(ctx, operands, layout):
    """(leaves, (q, k, v) as attention sees them)."""
    parts = (operands.q, operands.k, operands.v)
    if layout == "fused":
        leaf = ctx.tensor(fused_of(ctx.torch, *parts), grad=True)
        shape = tuple(operands.q.shape)
        split = [x.view(shape[0], shape[2], shape[1], shape[3]).transpose(1, 2) for x in leaf.chunk(3, 2)]
        return [leaf], split
    leaves = [ctx.tensor(leaf_of(ctx.torch, part, layout), grad=True) for part in parts]
    return leaves, [view_of(leaf, layout) for leaf in leaves]


def in_layout(ctx, parts, layout):
    """Gradients' values or bounds (dq, dk, dv), arranged as the leaves are."""
    if layout == "fused":
        return [fused_of(ctx.torch, *parts)]
    return [leaf_of(ctx.torch, part, layout) for part in parts]


def shared(torch, x, heads):
    """Key-value heads repeated for the query heads that share them."""
    return x if x.shape[1] == heads else x.repeat_interleave(heads // x.shape[1], 1)


def gathered(x, kv_heads):
    """The opposite: gradients of shared heads added up."""
    if x.shape[1] == kv_heads:
        return x
    return x.reshape((x.shape[0], kv_heads, -1) + tuple(x.shape[2:])).sum(2)


# --- the reference ----------------------------------------------------------------------------------------------------
Inside = namedtuple("Inside", "k v scores masked weights dp delta ds")
"""What attention computes on its way, float64: scores before and after the mask, weights, and their gradients."""


def inside(torch, operands):
    q, g, heads = operands.q, operands.g, operands.q.shape[1]
    k, v = shared(torch, operands.k, heads), shared(torch, operands.v, heads)
    scores = torch.matmul(q, k.transpose(2, 3)) * operands.scale
    masked = scores if operands.bias is None else scores + operands.bias
    if operands.allowed is not None:
        masked = masked.masked_fill(~operands.allowed, float("-inf"))
    powers = torch.exp(masked - masked.max(3, keepdim=True)[0])
    weights = powers / powers.sum(3, keepdim=True)
    dp = torch.matmul(g, v.transpose(2, 3))
    delta = (weights * dp).sum(3, keepdim=True)
    return Inside(k, v, scores, masked, weights, dp, delta, weights * (dp - delta))


def answer(torch, operands, found):
    """Output and gradients from `found` (Inside); of the bias in the bias's own shape."""
    kv_heads = operands.k.shape[1]
    return Answer(
        torch.matmul(found.weights, found.v),
        torch.matmul(found.ds, found.k) * operands.scale,
        gathered(torch.matmul(found.ds.transpose(2, 3), operands.q) * operands.scale, kv_heads),
        gathered(torch.matmul(found.weights.transpose(2, 3), operands.g), kv_heads),
        reduced(found.ds, operands.bias),
    )


def reduced(full, like):
    """`full` summed over the dimensions that `like` has been broadcast over; None for None."""
    if like is None:
        return None
    for dim in range(4):
        if like.shape[dim] == 1 and full.shape[dim] != 1:
            full = full.sum(dim, keepdim=True)
    return full


# --- the bounds -------------------------------------------------------------------------------------------------------
Errors = namedtuple("Errors", "unit eta product steps narrow")


def errors(ctx, operands, backend):
    """What this device's arithmetic may lose, see the module's docstring."""
    unit = 2.0**-ctx.precision
    eta = max(2.0 ** (ctx.format.emin - ctx.format.precision), 2.0**-126)
    split = 2.0**-20 if ctx.kind != "cpu" and ctx.dtype_name == "float32" else 0.0
    longest = max(operands.q.shape[2], operands.k.shape[2])
    steps = 0 if ctx.format.bits == 32 else (longest + 31) // 32 + operands.q.shape[1] // operands.k.shape[1]
    return Errors(unit, eta, lambda n: judge.gamma(1.25 * n + 4, 2.0**-23) + split, steps, narrow(ctx, backend))


def weight_error(torch, operands, found, lost):
    """E_P, elementwise."""
    kept = found.masked > float("-inf")
    masked = found.masked.masked_fill(~kept, 0.0)
    largest = found.masked.max(3, keepdim=True)[0]
    logarithm = largest + torch.log(torch.exp(found.masked - largest).sum(3, keepdim=True))
    products = torch.matmul(operands.q.abs(), found.k.abs().transpose(2, 3)) * operands.scale
    score = products * lost.product(operands.q.shape[3])
    score = score + 2.0**-22 * (found.scores.abs() + masked.abs() + largest.abs() + logarithm.abs())
    if lost.narrow:
        score = score + lost.unit * (2 * products + found.scores.abs() + masked.abs()) + operands.q.shape[3] * lost.eta
    relative = torch.expm1(score + 2.0**-22 * (masked - largest).abs()) + 4 * lost.unit + 8 * 2.0**-23
    alone = found.weights * relative.masked_fill(~kept, 0.0) + lost.eta * kept
    row = alone.sum(3, keepdim=True)
    certain = row < 0.5
    first = (alone + found.weights * row) / (1 - row.masked_fill(~certain, 0.0))
    return torch.where(certain, first, kept * (1 + 8 * lost.unit) + torch.zeros_like(first))


def bounds(ctx, operands, found, exact, backend):
    """Answer of the bounds of every output, float64; `exact` is the reference's Answer."""
    torch, lost = ctx.torch, errors(ctx, operands, backend)
    queries, keys, depth = operands.q.shape[2], operands.k.shape[2], operands.q.shape[3]
    weight = weight_error(torch, operands, found, lost)
    total, g = found.weights + weight, operands.g.abs()
    k, v, q = found.k.abs(), found.v.abs(), operands.q.abs()
    output = torch.matmul(weight + lost.product(keys + 10) * total, v)
    dp = torch.matmul(g, v.transpose(2, 3)) * lost.product(depth)
    if lost.narrow:
        dp = dp + lost.unit * found.dp.abs() + lost.eta
    stored = (g * (output + lost.unit * (exact.o.abs() + output) + lost.eta)).sum(3, keepdim=True)
    stored = stored + lost.product(depth) * (g * (exact.o.abs() + output)).sum(3, keepdim=True)
    summed = (weight * (found.dp.abs() + dp) + total * dp).sum(3, keepdim=True)
    delta = torch.maximum(stored, summed + lost.product(keys) * (total * (found.dp.abs() + dp)).sum(3, keepdim=True))
    ds = weight * ((found.dp - found.delta).abs() + dp + delta) + found.weights * (dp + delta)
    ds = ds + 2.0**-22 * total * (found.dp.abs() + found.delta.abs() + dp + delta)
    ds = ds + 2 * lost.unit * (found.ds.abs() + ds) + lost.eta * (found.weights > 0)
    size = found.ds.abs() + ds
    wide, tiny = (3 + lost.steps) * lost.unit, (3 + lost.steps) * lost.eta
    into_q = torch.matmul(ds + (lost.product(keys) + wide) * size, k) * operands.scale + tiny
    turned = (ds + (lost.product(queries) + wide) * size).transpose(2, 3)
    into_k = torch.matmul(turned, q) * operands.scale + tiny
    turned = (weight + (lost.product(queries) + wide) * total).transpose(2, 3)
    heads = operands.k.shape[1]
    into_v = torch.matmul(turned, g) + tiny
    into_bias = ds if operands.bias is None else ds + wide * size
    return Answer(output, into_q, gathered(into_k, heads), gathered(into_v, heads), reduced(into_bias, operands.bias))


# --- running ----------------------------------------------------------------------------------------------------------
def judged(ctx, operands, mask, layout, backend, want, bound):
    """Output and every gradient of one call against `want` within `bound` (Answers)."""
    try:
        with forced(ctx, backend):
            outs, wants, limits = on_device(ctx, operands, mask, layout, want, bound)
    except RuntimeError as error:
        if backend == "default" or not refused(error):
            raise
        return judge.skipped("the %s backend does not take these operands" % backend)
    names = ("output", "gradient of q, k, v") if layout == "fused" else ("output", "q", "k", "v", "bias")
    return ctx.all_of(
        *[within(ctx, got, right, limit, "(%s)" % name) for name, got, right, limit in zip(names, outs, wants, limits)]
    )


def within(ctx, got, want, limit, note):
    """INTERVAL; where every element is the very reference, as with exact operands, no bound needs to be rounded."""
    if tuple(got.shape) == tuple(want.shape) and ctx.torch.equal(ctx.values(got), want):
        return judge.passed(want.numel(), data={"bound_used": 0.0})
    return ctx.interval(got, want, limit, note=note)


def on_device(ctx, operands, mask, layout, want, bound):
    """(tensors, values, bounds): the output, then the gradient of every leaf."""
    leaves, (q, k, v) = operands_on_device(ctx, operands, layout)
    options, leaf = mask_options(ctx, operands, mask)
    if operands.scale != q.shape[3] ** -0.5:
        options["scale"] = operands.scale
    if q.shape[1] != k.shape[1]:
        options["enable_gqa"] = True
    out = ctx.torch.nn.functional.scaled_dot_product_attention(q, k, v, **options)
    view = "rows" if layout == "fused" else layout
    if view == "sparse":
        out.backward(ctx.tensor(operands.g))
    else:  # as a model goes on: the gradient arrives in the layout of what follows
        view_of(out, view).backward(ctx.tensor(leaf_of(ctx.torch, operands.g, view)))
    outs = [out] + [x.grad for x in leaves] + ([leaf.grad] if leaf is not None else [])
    wants, limits = (
        [x.o] + in_layout(ctx, (x.dq, x.dk, x.dv), layout) + ([x.dbias] if leaf is not None else [])
        for x in (want, bound)
    )
    return outs, wants, limits


def mask_options(ctx, operands, mask):
    """(keyword arguments, leaf of the bias or None) for `mask`: none, causal, bool, additive, finite or bias."""
    torch = ctx.torch
    if mask == "causal":
        return {"is_causal": True}, None
    if mask == "bool":
        return {"attn_mask": operands.allowed.to(ctx.device)}, None
    if mask == "additive":
        closed = torch.zeros(operands.allowed.shape, dtype=torch.float64).masked_fill(~operands.allowed, float("-inf"))
        return {"attn_mask": ctx.tensor(closed)}, None
    if mask in ("finite", "bias"):
        leaf = ctx.tensor(operands.bias, grad=mask == "bias")
        return {"attn_mask": leaf}, leaf if mask == "bias" else None
    return {}, None
