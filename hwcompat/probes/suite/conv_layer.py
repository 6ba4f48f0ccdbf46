"""A whole training step of the convolutions that networks are made of, with and without bias, twice, from any memory.

Hunts: faults that need a condition: only without bias (as before every BatchNorm), only with slices of channels
(https://github.com/pytorch/pytorch/issues/180984) or transposed operands, only channels_last, only a batch of 7, 8 or
more, only the last rows of a large image, only channel counts that are no multiple of 8 in the backward pass, a
backward pass that is right once and wrong the second time (https://github.com/Theano/Theano/issues/6435), gradients
that overwrite instead of adding up.
Rule: EXACT. Integer operands whose sums of absolute products stay within 2**p for every output (asserted), so that any
order and accumulator gives the same bits; the second step shows the images in the opposite order, so that the gradients
of weight and bias exactly double. Derivation and reference in spatial.py; where a library may transform its operands
(Winograd, FFT), an inexact output is a FEATURE if it meets every condition of transform.py.
"""

from ..spatial import Way, cases_of, layer

GROUP = "conv"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = True
SECONDS = 0.5
VERSION = 1

_BARE = Way(bias=False, twice=True)
_LAST = Way(bias=False, layout="last")
_BIASED_LAST = Way(layout="last", twice=True)
_CHUNK = Way(bias=False, view="chunk", twice=True)
_CHUNK_LAST = Way(layout="last", view="chunk")
_SWAPPED = Way(view="swapped")
_ONES = Way(bias=False, ones=True)

_ROWS = (
    (layer("3x3 16-24", 2, 16, (7, 9), 24, 3, padding=1), _BARE, _BIASED_LAST, _CHUNK, _CHUNK_LAST, _SWAPPED, _ONES),
    (layer("3x3 stride 2 12-20", 3, 12, (11, 9), 20, 3, stride=2, padding=1), _BARE, _BIASED_LAST, _CHUNK, _SWAPPED),
    (layer("1x1 24-40", 2, 24, (7, 9), 40, 1), _BARE, _BIASED_LAST, _CHUNK, _CHUNK_LAST, _SWAPPED, _ONES),
    (layer("1x1 stride 2 10-16", 2, 10, (9, 7), 16, 1, stride=2), _BARE, _BIASED_LAST, _SWAPPED),
    (layer("1x1 to classes 33-85", 2, 33, (5, 5), 85, 1), _BARE, _BIASED_LAST),
    (layer("6x6 stride 2 stem 3-16", 2, 3, (20, 18), 16, 6, stride=2, padding=2), _BARE, _LAST),
    (layer("4x4 stride 4 patches 3-24", 2, 3, (16, 20), 24, 4, stride=4), _BARE, _BIASED_LAST),
    (layer("2x2 stride 2 8-17", 3, 8, (8, 6), 17, 2, stride=2), Way(twice=True), _LAST),
    (layer("3x3 8-8 batch 33", 33, 8, (5, 3), 8, 3, padding=1), _BARE, _BIASED_LAST),
    (layer("3x3 stride 2 1-4 on 3x3", 7, 1, (3, 3), 4, 3, stride=2), _BARE, _BIASED_LAST),
    (layer("3x3 64-1", 2, 64, (6, 6), 1, 3, padding=1), _BARE, _LAST),
    (layer("1x1 3-5 on 1x3x259x131", 1, 3, (259, 131), 5, 1), _BARE, _LAST),
    (layer("3x3 stride 2 3-4 on 1x3x201x161", 1, 3, (201, 161), 4, 3, stride=2, padding=1), _BARE, _LAST),
)


def cases(ctx):
    return cases_of(ctx, _ROWS)
