"""Which of three ways to choose a convolution kernel is right: cuDNN's heuristics, cuDNN's benchmark, no cuDNN.

Hunts: faults of single cuDNN kernels, in every family of convolutions: ordinary, strided, dilated, grouped, depthwise,
transposed, of one and of three dimensions. A user whose default kernels are wrong may still train with
`torch.backends.cudnn.benchmark = True` (the work-around that one Stable Diffusion front end switches on for GTX 16xx
cards, https://github.com/AUTOMATIC1111/stable-diffusion-webui/blob/master/modules/devices.py) or without cuDNN.
Rule: EXACT, each of the three against the reference and never against each other; operands and derivation as in
convolution.py and spatial.py. The result's data names each way with the number of layers it got wrong; a way that does
not support a layer is not named there, since nothing is known of it.
"""

import contextlib
from functools import partial

from .. import convolution, execute, judge, spatial
from ..spatial import Way, layer

GROUP = "conv"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
DEVICES = ("cuda",)
SECONDS = 4.0
VERSION = 2

_WAYS = (
    ("heuristic", {"enabled": True, "benchmark": False}),
    ("benchmark", {"enabled": True, "benchmark": True}),
    ("cudnn off", {"enabled": False, "benchmark": False}),
)
_NAMES = ("3x3 64-64", "3x3 stride 2 32-48", "3x3 5-7", "3x3 groups 2 32-32")


_FAMILIES = (
    (
        "depthwise and grouped",
        layer("depthwise 3x3 32", 2, 32, (9, 9), 32, 3, padding=1, groups=32),
        layer("depthwise 5x5 stride 2 24", 2, 24, (11, 11), 24, 5, stride=2, padding=2, groups=24),
        layer("depthwise 7x7 16", 2, 16, (9, 9), 16, 7, padding=3, groups=16),
        layer("3x3 groups 4 32-32", 2, 32, (7, 7), 32, 3, padding=1, groups=4),
    ),
    (
        "dilated and rectangular",
        layer("3x3 dilation 2 16-24", 2, 16, (9, 9), 24, 3, padding=2, dilation=2),
        layer("3x3 dilation 4 stride 2 8-8", 2, 8, (13, 13), 8, 3, stride=2, padding=4, dilation=4),
        layer("1x7 16-16", 2, 16, (7, 9), 16, (1, 7), padding=(0, 3)),
        layer("5x5 6-16", 2, 6, (9, 9), 16, 5, padding=2),
    ),
    (
        "transposed",
        layer("transposed 2x2 stride 2 32-16", 2, 32, (6, 6), 16, 2, stride=2, transposed=True),
        layer("transposed 3x3 stride 2 16-8", 2, 16, (5, 5), 8, 3, stride=2, padding=1, extra=1, transposed=True),
        layer("transposed 4x4 stride 2 groups 2 16-8", 2, 16, (5, 5), 8, 4, stride=2, groups=2, transposed=True),
    ),
    (
        "one-dimensional",
        layer("3 wide 32-32", 2, 32, (33,), 32, 3, padding=1),
        layer("9 wide depthwise 16", 2, 16, (31,), 16, 9, padding=4, groups=16),
        layer("3 wide dilation 8 16-16", 2, 16, (41,), 16, 3, padding=8, dilation=8),
        layer("transposed 4 wide stride 2 16-8", 2, 16, (17,), 8, 4, stride=2, padding=1, transposed=True),
    ),
    (
        "three-dimensional",
        layer("3x3x3 16-16", 2, 16, (4, 6, 5), 16, 3, padding=1),
        layer("3x3x3 stride 2 8-16", 2, 8, (6, 7, 9), 16, 3, stride=2, padding=1),
        layer("1x3x3 groups 2 8-8", 2, 8, (3, 6, 5), 8, (1, 3, 3), padding=(0, 1, 1), groups=2),
        layer("transposed 2x2x2 stride 2 8-8", 2, 8, (3, 3, 3), 8, 2, stride=2, transposed=True),
    ),
)


def cases(ctx):
    geometries = [g for g in convolution.GEOMETRIES if g.name in _NAMES]
    for direction in ("forward", "dgrad", "wgrad"):
        for layout in convolution.LAYOUTS:
            rows = [(g.name, partial(_ordinary, ctx, g, direction, layout)) for g in geometries]
            yield "%s %s" % (direction, layout), partial(compare, ctx, rows)
    for family in _FAMILIES:
        for way in (Way(), Way(bias=False, layout="last")):
            rows = [(lay.name, partial(_step, ctx, lay, way)) for lay in family[1:]]
            yield "%s, %s" % (family[0], spatial.described(way)), partial(compare, ctx, rows)


def _ordinary(ctx, geometry, direction, layout):
    """A function that runs and judges this geometry; the reference is computed here, once."""
    operands = convolution.integer_operands(ctx, geometry, direction)
    want = convolution.reference(ctx.torch, geometry, direction, operands)
    return partial(convolution.judged, ctx, geometry, direction, layout, operands, want)


def _step(ctx, lay, way):
    """As `_ordinary`, for a forward and backward pass of a layer."""
    operands, want = spatial.integer_operands(ctx, lay)
    return partial(
        spatial.judged, ctx, lay, way, *((operands, want) if way.bias else spatial.without_bias(operands, want))
    )


def compare(ctx, rows):
    """All `rows` (name, prepare) in all three ways: a failure that says which ways are right, or a pass."""
    wrong = {name: 0 for name, _ in _WAYS}
    details, checked, missing = [], 0, {}
    for title, prepare in rows:
        run = prepare()
        for name, switches in _WAYS:
            judgement = _with(ctx, switches, run)
            checked += judgement.checked
            if judgement.status == "skipped":
                missing[name] = judgement.detail
            elif judgement.status not in ("pass", "feature"):
                wrong[name] += 1
                details.append("%s, %s: %s" % (name, title, judgement.detail))
    data = {"wrong with %s" % name: count for name, count in wrong.items() if count or name not in missing}
    if not checked and not details:
        return judge.skipped("; ".join(sorted(set(missing.values()))))
    if not details:
        return judge.passed(checked, data=data)
    right = [name for name, count in wrong.items() if not count and name not in missing]
    return judge.failed("right with: %s; %s" % (", ".join(right) or "none", details[0]), checked, data)


def _with(ctx, switches, function):
    """`function` under these switches of torch.backends.cudnn.

    An operator that raises while the device stays sound counts as wrong, an unsupported one as skipped.
    """
    with _switched(ctx.torch.backends.cudnn, switches):
        try:
            judgement = function()
            ctx.synchronize()
        except RuntimeError as error:
            status = execute.classify(error)
            if status not in ("crash", "unsupported") or not execute.healthy(ctx.torch, ctx.device):
                raise
            text = "raises %s" % " ".join(str(error).split())[:200]
            judgement = judge.failed(text, 0) if status == "crash" else judge.skipped(text)
    return judgement


@contextlib.contextmanager
def _switched(module, switches):
    saved = {name: getattr(module, name) for name in switches}
    try:
        for name, value in switches.items():
            setattr(module, name, value)
        yield
    finally:
        for name, value in saved.items():
            setattr(module, name, value)
