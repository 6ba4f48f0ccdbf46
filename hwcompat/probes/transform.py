"""The second tier of the convolution probes: algorithms that transform their operands (Winograd, FFT) are not exact.

They compute y = A [(G w) * (B x)], so that each product passes through transformed values larger than itself. With X
and W the largest absolute operands and C products of transformed tiles in a sum, every output's sum of absolute
intermediate products is at most C * X * W * F**2, where for one dimension F = max_i sum_k |A|_ik (sum_j |G|_kj) (sum_j
|B|_kj), nested twice for two dimensions. Carrying every intermediate in fp32 (relative error 2**-23 each, truncation
included) gives

    |error| <= gamma(n, 2**-23) * C * X * W * F**2,      n = C + ceil(C / 4) + 200

C + C/4 for the block-wise channel sum, as in a matrix product. A Winograd tile has at most 8 points a dimension, hence
at most 2 * (8 + 5 + 8) roundings in its transforms; a two-dimensional FFT up to 256 x 256 has 3 passes of 16 stages
with a relative error of at most (1 + 4 * 1.42) * 2**-24 a stage (Higham, Accuracy and Stability, section 24.1), below
170 * 2**-23 with the complex product: 200 covers either. For the FFT, F**2 becomes |x|_2 |w|_2 / (X W) <= sqrt(H W) * k
for each image (a convolution's entries are at most the product of the norms). Where a tensor-core unit needs its
transformed fp16 tiles as fp16, two more roundings of 2**-11 apply to each product. F below: Toom-Cook matrices on 0,
+-1, +-2, +-1/2, infinity, recomputed with fractions in the tests; Lavin and Gray, https://arxiv.org/abs/1509.09308;
error growth: Barabasz and others, https://arxiv.org/abs/1803.10986.

Such an output is a legal variation (FEATURE `conv_alg`) only where the geometry admits a transform (kernel > 1, stride
1, dilation 1: cuDNN's restriction), where everything is finite, where the same operation on constant operands stays
inside the bound (constants make all products equal, so that the bound is a small share of every result, and zeros, lost
planes and wrong factors are far outside), and if in addition

  16 bits, fp32 tiles: the nearest integers are the exact result. The operands are integers, and such noise shows only
  where the ulp of the output is smaller, that is near zero. A fault that changes low bits of small outputs only, in
  these geometries only, would pass for it; the other geometries and the matrix products are strict about low bits.
  fp32, or fp16 tiles: all errors are inside the bound, and more than half of the output planes hold one. A fault of one
  tile or of half the channels leaves the other planes exact.

Anything else is a fault. F(2 x 2, 3 x 3) has no factors but 1/2 and is exact on such integers.
"""

from . import judge

# kernel: ((outputs m a tile and dimension, F forward and dgrad, F wgrad), ...), rounded up.
FACTORS = {
    3: ((2, 8.0, 6.0), (4, 48.0, 54.0), (6, 68.0, 99.0)),
    5: ((2, 58.0, 41.0), (4, 87.0, 78.0)),
}


def possible(ctx, geometry):
    """True where a library may use a transform; 16-bit kernels of the CPU are direct."""
    if ctx.kind == "cpu" and ctx.dtype_name != "float32":
        return False
    kernel, stride, dilation = (_each(geometry, word) for word in ("kernel", "stride", "dilation"))
    return max(kernel) > 1 and set(stride) | set(dilation) == {1}


def bounds(ctx, geometry, direction, first, second):
    """((storage, absolute bound), ...): fp32 intermediates first, then 16-bit ones where a unit has them.

    `geometry` is a Geometry of convolution.py or a Layer of spatial.py that is not transposed.
    """
    size = _size(geometry, direction)
    count = _terms(geometry, direction)
    steps = (count + -(-count // 4) + 200) * 2.0**-23
    gamma = steps / (1 - steps)
    scale = first * second * size
    yield "float32", scale * gamma
    if ctx.dtype_name == "float16":
        yield "float16", scale * (gamma + 2 * 2.0**-11 * (1 + gamma) + 2.0**-22)


def _each(geometry, word):
    """The entries of a field for all dimensions."""
    value = getattr(geometry, word)
    return value if isinstance(value, tuple) else (value, value)


def _sizes(geometry):
    return geometry.size if hasattr(geometry, "size") else (geometry.height, geometry.width)


def _terms(geometry, direction):
    """Products of transformed tiles in one output: channels, or for wgrad tiles (2 outputs a dimension are the
    smallest)."""
    if direction == "wgrad":
        return geometry.images * _tiles(geometry, 2)
    return (geometry.cin if direction == "forward" else geometry.cout) // geometry.groups


def _size(geometry, direction):
    """C * F**2 of the worst algorithm; F in one dimension. No library transforms three dimensions by Winograd."""
    kernel = _each(geometry, "kernel")
    spread = _product(n + 2 * p for n, p in zip(_sizes(geometry), _each(geometry, "padding")))
    if direction == "wgrad":
        tiled = [_tiles(geometry, m) * _nested(kernel, m, 2) for m in (2, 4, 6)]
        return geometry.images * max([float(spread)] + tiled)
    fourier = (spread * _product(kernel)) ** 0.5
    return _terms(geometry, direction) * max([fourier] + [_nested(kernel, m, 1) for m in (2, 4, 6)])


def _nested(kernel, outputs, column):
    """F of the (at most two) dimensions that a Winograd tile of `outputs` spans, times the taps of a third one."""
    pairs = sorted(((_factor(k, outputs, column), k) for k in kernel), reverse=True)
    return _product(factor for factor, _ in pairs[:2]) * _product(k for _, k in pairs[2:])


def _factor(kernel, outputs, column):
    """F of one dimension for a Winograd tile of `outputs`; 1 where the tables know none."""
    return next((row[column] for row in FACTORS.get(kernel, ()) if row[0] == outputs), 1.0)


def _product(values):
    total = 1
    for value in values:
        total = total * value
    return total


def _tiles(geometry, outputs):
    """Tiles of one image; a dimension that is not transformed counts its points."""
    rows = zip(_each(geometry, "kernel"), _sizes(geometry), _each(geometry, "padding"))
    return _product(-(-(n + p) // outputs) if _factor(k, outputs, 1) > 1 else n + p for k, n, p in rows)


def recorded(storage, detail, checked):
    return judge.feature("%s (%s intermediates)" % (detail, storage), {"conv_alg": "transform"}, checked)


def explains(ctx, storage, bound, values, want):
    """True if a transform with intermediates in `storage` explains how decoded `values` differ from `want`."""
    if not bool(ctx.torch.isfinite(values).all()):
        return False
    if storage == "float32" and ctx.dtype_name != "float32":
        return nearest(values, want)
    allowed = bound + 2.0**-ctx.precision * (want.abs() + bound)  # the output's own rounding: half an ulp
    return most_planes(values != want) and bool(((values - want).abs() <= allowed).all())


def nearest(values, want):
    """True if every value rounds to the integer it should be."""
    return bool((values.round() == want).all())


def most_planes(wrong):
    """True if more than half of the (first, second index) planes hold a wrong element."""
    planes = wrong.flatten(2).any(2)
    return 2 * int(planes.sum()) > planes.numel()
