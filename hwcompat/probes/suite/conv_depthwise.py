"""Depthwise and grouped convolutions, forward and backward, as in MobileNet, ShuffleNet, EfficientNet, ConvNeXt.

Hunts: faults of the kernels that libraries keep for one channel a group (kernel 3, 5, 7, stride, dilation, several
outputs a channel) and for grouped products: NaN or zeros on GTX 16xx cards
(https://github.com/pytorch/pytorch/issues/69449 is a MobileNet), a wrong weight gradient for more than one image,
wrong results for more than one image of a tall kernel (on MPS, https://github.com/pytorch/pytorch/issues/188335).
Rule: EXACT. Integer operands whose sums of absolute products stay within 2**p for every output (asserted), so that any
order and accumulator gives the same bits; derivation and reference in spatial.py; where a library may transform its
operands, an inexact output is a FEATURE if it meets every condition of transform.py.
"""

from ..spatial import Way, cases_of, layer

GROUP = "conv"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.4
VERSION = 1

_BARE = Way(bias=False, twice=True)
_LAST = Way(bias=False, layout="last")
_BIASED = Way()
_BIASED_LAST = Way(layout="last", twice=True)
_CHUNK = Way(bias=False, view="chunk")
_SWAPPED = Way(view="swapped")


def _depthwise(name, channels, size, kernel, multiplier=1, images=3, **options):
    title = "depthwise %s %d" % (name, channels)
    return layer(title, images, channels, size, channels * multiplier, kernel, groups=channels, **options)


_ROWS = (
    (_depthwise("3x3", 24, (9, 7), 3, padding=1), _BARE, _BIASED_LAST, _CHUNK, _SWAPPED),
    (_depthwise("3x3 stride 2", 58, (7, 7), 3, stride=2, padding=1), _BARE, _BIASED_LAST, _CHUNK),
    (_depthwise("5x5", 12, (7, 9), 5, padding=2), _BARE, _LAST, _CHUNK),
    (_depthwise("5x5 stride 2", 16, (10, 11), 5, stride=2, padding=2), _BIASED, _BIASED_LAST),
    (_depthwise("7x7", 16, (7, 9), 7, padding=3, images=2), _BIASED, _BIASED_LAST, _CHUNK),
    (_depthwise("3x3 dilation 2", 9, (8, 9), 3, padding=2, dilation=2), _BARE, _BIASED_LAST),
    (_depthwise("3x3 dilation 6", 8, (13, 15), 3, padding=6, dilation=6, images=1), _BIASED, _LAST),
    (_depthwise("3x3 twice as many out", 10, (8, 7), 3, 2, padding=1), _BARE, _BIASED_LAST),
    (_depthwise("1x5", 8, (6, 9), (1, 5), padding=(0, 2)), _BARE, _LAST),
    (_depthwise("260x1 twice as many out", 4, (265, 3), (260, 1), 2, images=2), Way(bias=False)),
    (_depthwise("3x3 on a large image", 3, (67, 131), 3, padding=1, images=1), _BARE, _LAST),
    (_depthwise("3x3 batch 17", 7, (4, 5), 3, padding=1, images=17), _BARE, _BIASED_LAST),
    (layer("3x3 groups 3 24-24", 2, 24, (7, 8), 24, 3, padding=1, groups=3), _BARE, _BIASED_LAST, _CHUNK),
    (layer("3x3 groups 8 32-32", 3, 32, (6, 5), 32, 3, padding=1, groups=8), _BIASED, _BIASED_LAST, _SWAPPED),
    (layer("1x1 groups 4 20-36", 2, 20, (6, 7), 36, 1, groups=4), _BARE, _BIASED_LAST, _CHUNK),
    (layer("3x3 stride 2 groups 2 10-14", 2, 10, (9, 9), 14, 3, stride=2, padding=1, groups=2), _BIASED, _LAST),
    (layer("3x3 groups of 2 to 1 12-6", 2, 12, (6, 7), 6, 3, padding=1, groups=6), _BARE, _BIASED_LAST),
    (layer("3x3 dilation 2 groups 2 8-8", 2, 8, (9, 8), 8, 3, padding=2, dilation=2, groups=2), _BIASED, _LAST),
)


def cases(ctx):
    return cases_of(ctx, _ROWS)
