"""One-dimensional convolutions, forward and backward, ordinary, depthwise, dilated and transposed.

Hunts: faults of the kernels that sequences reach (audio and text models): odd lengths, wide dilations, one channel a
group, feature vectors that lie last in memory, transposed upsampling, more than 65,536 sequences or channels
(https://github.com/pytorch/pytorch/issues/96225 and https://github.com/pytorch/pytorch/issues/129207). Libraries run
them as images of height 1, where other kernels are chosen than for pictures.
Rule: EXACT. Integer operands whose sums of absolute products stay within 2**p for every output (asserted), so that any
order and accumulator gives the same bits; derivation and reference in spatial.py; where a library may transform its
operands, an inexact output is a FEATURE if it meets every condition of transform.py. Source of the shapes: WaveNet
(https://arxiv.org/abs/1609.03499, dilations), Conformer (https://arxiv.org/abs/2005.08100, depthwise).
"""

from ..spatial import Way, cases_of, layer

GROUP = "conv"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.3
VERSION = 1

_BARE = Way(bias=False, twice=True)
_LAST = Way(bias=False, layout="last")
_BIASED = Way()
_BIASED_LAST = Way(layout="last", twice=True)
_CHUNK = Way(bias=False, view="chunk")

_ROWS = (
    (layer("1 wide 24-40", 3, 24, (33,), 40, 1), _BARE, _BIASED_LAST, _CHUNK),
    (layer("3 wide 16-20", 2, 16, (31,), 20, 3, padding=1), _BARE, _BIASED_LAST, _CHUNK),
    (layer("3 wide stride 2 10-16", 3, 10, (41,), 16, 3, stride=2, padding=1), _BARE, _BIASED_LAST),
    (layer("5 wide 9-11", 2, 9, (37,), 11, 5, padding=2), _BIASED, _LAST, _CHUNK),
    (layer("7 wide stride 2 1-16", 2, 1, (65,), 16, 7, stride=2, padding=3), _BARE, _LAST),
    (layer("9 wide 8-8", 2, 8, (29,), 8, 9, padding=4), _BARE, _BIASED_LAST),
    (layer("10 wide stride 5 1-12", 2, 1, (201,), 12, 10, stride=5), _BARE, _BIASED_LAST),
    (layer("2 wide dilation 4 8-8", 2, 8, (35,), 8, 2, dilation=4), _BARE, _LAST),
    (layer("3 wide dilation 8 12-12", 2, 12, (47,), 12, 3, padding=8, dilation=8), _BIASED, _BIASED_LAST, _CHUNK),
    (layer("3 wide depthwise 18", 3, 18, (27,), 18, 3, padding=1, groups=18), _BARE, _BIASED_LAST, _CHUNK),
    (layer("9 wide depthwise 16", 2, 16, (33,), 16, 9, padding=4, groups=16), _BIASED, _LAST),
    (layer("4 wide groups 4 16-8", 2, 16, (25,), 8, 4, stride=2, groups=4), _BARE, _BIASED_LAST),
    (layer("3 wide 2-3 on 4099", 1, 2, (4099,), 3, 3, padding=1), _BARE, _LAST),
    (layer("3 wide 4-5 batch 65", 65, 4, (3,), 5, 3, padding=1), _BARE, _BIASED_LAST),
    (layer("1 wide 1-2 batch 65537", 65537, 1, (1,), 2, 1), _BIASED),
    (layer("1 wide 1-65537", 1, 1, (2,), 65537, 1), _BIASED),
    (layer("transposed 4 wide stride 2 12-6", 2, 12, (17,), 6, 4, stride=2, padding=1, transposed=True), _BARE, _LAST),
    (
        layer("transposed 16 wide stride 8 6-5", 2, 6, (9,), 5, 16, stride=8, padding=4, transposed=True),
        _BIASED,
        _BIASED_LAST,
    ),
    (
        layer(
            "transposed 3 wide stride 2 7-7 depthwise", 2, 7, (11,), 7, 3, stride=2, extra=1, groups=7, transposed=True
        ),
        _BARE,
        _CHUNK,
    ),
)


def cases(ctx):
    return cases_of(ctx, _ROWS)
