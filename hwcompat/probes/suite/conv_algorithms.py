"""Which of three ways to choose a convolution kernel is right: cuDNN's heuristics, cuDNN's benchmark, no cuDNN.

Hunts: faults of single cuDNN kernels. A user whose default kernels are wrong may still train with
`torch.backends.cudnn.benchmark = True` (the work-around that one Stable Diffusion front end switches on for GTX 16xx
cards, https://github.com/AUTOMATIC1111/stable-diffusion-webui/blob/master/modules/devices.py) or without cuDNN.
Rule: EXACT, each of the three against the reference and never against each other; operands and derivation as in
convolution.py. The result's data names each way with the number of geometries it got wrong.
"""

import contextlib
from functools import partial

from .. import convolution, execute, judge

GROUP = "conv"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
DEVICES = ("cuda",)
SECONDS = 2.0
VERSION = 1

_WAYS = (
    ("heuristic", {"enabled": True, "benchmark": False}),
    ("benchmark", {"enabled": True, "benchmark": True}),
    ("cudnn off", {"enabled": False, "benchmark": False}),
)
_NAMES = ("3x3 64-64", "3x3 stride 2 32-48", "3x3 5-7", "3x3 groups 2 32-32")


def cases(ctx):
    geometries = [g for g in convolution.GEOMETRIES if g.name in _NAMES]
    for direction in ("forward", "dgrad", "wgrad"):
        for layout in convolution.LAYOUTS:
            yield "%s %s" % (direction, layout), partial(compare, ctx, geometries, direction, layout)


def compare(ctx, geometries, direction, layout):
    """All geometries in all three ways: a failure that says which ways are right, or a pass."""
    wrong = {name: 0 for name, _ in _WAYS}
    details, checked = [], 0
    for geometry in geometries:
        operands = convolution.integer_operands(ctx, geometry, direction)
        want = convolution.reference(ctx.torch, geometry, direction, operands)
        for name, switches in _WAYS:
            judgement = _with(
                ctx, switches, partial(convolution.judged, ctx, geometry, direction, layout, operands, want)
            )
            checked += judgement.checked
            if judgement.status not in ("pass", "feature", "skipped"):
                wrong[name] += 1
                details.append("%s, %s: %s" % (name, geometry.name, judgement.detail))
    data = {"wrong with %s" % name: count for name, count in wrong.items()}
    if not checked and not details:
        return judge.skipped(judgement.detail)
    if not details:
        return judge.passed(checked, data=data)
    right = [name for name, count in wrong.items() if not count]
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
