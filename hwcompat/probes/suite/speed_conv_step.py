"""One training step of a small convolution net: AMP against fp32 in time and peak memory, NCHW against channels_last.

Hunts: AMP that is correct and slower than fp32 (a GTX 1650 ran fp16 NHWC convolutions at a tenth of its fp32 speed,
https://github.com/LeelaChessZero/lc0/issues/849), so that `amp: true` costs time instead of saving it.
Rule: SPEED. The step is the user's: zero_grad, autocast forward, loss, (scaled) backward, optimiser step; fp32 runs
with torch's own defaults, which allow TF32 in cuDNN (the note says where they do). All variants share the rounds and
the starting weights; each AMP precision meets fp32 at one batch, grown until neither gains images a second.
Figures, ratios paired by round, above 1 is better: amp_fp16_speedup and amp_bf16_speedup (fp32 time over AMP time, both
NCHW); fp32_, amp_fp16_ and amp_bf16_channels_last_speedup (NCHW time over channels_last time of the same precision).
On CUDA: fp32_peak_mb, amp_fp16_peak_mb, amp_bf16_peak_mb (10**6 bytes that the step, its model included, allocates, all
at the larger of the batches).
"""

import contextlib
import gc
from functools import partial

from .. import timing, torch_state

GROUP = "speed"
RULE = "SPEED"
DTYPES = ("float32",)
FEEDS = ""
SECONDS = 5.0
VERSION = 1

_AUTOCAST = {"fp32": None, "amp_fp16": "float16", "amp_bf16": "bfloat16"}
_AMP = ("amp_fp16", "amp_bf16")
_TF32 = {"backends.cudnn.allow_tf32": True, "backends.cuda.matmul.allow_tf32": False}
"""What torch starts with:
https://docs.pytorch.org/docs/stable/notes/cuda.html#tensorfloat-32-tf32-on-ampere-and-later-devices"""


def cases(ctx):
    missing: dict[str, str] = {}
    yield "training step", partial(measure, ctx, missing)
    for name, reason in missing.items():
        yield "training step " + name, partial(timing.left_out, reason)


def measure(ctx, missing):
    torch_state.write_switches(ctx.torch, _TF32)
    reasons = {name: why_no_autocast(ctx, name) for name in _AMP}
    missing.update({name: reason for name, reason in reasons.items() if reason})
    names = [name for name in _AMP if not reasons[name]]
    batches = {name: batch_for(ctx, name) for name in names} or {"fp32": batch_for(ctx, "fp32")}
    steps = {key: training_step(ctx, *key) for key in _variants(batches)}
    seconds = timing.interleaved(ctx, steps, 1.0, 6.0 if ctx.large else 3.0)
    data = figures(seconds, batches, "; fp32 with TF32 convolution" if _uses_tf32(ctx) else "")
    del steps
    data.update(_peaks(ctx, ["fp32"] + names, max(batches.values())))
    return timing.measured(data)


def batch_for(ctx, name):
    """The batch at which neither fp32 nor the precision `name` gains any more, or which is as far as limits allow."""
    return timing.saturate(
        ctx,
        _batches(ctx),
        make=lambda size: {other: training_step(ctx, other, size) for other in {"fp32": 0, name: 0}},
        work=lambda size: size,
        nbytes=partial(step_bytes, ctx),
        ceiling=_ceiling(ctx),
    )[0]


def _variants(batches):
    """(precision, batch, layout) of every step to time: each AMP precision and fp32 at the same batch."""
    keys = {(other, batch): 0 for name, batch in batches.items() for other in ("fp32", name)}
    return [key + (layout,) for key in keys for layout in ("nchw", "nhwc")]


def figures(seconds, batches, remark=""):
    """The ratios; `seconds` by (precision, batch, layout), `remark` what else to note of the fp32 step."""
    data = {}
    for name, batch in batches.items():
        note = "batch %d" % batch
        if name != "fp32":
            steps = seconds["fp32", batch, "nchw"], seconds[name, batch, "nchw"]
            data[name + "_speedup"] = timing.ratio(*steps, note=note + remark)
        for other in ("fp32", name):
            layouts = seconds[other, batch, "nchw"], seconds[other, batch, "nhwc"]
            data[other + "_channels_last_speedup"] = timing.ratio(*layouts, note=note)
    return data


# --- the step ---------------------------------------------------------------------------------------------------------


def training_step(ctx, name, batch, layout="nchw"):
    """A callable that does one whole training step of the precision `name` (a key of _AUTOCAST)."""
    torch = ctx.torch
    model, images, labels = _model(ctx), _images(ctx, batch), _labels(ctx, batch)
    if layout == "nhwc":
        model, images = (thing.to(memory_format=torch.channels_last) for thing in (model, images))
    optimiser = torch.optim.SGD(model.parameters(), lr=2.0**-10, momentum=0.875)
    scaler = _scaler(ctx) if _AUTOCAST[name] == "float16" else None

    def step():
        optimiser.zero_grad(set_to_none=True)
        with autocast(ctx, _AUTOCAST[name]):
            loss = torch.nn.functional.cross_entropy(model(images), labels)
        (scaler.scale(loss) if scaler else loss).backward()
        if scaler:
            scaler.step(optimiser)
            scaler.update()
        else:
            optimiser.step()

    return step


def autocast(ctx, dtype_name):
    if dtype_name is None:
        return contextlib.nullcontext()
    return ctx.torch.autocast(ctx.kind, dtype=getattr(ctx.torch, dtype_name))


def _scaler(ctx):
    """torch.amp.GradScaler from 2.3 on; before, only CUDA had one, elsewhere."""
    if hasattr(ctx.torch.amp, "GradScaler"):
        return ctx.torch.amp.GradScaler(ctx.kind)
    if ctx.kind != "cuda":
        raise NotImplementedError("GradScaler is not available for %s in this torch" % ctx.kind)
    return ctx.torch.cuda.amp.GradScaler()


def why_no_autocast(ctx, name):
    """None if a step of the AMP precision `name` runs here and really computes in its dtype, else the reason."""
    casts = timing.why_not(ctx, partial(_demand_cast, ctx, _AUTOCAST[name]))
    return casts or timing.why_not(ctx, lambda: training_step(ctx, name, _batches(ctx)[0])())


def _demand_cast(ctx, dtype_name):
    """Older releases warn and leave autocast off where they lack a dtype; the ratio would be fp32 against fp32."""
    with autocast(ctx, dtype_name):
        got = _model(ctx)[0](_images(ctx, 1)).dtype
    if got != getattr(ctx.torch, dtype_name):
        raise NotImplementedError("autocast to %s is not supported: the convolution gave %s" % (dtype_name, got))


# --- the net and its inputs -------------------------------------------------------------------------------------------


def _width(ctx):
    return 64 if ctx.large else 16


def _side(ctx):
    return 224 if ctx.large else 64


def _batches(ctx):
    if ctx.large:
        return (4, 8, 16, 32, 64, 128, 256)
    return (2, 4, 8, 16, 32)


def _ceiling(ctx):
    """Seconds a step: 15 rounds of eight variants then fit the seconds that `measure` allows.

    50 ms are tens of times what launching the 200 or so kernels of a step costs, so the device is the limit there.
    """
    return 0.05 if ctx.large else 0.025


def _model(ctx):
    """Convolution, batch norm and SiLU, five times, as detection nets have them; then a linear classifier."""
    torch, width = ctx.torch, _width(ctx)
    torch.manual_seed(ctx.seed)
    layers, before = [], 3
    for after, kernel, stride in (
        (width, 3, 2),
        (2 * width, 3, 2),
        (2 * width, 3, 1),
        (4 * width, 3, 2),
        (4 * width, 1, 1),
    ):
        layers += [
            torch.nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False),
            torch.nn.BatchNorm2d(after),
            torch.nn.SiLU(),
        ]
        before = after
    layers += [torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(before, 16)]
    return torch.nn.Sequential(*layers).to(ctx.device)


def _images(ctx, batch):
    """One random image, repeated: speed does not depend on the images being different."""
    one = ctx.tensor(ctx.uniform((1, 3, _side(ctx), _side(ctx)), "image"), dtype_name="float32")
    return one.repeat(batch, 1, 1, 1)


def _labels(ctx, batch):
    return ctx.integers((batch,), 0, 15, "labels").to(ctx.device)


def step_bytes(ctx, batch):
    """An upper estimate of what the step allocates: activations in fp32, three a layer kept, as much again for
    gradients.

    With w channels at half of the side s the feature maps of the five layers hold (1/4 + 2/16 + 2/16 + 4/64 + 4/64) w
    s**2 = 5/8 w s**2 numbers an image; weights, below 0.5 M numbers, count four times (value, gradient, momentum,
    16-bit copy).
    """
    maps = 0.625 * _width(ctx) * _side(ctx) ** 2
    return int(4 * (maps * 3 * 2 * batch + 4 * 500000))


# --- facts beside the time --------------------------------------------------------------------------------------------


def _uses_tf32(ctx):
    """True where cuDNN may use TF32 for fp32 convolutions: the switch is on and the device has the format."""
    if ctx.kind != "cuda" or ctx.torch.version.hip or ctx.torch.cuda.get_device_capability(ctx.device) < (8, 0):
        return False
    return bool(torch_state.read_switches(ctx.torch).get("backends.cudnn.allow_tf32", False))


def _peaks(ctx, names, batch):
    """Peak memory of each precision's step by itself; empty where torch keeps no such count."""
    if ctx.kind != "cuda":
        return {}
    gc.collect()  # what earlier steps still hold in cycles would be counted as there before, and freed in between
    return {name + "_peak_mb": _peak(ctx, name, batch) for name in names}


def _peak(ctx, name, batch):
    cuda = ctx.torch.cuda
    ctx.synchronize()
    before = cuda.memory_allocated(ctx.device)
    step = training_step(ctx, name, batch)
    step()  # the optimiser makes its state in the first step
    cuda.reset_peak_memory_stats(ctx.device)
    step()
    ctx.synchronize()
    return timing.measurement([(cuda.max_memory_allocated(ctx.device) - before) * 1e-6], "MB", "batch %d" % batch)
