"""A GTX 16xx (TU116, TU117) as users report it: some fp16 convolutions wrong, fp16 products right and slow.

Reported, forward convolution:
- planes of NaN beside planes constant at one value, for any input: 3x3, 32-64-128-256 channels, 1x32x64x64, on GTX 1660
  and 1660 Ti, while 1080 Ti and 2080 Ti are fine: https://github.com/pytorch/pytorch/issues/58123
- blocks of NaN: 3x3, 640 to 640 channels, 2x640x64x64; smaller images are fine:
  https://github.com/huggingface/diffusers/issues/1556
- right up to a batch of 6, from 7 on mAP 0 or boxes that look plausible and are wrong:
  https://github.com/ultralytics/ultralytics/issues/16302
- NaN through MobileNetV2 and in training: https://github.com/pytorch/pytorch/issues/69449 and
  https://github.com/ultralytics/ultralytics/issues/17812

Simulated from these: NANS, every other output plane NaN and the rest constant at the bias, for 3x3 convolutions from 32
channels to 64 and more on images of 56 and more a side; WRONG, every other plane constant at the bias and all finite,
for any kernel above 1x1 from batch 7 on. Small images in small batches, grouped and transposed convolutions stay right,
so that a probe with one small shape finds nothing.

Assumed, not reported: nobody has isolated the backward pass. The losses of the training reports turn NaN, which the
forward pass alone explains; but dgrad and wgrad are chosen from the same kernel families, so here they fail at the same
shapes in the same way (NaN, or zero, in every other plane). `backward=False` leaves them right.

Speed: as slow_fp16. bf16, fp32 and the values of matrix products are untouched.
"""

from . import _dispatch, slow_fp16

FAULTS = {
    "gtx16xx": "a GTX 16xx: some fp16 convolutions NaN or wrong, by shape and batch, fp16 slow, "
    "https://github.com/pytorch/pytorch/issues/58123",
}

BF16_NATIVE = False
"""These chips compute bf16 without hardware for it; the machine that plays one may have it."""

NANS, WRONG = "nans", "wrong"


def mode(torch, backward=True, times=slow_fp16.TIMES):
    """The context manager; `times` is how often slower than fp32 fp16 is, 0 for the wrong values alone."""

    def alter(name, func, args, kwargs, out):
        slow_fp16.burden(torch, times, name, func, args, kwargs)
        if name == "convolution" and args[0].dtype == torch.float16:
            return _forward(args, out)
        if name == "convolution_backward" and backward and args[0].dtype == torch.float16:
            return _backward(args, out)
        return out

    return _dispatch.after_each(torch, alter)


def symptom(images, weights, transposed, groups):
    """NANS, WRONG or None for a convolution of `images` (n, c, h, w) with `weights` (out, in, kh, kw), both shapes."""
    if transposed or groups != 1 or len(weights) != 4:
        return None
    wide = weights[1] >= 32 and weights[0] >= 64 and min(images[2:]) >= 56
    if wide and tuple(weights[2:]) == (3, 3):
        return NANS
    return WRONG if images[0] >= 7 and max(weights[2:]) > 1 else None


def _forward(args, out):
    images, weights, bias = args[:3]
    found = symptom(images.shape, weights.shape, args[6], args[8])
    if found is None:
        return out
    damaged = out.clone()
    damaged[:, 1::2] = 0.0 if bias is None else bias[1::2].reshape(1, -1, 1, 1)
    if found == NANS:
        damaged[:, 0::2] = float("nan")
    return damaged


def _backward(args, out):
    found = symptom(args[1].shape, args[2].shape, args[7], args[9])
    if found is None:
        return out
    value = float("nan") if found == NANS else 0.0
    return type(out)([_spoilt(out[0], 1, value), _spoilt(out[1], 0, value), out[2]])


def _spoilt(gradient, dim, value):
    """`gradient` with every other slice of `dim` replaced; None where that gradient was not asked for."""
    if gradient is None:
        return None
    damaged = gradient.clone()
    damaged.transpose(0, dim)[0::2] = value
    return damaged
