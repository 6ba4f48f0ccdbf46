"""Matrix products in the forms that models write: broadcasting from one to five dimensions, einsum, vectors, bilinear.

Hunts: a broadcast that reads the wrong matrix, vectors treated as matrices, sums over broadcast dimensions lost in the
backward pass, operands that are transposed, strided or start off the alignment, an inner dimension of 0 or 1.
Rule: EXACT. Integers whose sums of absolute products stay within 2**p for the output and every gradient (asserted); see
products.py. An empty sum is zero.
Source: https://pytorch.org/docs/stable/generated/torch.matmul.html (the broadcasting rules).
"""

from functools import partial

from .. import products
from ..products import Form

GROUP = "matmul"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.3
VERSION = 1

_VIEWS = ("whole", "transposed", "strided", "offset")


def _matmul(torch, a, b):
    return torch.matmul(a, b)


def _einsum(equation):
    return lambda torch, *operands: torch.einsum(equation, *operands)


def _named(name):
    return lambda torch, *operands: getattr(torch, name)(*operands)


def _form(label, *shapes, function=_matmul):
    return Form("%s %s" % (label, " ".join("x".join(str(n) for n in shape) for shape in shapes)), shapes, function)


_PRODUCTS = (
    ((33,), (33,)),
    ((1,), (1,)),
    ((17,), (17, 9)),
    ((9, 17), (17,)),
    ((1, 65), (65, 31)),
    ((31, 65), (65, 1)),
    ((7, 1), (1, 9)),
    ((1, 257), (257, 1)),
    ((5, 33, 17), (17,)),
    ((33,), (5, 33, 17)),
    ((3, 9, 17), (17, 33)),
    ((9, 17), (3, 17, 8)),
    ((3, 9, 17), (1, 17, 8)),
    ((2, 1, 5, 7), (3, 7, 9)),
    ((2, 3, 16, 8), (2, 3, 8, 16)),
    ((2, 1, 3, 5, 8), (4, 1, 8, 7)),
    ((7, 12, 9, 11), (12, 11, 5)),
)
_EMPTY = (((5, 0), (0, 3)), ((2, 5, 0), (2, 0, 3)), ((0, 4), (4, 3)), ((0,), (0,)), ((3, 0), (0,)))
_EQUATIONS = (
    ("ij,jk->ik", (15, 17), (17, 9)),
    ("bhqd,bhkd->bhqk", (2, 3, 9, 16), (2, 3, 7, 16)),
    ("bhqk,bhkd->bhqd", (2, 3, 9, 7), (2, 3, 7, 16)),
    ("bqhd,bkhd->bhqk", (2, 9, 3, 8), (2, 7, 3, 8)),
    ("nchw,oc->nohw", (2, 12, 5, 7), (9, 12)),
    ("bld,bmd->blm", (3, 11, 8), (3, 5, 8)),
    ("i,j->ij", (9,), (13,)),
    ("bij,bij->b", (4, 5, 7), (4, 5, 7)),
    ("nctv,vw->nctw", (2, 3, 5, 7), (7, 7)),
    ("bxyd,dhk->bhxyk", (2, 3, 4, 6), (6, 2, 5)),
    ("ij,jk,kl->il", (4, 5), (5, 3), (3, 6)),
)
_FUNCTIONS = (
    ("mm", (33, 31), (31, 17)),
    ("bmm", (5, 9, 16), (5, 16, 8)),
    ("mv", (65, 129), (129,)),
    ("dot", (1023,), (1023,)),
    ("vdot", (255,), (255,)),
    ("outer", (65,), (33,)),
    ("ger", (7,), (9,)),
    ("inner", (3, 5, 17), (9, 17)),
)


def cases(ctx):
    for shapes in _PRODUCTS:
        form = _form("matmul", *shapes)
        yield form.label, partial(products.check, ctx, form, _VIEWS)
    for row in _EQUATIONS:
        form = _form("einsum %s" % row[0], *row[1:], function=_einsum(row[0]))
        yield form.label, partial(products.check, ctx, form, _VIEWS[:2])
    for entry in _FUNCTIONS:
        form = _form(entry[0], *entry[1:], function=_named(entry[0]))
        yield form.label, partial(products.check, ctx, form, ("whole", "strided", "offset"))
    for empty in _EMPTY:
        form = _form("matmul", *empty)
        yield "empty " + form.label, partial(products.check, ctx, form)
    yield from _others(ctx)


def _others(ctx):
    three = _form("multi_dot", (9, 5), (5, 17), (17, 3), function=lambda torch, *m: torch.linalg.multi_dot(m))
    yield three.label, partial(products.check, ctx, three)
    dims = ([1, 2], [0, 1])
    contracted = _form("tensordot", (5, 4, 6), (4, 6, 9), function=lambda torch, a, b: torch.tensordot(a, b, dims=dims))
    yield contracted.label, partial(products.check, ctx, contracted, _VIEWS[:2])
    bilinear = _form(
        "bilinear", (5, 4), (5, 6), (7, 4, 6), (7,), function=lambda torch, *m: torch.nn.functional.bilinear(*m)
    )
    yield bilinear.label, partial(products.check, ctx, bilinear)
    expanded = _form(
        "expanded operands", (1, 9, 17), (17, 1), function=lambda torch, a, b: a.expand(3, 9, 17) @ b.expand(17, 8)
    )
    yield expanded.label, partial(products.check, ctx, expanded)
    shared = _form(
        "bmm of expanded matrices",
        (9, 17),
        (17, 5),
        function=lambda torch, a, b: torch.bmm(a.expand(3, 9, 17), b.expand(3, 17, 5)),
    )
    yield shared.label, partial(products.check, ctx, shared)
    square = _form("a matrix times its transpose", (33, 17), function=lambda torch, a: a @ a.t())
    yield square.label, partial(products.check, ctx, square, _VIEWS)
    split = _form("chunks of one product", (9, 16), (16, 24), function=_chunks)
    yield split.label, partial(products.check, ctx, split)


def _chunks(torch, x, w):
    """Three products of slices, joined in another order."""
    q, k, v = (x @ w).chunk(3, -1)
    return torch.cat([k @ v.t(), q], -1)
