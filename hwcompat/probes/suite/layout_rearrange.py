"""Flips, rolls, triangles, pixel and channel shuffles, padding and unfolding, forward and backward.

Hunts: an index off by one at a border, a wrong order of channels, rows and columns swapped, padding that reflects the
border element itself, gradients of overlapping patches or of reflected borders that are lost, kernels of one layout.
Rule: EXACT. Forward only moves bits (every kind of number; the fill value is a small number); a gradient is a move too,
or a sum of at most 27 integers within +-3, below 2**p, where elements are used several times (padding by reflection,
replication or around a circle; overlapping patches).
Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.pad.html,
https://docs.pytorch.org/docs/stable/generated/torch.nn.PixelShuffle.html.
"""

from functools import partial

from .. import movement

GROUP = "layout"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.3
VERSION = 1

_LAYOUTS = ("contiguous", "channels_last", "transposed")
# (mode, shape, amounts from the last dimension on)
_PADS = (
    ("constant", (2, 3, 5, 7), (1, 2, 0, 3)),
    ("constant", (2, 16, 6, 8), (-1, 2, 1, -2)),
    ("constant", (3, 5, 33), (0, 31)),
    ("constant", (2, 3, 4, 4), (1, 1, 1, 1, 2, 0)),
    ("reflect", (2, 3, 5, 7), (2, 3, 1, 4)),
    ("reflect", (1, 66, 4, 3), (1, 1, 1, 1)),
    ("reflect", (2, 3, 9), (8, 3)),
    ("reflect", (1, 2, 3, 4, 5), (1, 2, 3, 0, 1, 1)),
    ("replicate", (2, 3, 5, 7), (2, 3, 1, 4)),
    ("replicate", (1, 9, 3, 4), (1, 1, 1, 1)),
    ("replicate", (2, 3, 9), (2, 3)),
    ("replicate", (1, 2, 3, 4, 5), (1, 2, 1, 0, 1, 1)),
    ("circular", (2, 3, 5, 7), (2, 3, 1, 4)),
    ("circular", (2, 3, 9), (2, 3)),
    ("circular", (1, 2, 3, 4, 5), (1, 1, 1, 1, 1, 1)),
)


def cases(ctx):
    for label, shape, function in _moves(ctx):
        for layout in _LAYOUTS:
            if layout != "channels_last" or len(shape) > 3:
                yield (
                    "%s %s %s" % (label, shape, layout),
                    partial(movement.check_move, ctx, function, [shape], layout, label),
                )
    for mode, shape, amounts in _PADS:
        for layout in _LAYOUTS:
            if layout != "channels_last" or len(shape) > 3:
                yield (
                    "%s padding %s of %s %s" % (mode, amounts, shape, layout),
                    partial(pad, ctx, mode, shape, amounts, layout),
                )
    for kernel, dilation, padding, stride in (
        (3, 1, 1, 1),
        (2, 1, 0, 2),
        ((3, 2), (2, 1), (1, 0), (2, 1)),
        (1, 1, 0, 1),
    ):
        for layout in _LAYOUTS:
            label = "unfold and fold k%s d%s p%s s%s %s" % (kernel, dilation, padding, stride, layout)
            yield label, partial(patches, ctx, (kernel, dilation, padding, stride), layout)


def _moves(ctx):
    torch = ctx.torch
    functional = torch.nn.functional
    image, odd = (2, 8, 6, 10), (3, 5, 7, 9)
    table = [
        ("flip of the last dimension", odd, lambda x: x.flip(-1)),
        ("flip of two dimensions", odd, lambda x: x.flip(1, 2)),
        ("flip of the first dimension", (65, 17), lambda x: torch.flip(x, (0,))),
        ("flip of a line", (1027,), lambda x: x.flip(0)),
        ("roll", odd, lambda x: x.roll((2, -3), (2, 3))),
        ("roll of one dimension", (9, 33), lambda x: torch.roll(x, 5, 1)),
        ("roll of all", (7, 15), lambda x: torch.roll(x, -8)),
        ("rotation", odd, lambda x: torch.rot90(x, 1, (2, 3))),
        ("rotation by three quarters", odd, lambda x: torch.rot90(x, 3, (1, 3))),
        ("tril", (3, 9, 9), lambda x: x.tril()),
        ("tril below the diagonal", (2, 7, 33), lambda x: x.tril(-2)),
        ("triu above the diagonal", (2, 65, 17), lambda x: x.triu(1)),
        ("triu of a batch", (5, 16, 16), lambda x: torch.triu(x)),
        ("pixel_shuffle", image, lambda x: functional.pixel_shuffle(x, 2)),
        ("pixel_shuffle by three", (1, 18, 3, 5), lambda x: functional.pixel_shuffle(x, 3)),
        ("pixel_unshuffle", image, lambda x: functional.pixel_unshuffle(x, 2)),
        ("focus slices", image, lambda x: torch.cat([x[..., i::2, j::2] for j in (0, 1) for i in (0, 1)], 1)),
        (
            "channel shuffle by reshape",
            (2, 6, 5, 7),
            lambda x: x.reshape(2, 3, 2, 5, 7).transpose(1, 2).reshape(2, 6, 5, 7),
        ),
        ("windows", (2, 3, 8, 12), lambda x: x.reshape(2, 3, 2, 4, 3, 4).permute(0, 2, 4, 3, 5, 1).reshape(-1, 16, 3)),
        ("attention heads", (2, 9, 24), lambda x: x.reshape(2, 9, 3, 8).permute(0, 2, 1, 3).reshape(6, 9, 8)),
        ("patches of a picture", (2, 3, 8, 8), lambda x: x.unfold(2, 4, 4).unfold(3, 4, 4).reshape(2, -1)),
        ("where with a mask", odd, lambda x: torch.where(_checkers(torch, x), x, torch.full_like(x, 2))),
        ("masked_fill", odd, lambda x: x.masked_fill(_checkers(torch, x), -3.0)),
    ]
    if hasattr(functional, "channel_shuffle"):
        table.append(("channel_shuffle", (2, 6, 5, 7), lambda x: functional.channel_shuffle(x, 3)))
    return table


def _checkers(torch, x):
    """Every place whose number (in logical order) leaves 0 or 3 when divided by 5."""
    place = torch.arange(x.numel(), device=x.device).reshape(x.shape) % 5
    return (place == 0) | (place == 3)


def pad(ctx, mode, shape, amounts, layout):
    functional = ctx.torch.nn.functional
    options = {"value": 1.5} if mode == "constant" else {}

    def padded(x):
        return functional.pad(x, amounts, mode=mode, **options)

    x = movement.integers(ctx, shape, 100, mode, layout)
    return ctx.all_of(
        movement.check(ctx, padded, [x], layout, word=str(shape)),
        movement.check_move(ctx, padded, [shape], layout, word=str(shape), backward=mode == "constant"),
    )


def patches(ctx, geometry, layout):
    functional = ctx.torch.nn.functional
    x = movement.integers(ctx, (5, 6, 5, 7), 90, "patches", geometry, layout)
    columns = functional.unfold(x, *geometry)
    y = movement.integers(ctx, columns.shape, 3, "columns", geometry, layout)
    return ctx.all_of(
        movement.check(ctx, lambda x: functional.unfold(x, *geometry), [x], layout, word=str(geometry)),
        movement.check(ctx, lambda y: functional.fold(y, (5, 7), *geometry), [y], layout, word=str(geometry)),
    )
