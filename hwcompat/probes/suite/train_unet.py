"""Twenty steps of a small noise predictor (convolutions, group norm, attention, upsampling, a skip) against float64.

Hunts: gross faults anywhere in forward, backward and optimizer as the training of a diffusion model meets them
together: group norm and SiLU in both directions, self-attention over pixels, nearest upsampling, concatenation, the
embedding of the time step, a mean squared error whose gradient is small.
Rule: INTERVAL, the only statistical one: the distances of trajectories.py (losses along the run; gradients from the
same parameters) stay below mean + 31.6 sd of healthy runs, which by Cantelli's inequality a healthy run exceeds with
probability at most 1e-3 each, whatever the distribution. Moments over N seeds below, measured on a CPU with torch 2.13
by scripts/measure_trajectories.py; on other devices the limits are eight times as high (trajectories.py says why).
Source: the network is a small U-Net with attention and time steps, of the kind of https://arxiv.org/abs/2006.11239.
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
SECONDS = 0.3
VERSION = 1

N = {"float32": 200, "float16": 120, "bfloat16": 120}
MOMENTS = {
    "float32": Moments(1.47e-07, 3.06e-07, 3.6e-07, 1.07e-07),
    "float16": Moments(0.000101, 5.96e-05, 0.00179, 0.000717),
    "bfloat16": Moments(0.000775, 0.000356, 0.0141, 0.00517),
}

_IMAGES, _SIZE, _WIDTH, _GROUPS = 3, 14, 12, 3


def cases(ctx):
    yield "20 steps", partial(trajectories.check, ctx, NETWORK, data(ctx), MOMENTS)


def data(ctx):
    """Smooth images (one wave each) with a share of noise; the noise is the target, its share the time step."""
    torch = ctx.torch
    place = torch.arange(_SIZE, dtype=torch.float64) / _SIZE
    wave = ctx.integers((_IMAGES, 2, 1), 1, 3, "wave").double()
    line = (
        torch.sin(2 * torch.pi * wave * place) if hasattr(torch, "pi") else torch.sin(6.283185307179586 * wave * place)
    )
    image = line.unsqueeze(2) * line.unsqueeze(3)
    noise = ctx.normal((_IMAGES, 2, _SIZE, _SIZE), "noise")
    share = ctx.uniform((_IMAGES, 1, 1, 1), "share") * 0.5 + 0.25
    time = torch.cat([torch.sin(share * 2.0**n).reshape(_IMAGES, 1) for n in range(6)], 1)
    return {"x": image * (1 - share) + noise * share, "noise": noise, "time": time}


def loss(torch, p, data, _sides):
    f = torch.nn.functional
    enter, enter_g, enter_b, time, time_b, qkv, proj, middle, middle_g, middle_b, leave, leave_b = p
    h = f.silu(f.group_norm(f.conv2d(data["x"], enter, stride=2, padding=1), _GROUPS, enter_g, enter_b))
    h = h + f.linear(f.silu(data["time"]), time, time_b)[:, :, None, None]
    h = h + f.conv2d(_pixels(torch, f.conv2d(h, qkv)), proj)
    h = f.silu(f.group_norm(f.conv2d(h, middle), _GROUPS, middle_g, middle_b))
    wide = torch.cat([f.interpolate(h, scale_factor=2, mode="nearest"), data["x"].to(h.dtype)], 1)
    return f.mse_loss(f.conv2d(wide, leave, leave_b), data["noise"])


def _pixels(torch, qkv):
    """Self-attention of one head over all pixels, written out."""
    q, k, v = qkv.flatten(2).chunk(3, 1)
    weights = torch.softmax(torch.matmul(q.transpose(1, 2), k) * q.shape[1] ** -0.5, 2)
    return torch.matmul(v, weights.to(v.dtype).transpose(1, 2)).reshape(qkv.shape[0], _WIDTH, *qkv.shape[2:])


_SHAPES = (
    ("enter", (_WIDTH, 2, 3, 3), 0.3, 0.0),
    ("enter gamma", (_WIDTH,), 0.1, 1.0),
    ("enter beta", (_WIDTH,), 0.1, 0.0),
    ("time", (_WIDTH, 6), 0.3, 0.0),
    ("time bias", (_WIDTH,), 0.1, 0.0),
    ("qkv", (3 * _WIDTH, _WIDTH, 1, 1), 0.3, 0.0),
    ("proj", (_WIDTH, _WIDTH, 1, 1), 0.3, 0.0),
    ("middle", (_WIDTH, _WIDTH, 1, 1), 0.3, 0.0),
    ("middle gamma", (_WIDTH,), 0.1, 1.0),
    ("middle beta", (_WIDTH,), 0.1, 0.0),
    ("leave", (2, _WIDTH + 2, 1, 1), 0.2, 0.0),
    ("leave bias", (2,), 0.1, 0.0),
)

NETWORK = Network(_SHAPES, loss, "Adam", {"lr": 0.01}, 20, (0, 1, 2, 4, 8))
