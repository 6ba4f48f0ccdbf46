"""Linear layers as transformers use them: no bias, fused projections, one to eight rows, gradients that add up.

Hunts: faults that need a condition: only without bias, only one to eight rows (decoding), only inputs of three or four
dimensions, only sliced or transposed operands, only the second backward pass, gradients that overwrite instead of
adding up, a weight that is used twice (tied to an embedding), a gradient that is an expanded one.
Rule: EXACT. Integers whose sums of absolute products stay within 2**p for the output and every gradient (asserted); see
products.py. A second step into the same gradients doubles them.
Source: the shapes are those of GPT-2 (fused projections, tied embedding,
https://github.com/openai/gpt-2/blob/master/src/model.py) and LLaMA (no bias, https://arxiv.org/abs/2302.13971).
"""

from functools import partial

from .. import products
from ..products import Form

GROUP = "matmul"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = True
SECONDS = 0.3
VERSION = 1

_VIEWS = ("whole", "transposed", "strided", "offset")


def _linear(torch, x, w, b=None):
    return torch.nn.functional.linear(x, w, b)


# rows of the input, inputs, outputs
_LAYERS = (
    ((1,), 64, 96),
    ((2,), 128, 65),
    ((3,), 33, 32),
    ((4,), 96, 48),
    ((5,), 31, 17),
    ((7,), 72, 40),
    ((8,), 64, 128),
    ((), 48, 24),
    ((16,), 40, 1),
    ((65,), 1, 7),
    ((2, 9), 32, 48),
    ((1, 1), 64, 33),
    ((8, 1), 48, 64),
    ((2, 3, 5), 16, 24),
    ((129,), 17, 255),
    ((33, 8), 24, 31),
)


def cases(ctx):
    for lead, inputs, units in _LAYERS:
        for bias in (False, True):
            shapes = (lead + (inputs,), (units, inputs)) + (((units,),) if bias else ())
            form = Form("linear %s to %d, %s" % (shapes[0], units, "bias" if bias else "no bias"), shapes, _linear)
            yield form.label, partial(products.check, ctx, form, _VIEWS if lead in ((7,), (2, 9)) else _VIEWS[:2], True)
    for label, shapes, function in _NETWORKS:
        yield label, partial(products.check, ctx, Form(label, shapes, function), twice=True)


def _fused(torch, x, w, b):
    """One projection for queries, keys and values, cut in three and into heads, as attention takes them."""
    q, k, v = torch.nn.functional.linear(x, w, b).split(8, -1)
    heads = [part.reshape(2, 5, 2, 4).transpose(1, 2) for part in (q, k)]
    return torch.cat([(heads[0] @ heads[1].transpose(-2, -1)).flatten(1), v.flatten(1)], 1)


def _rectified(torch, x, up, down):
    return torch.nn.functional.linear(torch.nn.functional.linear(x, up).relu(), down)


def _tied(torch, x, w):
    """A weight used as projection and, transposed, back."""
    return torch.nn.functional.linear(x @ w, w)


def _summed(torch, x, w, b):
    """The gradient that reaches the layer is one number expanded."""
    return torch.nn.functional.linear(x, w, b).sum()


def _conv1d(torch, x, w, b):
    """GPT-2 keeps the weight the other way round and calls addmm on flattened rows."""
    return torch.addmm(b, x.reshape(-1, x.shape[-1]), w).reshape(x.shape[:-1] + w.shape[-1:])


def _last_token(torch, x, w):
    """Logits of the last position only, from a slice."""
    return torch.nn.functional.linear(x[:, -1], w)


_NETWORKS = (
    ("fused projections", ((2, 5, 8), (24, 8), (24,)), _fused),
    ("two layers with ReLU", ((3, 6, 8), (16, 8), (8, 16)), _rectified),
    ("tied weight", ((7, 9), (9, 5)), _tied),
    ("gradient of a sum", ((6, 8), (5, 8), (5,)), _summed),
    ("addmm on flattened rows", ((2, 7, 16), (16, 24), (24,)), _conv1d),
    ("last position", ((3, 5, 16), (33, 16)), _last_token),
)
