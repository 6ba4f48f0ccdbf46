"""Twenty steps of a one-layer language model (embedding, causal attention, GELU, cross entropy, AdamW) against float64.

Hunts: gross faults anywhere in forward, backward and optimizer as the training of a transformer meets them together,
among them masks that leak (the loss falls too fast), lost gradients of embeddings, a softmax or layer norm that drifts.
Rule: INTERVAL, the only statistical one: the distances of trajectories.py (losses along the run; gradients from the
same parameters) stay below mean + 31.6 sd of healthy runs, which by Cantelli's inequality a healthy run exceeds with
probability at most 1e-3 each, whatever the distribution. Moments over N seeds below, measured on a CPU with torch 2.13
by scripts/measure_trajectories.py; on other devices the limits are eight times as high (trajectories.py says why).
Source: the layer is that of GPT-2, layer norm before attention and before the multilayer perceptron
(https://arxiv.org/abs/1706.03762 for attention).
"""

from functools import partial

from .. import trajectories
from ..trajectories import Moments, Network

GROUP = "training"
LEVEL = "standard"
RULE = "INTERVAL"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
FEEDS = "amp"
SECONDS = 0.2
VERSION = 1

N = {"float32": 200, "float16": 200, "bfloat16": 120}
MOMENTS = {
    "float32": Moments(2.62e-06, 2.86e-06, 6.51e-07, 9.76e-08),
    "float16": Moments(0.000347, 0.000247, 0.00187, 0.000339),
    "bfloat16": Moments(0.00183, 0.00101, 0.0146, 0.00243),
}

_BATCH, _LENGTH, _WORDS, _WIDTH, _HEADS = 5, 19, 23, 24, 3


def cases(ctx):
    yield "20 steps", partial(trajectories.check, ctx, NETWORK, data(ctx), MOMENTS)


def data(ctx):
    """Sequences that count up modulo the vocabulary, each from its own start in steps of one to three."""
    start = ctx.integers((_BATCH, 1), 0, _WORDS - 1, "start")
    words = (start + ctx.torch.arange(_LENGTH + 1) * ctx.integers((_BATCH, 1), 1, 3, "step")) % _WORDS
    return {"words": words[:, :-1].contiguous(), "next": words[:, 1:].contiguous()}


def loss(torch, p, data, _sides):
    f = torch.nn.functional
    embedding, places, g1, b1, qkv, proj, g2, b2, up, up_bias, down, down_bias = p
    h = f.embedding(data["words"], embedding) + places
    q, k, v = f.linear(f.layer_norm(h, (_WIDTH,), g1, b1), qkv).split(_WIDTH, 2)
    q, k, v = (t.reshape(_BATCH, _LENGTH, _HEADS, -1).transpose(1, 2) for t in (q, k, v))
    mixed = _attention(torch, q, k, v).transpose(1, 2).reshape(_BATCH, _LENGTH, _WIDTH)
    h = h + f.linear(mixed, proj)
    h = h + f.linear(f.gelu(f.linear(f.layer_norm(h, (_WIDTH,), g2, b2), up, up_bias)), down, down_bias)
    scores = f.linear(h, embedding)
    return f.cross_entropy(scores.flatten(0, 1), data["next"].flatten())


def _attention(torch, q, k, v):
    """Causal attention by torch's operator, written out where the release has none."""
    f = torch.nn.functional
    if hasattr(f, "scaled_dot_product_attention"):
        return f.scaled_dot_product_attention(q, k, v, is_causal=True)
    hidden = torch.ones(_LENGTH, _LENGTH, dtype=torch.bool, device=q.device).triu(1)
    scores = (torch.matmul(q, k.transpose(2, 3)) * q.shape[-1] ** -0.5).masked_fill(hidden, float("-inf"))
    return torch.matmul(torch.softmax(scores, 3), v)


_SHAPES = (
    ("embedding", (_WORDS, _WIDTH), 0.2, 0.0),
    ("places", (_LENGTH, _WIDTH), 0.1, 0.0),
    ("gamma 1", (_WIDTH,), 0.1, 1.0),
    ("beta 1", (_WIDTH,), 0.1, 0.0),
    ("qkv", (3 * _WIDTH, _WIDTH), 0.25, 0.0),
    ("proj", (_WIDTH, _WIDTH), 0.2, 0.0),
    ("gamma 2", (_WIDTH,), 0.1, 1.0),
    ("beta 2", (_WIDTH,), 0.1, 0.0),
    ("up", (2 * _WIDTH, _WIDTH), 0.2, 0.0),
    ("up bias", (2 * _WIDTH,), 0.1, 0.0),
    ("down", (_WIDTH, 2 * _WIDTH), 0.2, 0.0),
    ("down bias", (_WIDTH,), 0.1, 0.0),
)

NETWORK = Network(_SHAPES, loss, "AdamW", {"lr": 0.004, "weight_decay": 0.05}, 20, (0, 1, 2, 4, 8))
