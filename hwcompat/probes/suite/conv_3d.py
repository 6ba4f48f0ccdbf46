"""Three-dimensional convolutions, forward and backward, ordinary, factorised, grouped and transposed, in both layouts.

Hunts: wrong results of one back end and memory order (MPS, https://github.com/pytorch/pytorch/issues/197114), kernels
of last resort (some cuDNN releases have no good one for bf16, https://github.com/pytorch/pytorch/issues/166643), faults
of channels_last_3d, of one of the three dimensions, of groups.
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
SECONDS = 0.5
VERSION = 1

_BARE = Way(bias=False, twice=True)
_LAST = Way(bias=False, layout="last")
_BIASED = Way()
_BIASED_LAST = Way(layout="last", twice=True)
_CHUNK = Way(bias=False, view="chunk")
_SWAPPED = Way(view="swapped")


def _up(name, images, cin, size, cout, kernel, **options):
    return layer("transposed " + name, images, cin, size, cout, kernel, transposed=True, **options)


_ROWS = (
    (layer("3x3x3 8-8", 2, 8, (4, 5, 3), 8, 3, padding=1), _BARE, _BIASED_LAST, _CHUNK, _SWAPPED),
    (layer("3x3x3 stride 2 3-10", 2, 3, (7, 6, 9), 10, 3, stride=2, padding=1), _BARE, _BIASED_LAST),
    (layer("1x3x3 9-7", 2, 9, (3, 5, 6), 7, (1, 3, 3), padding=(0, 1, 1)), _BARE, _BIASED_LAST, _CHUNK),
    (layer("3x1x1 12-8", 2, 12, (5, 4, 3), 8, (3, 1, 1), padding=(1, 0, 0)), _BIASED, _LAST, _SWAPPED),
    (layer("1x1x1 16-20", 2, 16, (3, 4, 3), 20, 1), _BARE, _BIASED_LAST),
    (layer("2x4x4 patches 3-16", 2, 3, (4, 8, 12), 16, (2, 4, 4), stride=(2, 4, 4)), _BIASED, _LAST),
    (layer("3x3x3 dilation 1x2x2 4-5", 1, 4, (4, 6, 7), 5, 3, padding=(1, 2, 2), dilation=(1, 2, 2)), _BARE, _LAST),
    (layer("3x3x3 groups 2 6-8", 2, 6, (3, 4, 5), 8, 3, padding=1, groups=2), _BARE, _BIASED_LAST),
    (layer("3x3x3 depthwise 5", 3, 5, (4, 3, 5), 5, 3, padding=1, groups=5), _BIASED, _LAST),
    (layer("3x3x3 stride 1x2x2 2-3 large", 1, 2, (9, 33, 35), 3, 3, stride=(1, 2, 2), padding=1), _BARE, _LAST),
    (_up("2x2x2 stride 2 8-6", 2, 8, (2, 3, 3), 6, 2, stride=2), _BARE, _BIASED_LAST, _CHUNK),
    (_up("3x3x3 stride 2 4-4 groups 2", 2, 4, (3, 2, 3), 4, 3, stride=2, padding=1, extra=1, groups=2), _BIASED, _LAST),
)


def cases(ctx):
    return cases_of(ctx, _ROWS)
