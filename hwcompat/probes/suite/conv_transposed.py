"""Transposed two-dimensional convolutions, forward and backward: the upsampling of UNets, decoders, segmentation heads.

Hunts: data-gradient kernels used as forward ones, a wrong border under output_padding, wrong strides, groups or
dilations, a bias lost in them, faults of one layout or of one memory order only.
Rule: EXACT. Integer operands whose sums of absolute products stay within 2**p for every output (asserted), so that any
order and accumulator gives the same bits. The reference is the adjoint of an ordinary convolution, tap by tap; see
spatial.py. Where a library may transform its operands (stride 1 only), an inexact output is a FEATURE if it meets every
condition of transform.py. Source of the definition: Dumoulin and Visin, A guide to convolution arithmetic,
https://arxiv.org/abs/1603.07285.
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
_CHUNK = Way(view="chunk")
_SWAPPED = Way(bias=False, view="swapped")


def _up(name, images, cin, size, cout, kernel, **options):
    return layer("transposed " + name, images, cin, size, cout, kernel, transposed=True, **options)


_ROWS = (
    (_up("2x2 stride 2 32-16", 2, 32, (6, 5), 16, 2, stride=2), _BARE, _BIASED_LAST, _CHUNK, _SWAPPED),
    (_up("3x3 stride 2 12-9", 2, 12, (5, 6), 9, 3, stride=2, padding=1, extra=1), _BARE, _BIASED_LAST, _CHUNK),
    (_up("4x4 stride 2 16-8", 3, 16, (5, 4), 8, 4, stride=2, padding=1), _BARE, _BIASED_LAST, _CHUNK, _SWAPPED),
    (_up("3x3 8-12", 2, 8, (6, 7), 12, 3, padding=1), _BIASED, _LAST),
    (_up("1x1 16-8", 2, 16, (5, 6), 8, 1), _BARE, _BIASED_LAST),
    (_up("4x4 stride 2 groups 4 16-8", 2, 16, (4, 5), 8, 4, stride=2, padding=1, groups=4), _BARE, _BIASED_LAST),
    (_up("4x4 stride 2 depthwise 7", 3, 7, (5, 5), 7, 4, stride=2, padding=1, groups=7), _BARE, _LAST),
    (_up("3x3 dilation 2 6-5", 2, 6, (5, 6), 5, 3, padding=2, dilation=2), _BIASED, _LAST),
    (_up("3x3 stride 2 dilation 2 5-6", 2, 5, (4, 5), 6, 3, stride=2, dilation=2, extra=1), _BARE, _BIASED_LAST),
    (_up("5x3 stride 3x1 7-4", 2, 7, (4, 5), 4, (5, 3), stride=(3, 1), padding=(1, 0), extra=(2, 0)), _BARE, _LAST),
    (_up("2x2 stride 2 4-3 on a large image", 1, 4, (67, 65), 3, 2, stride=2), _BARE, _LAST),
    (_up("2x2 stride 2 5-3 batch 17", 17, 5, (3, 2), 3, 2, stride=2), _BARE, _BIASED_LAST),
)


def cases(ctx):
    return cases_of(ctx, _ROWS)
