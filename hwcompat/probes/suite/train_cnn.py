"""Twenty steps of a small detector (three Conv-BN-SiLU stages, a head for box, objectness and class) against float64.

Hunts: gross faults anywhere in forward, backward and optimizer as the training of a YOLO meets them: NaN losses, losses
that stand still, gradients of one layer that are wrong while its outputs are right.
Rule: INTERVAL, the only statistical one: the distances of trajectories.py (losses along the run; gradients from the
same parameters) stay below mean + 31.6 sd of healthy runs, which by Cantelli's inequality a healthy run exceeds with
probability at most 1e-3 each, whatever the distribution. Moments over N seeds below, measured on a CPU with torch 2.13
by scripts/measure_trajectories.py; on other devices the limits are eight times as high (trajectories.py says why).
Source: the losses are those of YOLO detectors, binary cross entropy and complete IoU
(https://arxiv.org/abs/1911.08287).
"""

import math
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
VERSION = 3

N = {"float32": 200, "float16": 200, "bfloat16": 200}
MOMENTS = {
    "float32": Moments(4.87e-07, 1.13e-06, 9.29e-07, 1.59e-07),
    "float16": Moments(0.00435, 0.00853, 0.00221, 0.000549),
    "bfloat16": Moments(0.011, 0.0101, 0.0181, 0.00468),
}

_IMAGES, _SIZE, _GRID, _CLASSES = 5, 32, 4, 3
_WIDTHS = (3, 8, 12, 16)


def cases(ctx):
    yield "20 steps", partial(trajectories.check, ctx, NETWORK, data(ctx), MOMENTS)


def data(ctx):
    """Noise with one bright rectangle an image; its box (centre and size in cells), cell and class are the target."""
    torch = ctx.torch
    x = ctx.normal((_IMAGES, 3, _SIZE, _SIZE), "image") * 0.25
    corner = ctx.integers((_IMAGES, 2), 0, _SIZE // 2 - 1, "corner")
    extent = ctx.integers((_IMAGES, 2), 6, _SIZE // 2, "extent")
    label = ctx.integers((_IMAGES,), 0, _CLASSES - 1, "label")
    for n in range(_IMAGES):
        (left, top), (width, height) = corner[n].tolist(), extent[n].tolist()
        x[n, int(label[n]), top : top + height, left : left + width] += 2.0
    step = _SIZE // _GRID
    middle = (corner.double() + extent.double() / 2) / step
    cell = middle.floor().long().clamp(max=_GRID - 1)
    return {
        "x": x.to(torch.float64),
        "box": torch.cat([middle, extent.double() / step], 1),
        "cell": cell[:, 1] * _GRID + cell[:, 0],
        "label": label,
    }


def loss(torch, p, data, sides):
    """Mean over images of box loss, objectness over all cells and class of the cell that holds the centre."""
    f = torch.nn.functional
    h = data["x"]
    for stage in range(3):
        h = f.conv2d(h, p[3 * stage], stride=2, padding=1)
        h = f.silu(f.batch_norm(h, None, None, p[3 * stage + 1], p[3 * stage + 2], training=True))
    out = f.conv2d(h, p[9], p[10]).flatten(2).permute(0, 2, 1).to(p[0].dtype)
    rows = torch.arange(_IMAGES, device=out.device)
    chosen = out[rows, data["cell"]]
    objects = torch.zeros_like(out[..., 4]).index_put((rows, data["cell"]), torch.ones_like(out[:, 0, 4]))
    wanted = f.one_hot(data["label"], _CLASSES).to(out.dtype)
    return (
        (1 - _complete_iou(torch, _decoded(torch, chosen, data["cell"]), data["box"], sides)).mean()
        + f.binary_cross_entropy_with_logits(out[..., 4], objects)
        + f.binary_cross_entropy_with_logits(chosen[:, 5:], wanted)
    )


def _decoded(torch, out, cell):
    """Centre by sigmoid inside the cell, size by 4 sigmoid**2: (x, y, width, height) in cells."""
    corner = torch.stack([cell % _GRID, torch.div(cell, _GRID, rounding_mode="floor")], 1).to(out.dtype)
    return torch.cat([corner + 2 * torch.sigmoid(out[:, :2]) - 0.5, (2 * torch.sigmoid(out[:, 2:4])) ** 2], 1)


def _complete_iou(torch, one, two, sides):
    """IoU less the distance of the centres over the hull's diagonal, less the weighted difference of aspect ratios."""
    low, high = ([b[:, :2] + sign * b[:, 2:] / 2 for b in (one, two)] for sign in (-1, 1))
    shared = sides.smaller(torch, *high) - sides.larger(torch, *low)
    overlap = sides.larger(torch, shared, torch.zeros_like(shared)).prod(1)
    union = one[:, 2:].prod(1) + two[:, 2:].prod(1) - overlap + 1e-7
    iou = overlap / union
    hull = ((sides.larger(torch, *high) - sides.smaller(torch, *low)) ** 2).sum(1) + 1e-7
    apart = ((one[:, :2] - two[:, :2]) ** 2).sum(1)
    angles = [torch.atan(b[:, 2] / b[:, 3]) for b in (one, two)]
    shape = (4 / math.pi**2) * (angles[0] - angles[1]) ** 2
    weight = (shape / (shape - iou + (1 + 1e-7))).detach()
    return iou - apart / hull - weight * shape


def _shapes():
    found = []
    for stage, (inside, outside) in enumerate(zip(_WIDTHS, _WIDTHS[1:])):
        found += [
            ("conv %d" % stage, (outside, inside, 3, 3), (2 / (9 * inside)) ** 0.5, 0.0),
            ("gamma %d" % stage, (outside,), 0.1, 1.0),
            ("beta %d" % stage, (outside,), 0.1, 0.0),
        ]
    outputs = 5 + _CLASSES
    return tuple(found) + (("head", (outputs, _WIDTHS[-1], 1, 1), 0.1, 0.0), ("head bias", (outputs,), 0.1, 0.0))


NETWORK = Network(
    _shapes(), loss, "SGD", {"lr": 0.005, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}, 20, (0, 1, 2, 4, 8)
)
