"""Gradients over several backward passes: accumulated, shared, recomputed, frozen, twice differentiated, flattened.

Hunts: an accumulation that overwrites (or an overwrite that accumulates), a second backward pass that is stale, a
shared parameter that receives one of its two gradients, gradients of other dtype or shape than their parameter,
checkpointing that recomputes something else, zero_grad that leaves something behind, wrong packing into one vector.
Rule: EXACT. A small network, ReLU behind a linear layer or a convolution and squares as loss, on integers: inputs and
weights -1, 0, 1 with three entries a row, so that sums of absolute values stay within 2**p in 16 bits too (asserted
from the float64 run). The reference is the same network in float64, whose arithmetic is exact on these numbers.
Source: https://docs.pytorch.org/docs/stable/notes/autograd.html and
https://docs.pytorch.org/docs/stable/checkpoint.html.
"""

from functools import partial

from .. import judge, tensorlists

GROUP = "training"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.2
VERSION = 1

_ROWS, _WIDTH, _HIDDEN, _OUTPUTS = 3, 37, 17, 5


def cases(ctx):
    for name, network in (("linear", _linear), ("convolution", _convolution), ("shared weight", _shared)):
        yield "three micro-batches, %s" % name, partial(accumulate, ctx, network)
        yield "backward twice through one graph, %s" % name, partial(twice, ctx, network)
        for reentrant in (True, False):
            word = "reentrant" if reentrant else "not reentrant"
            yield "checkpoint %s, %s" % (word, name), partial(checkpointed, ctx, network, reentrant)
    for to_none in (True, False):
        yield "zero_grad, set_to_none %s" % to_none, partial(zeroed, ctx, to_none)
    yield "frozen parameters and detached inputs", partial(frozen, ctx)
    yield "gradient of a gradient", partial(penalty, ctx)
    yield "parameters to a vector and back", partial(packed, ctx)
    yield "weight norm", partial(weight_norm, ctx)


def _linear(torch, x, p):
    f = torch.nn.functional
    return f.linear(torch.relu(f.linear(x, p[0], p[1])), p[2])


def _convolution(torch, x, p):
    """The rows as one-channel images of 6 x 6 (and a rest that is not used), three filters from the first weights."""
    images = x[:, :36].reshape(-1, 1, 6, 6)
    kernel = p[0][:3, :9].reshape(3, 1, 3, 3)
    hidden = torch.relu(torch.nn.functional.conv2d(images, kernel, p[1][:3], stride=2, padding=1))
    return torch.nn.functional.linear(hidden.flatten(1)[:, :_HIDDEN], p[2])


def _shared(torch, x, p):
    """One weight used as it is and transposed, as tied embeddings are."""
    f = torch.nn.functional
    return f.linear(f.linear(f.linear(x, p[0], p[1]), p[0].t()), p[0]).relu()[:, :_OUTPUTS] + p[2].sum()


def _values(ctx):
    """float64 parameters: rows of three +-1, a bias, the second layer."""
    torch = ctx.torch
    found = []
    for name, shape in (("w", (_HIDDEN, _WIDTH)), ("v", (_OUTPUTS, _HIDDEN))):
        places = ctx.uniform(shape, "places", name).argsort(1)[:, :3]
        signs = 2 * ctx.integers(places.shape, 0, 1, "signs", name).double() - 1
        found.append(torch.zeros(shape, dtype=torch.float64).scatter(1, places, signs))
    return [found[0], ctx.integers((_HIDDEN,), -1, 1, "bias").double(), found[1]]


def _batch(ctx, number):
    """float64 (inputs, output gradients): one entry of the gradient in eight is not zero."""
    x = ctx.integers((_ROWS, _WIDTH), -1, 1, "x", number).double()
    g = ctx.integers((_ROWS, _OUTPUTS), -1, 1, "g", number) * (ctx.integers((_ROWS, _OUTPUTS), 0, 3, number) == 0)
    return x, g.double()


def _wanted(ctx, network, values, batches, times=1):
    """float64 gradients summed over `batches`; asserts that no sum of absolute values leaves the exact range."""
    torch = ctx.torch
    leaves = [v.clone().requires_grad_() for v in values]
    sizes = [v.abs().requires_grad_() for v in values]
    with torch.enable_grad():
        for x, g in batches:
            network(torch, x, leaves).backward(g)
            output = network(torch, x.abs(), sizes)
            output.backward(g.abs())
            ctx.require(float(output.detach().max()) <= 2**ctx.precision, "outputs <= 2**p")
    ctx.require(
        max(float(s.grad.abs().max()) for s in sizes if s.grad is not None) * times <= 2**ctx.precision,
        "sums of absolute products <= 2**p",
    )
    return [v * 0 if leaf.grad is None else leaf.grad * times for v, leaf in zip(values, leaves)]


def _parameters(ctx, values):
    return [ctx.tensor(v, grad=True) for v in values]


def _judge(ctx, parameters, wanted, note):
    """Every gradient: there, of its parameter's dtype, layout and shape, and exact."""
    judged = []
    for n, (parameter, want) in enumerate(zip(parameters, wanted)):
        where = "in the gradient of parameter %d %s" % (n, note)
        if parameter.grad is None:
            if bool((want != 0).any()):
                return judge.failed("none " + where, 0)
            continue
        if parameter.grad.dtype != parameter.dtype:
            return judge.failed("%s %s" % (parameter.grad.dtype, where), 0)
        judged.append(ctx.exact(parameter.grad, want, note=where))
    return ctx.all_of(*judged)


def accumulate(ctx, network):
    """.grad after each of three backward passes is the sum so far."""
    values, batches = _values(ctx), [_batch(ctx, n) for n in range(3)]
    parameters, judged = _parameters(ctx, values), []
    for n, (x, g) in enumerate(batches):
        network(ctx.torch, ctx.tensor(x), parameters).backward(ctx.tensor(g))
        judged.append(
            _judge(ctx, parameters, _wanted(ctx, network, values, batches[: n + 1]), "after %d passes" % (n + 1))
        )
    return ctx.all_of(*judged)


def twice(ctx, network):
    values, (x, g) = _values(ctx), _batch(ctx, "twice")
    parameters = _parameters(ctx, values)
    y = network(ctx.torch, ctx.tensor(x), parameters)
    y.backward(ctx.tensor(g), retain_graph=True)
    first = _judge(ctx, parameters, _wanted(ctx, network, values, [(x, g)]), "after the first pass")
    y.backward(ctx.tensor(g))
    second = _judge(ctx, parameters, _wanted(ctx, network, values, [(x, g)], times=2), "after the second pass")
    return ctx.all_of(first, second)


def checkpointed(ctx, network, reentrant):
    """torch.utils.checkpoint recomputes the network in backward; gradients of inputs and parameters stay the same."""
    import importlib

    checkpoint = importlib.import_module("torch.utils.checkpoint").checkpoint
    values, (x, g) = _values(ctx), _batch(ctx, "checkpoint")
    parameters, leaf = _parameters(ctx, values), ctx.tensor(x, grad=True)
    y = checkpoint(lambda a: network(ctx.torch, a, parameters), leaf, use_reentrant=reentrant)
    y.backward(ctx.tensor(g))
    inner = x.clone().requires_grad_()
    output = network(ctx.torch, inner, [v.clone().requires_grad_() for v in values])
    output.backward(g)
    return ctx.all_of(
        ctx.exact(y, output.detach(), note="in the output"),
        ctx.exact(leaf.grad, inner.grad, note="in the gradient of the input"),
        _judge(ctx, parameters, _wanted(ctx, network, values, [(x, g)]), "behind a checkpoint"),
    )


def zeroed(ctx, to_none):
    """Nothing of the first batch is left in the gradients of the second."""
    values, batches = _values(ctx), [_batch(ctx, n) for n in range(2)]
    module = ctx.torch.nn.Module()
    parameters = [ctx.torch.nn.Parameter(ctx.tensor(v)) for v in values]
    for n, parameter in enumerate(parameters):
        module.register_parameter("p%d" % n, parameter)
    judged = []
    for x, g in batches:
        _linear(ctx.torch, ctx.tensor(x), parameters).backward(ctx.tensor(g))
        judged.append(_judge(ctx, parameters, _wanted(ctx, _linear, values, [(x, g)]), "of one batch"))
        module.zero_grad(set_to_none=to_none)
        left = [p.grad for p in parameters if p.grad is not None]
        if to_none and left:
            judged.append(judge.failed("%d gradients are not None" % len(left), 1))
        judged += [ctx.exact(grad, ctx.torch.zeros(grad.shape).double(), note="after zero_grad") for grad in left]
    return ctx.all_of(*judged)


def frozen(ctx):
    """A frozen first layer gets no gradient, the second the right one; nothing flows behind detach()."""
    values, (x, g) = _values(ctx), _batch(ctx, "frozen")
    parameters, torch = _parameters(ctx, values), ctx.torch
    wanted = _wanted(ctx, _linear, values, [(x, g)])
    for parameter in parameters[:2]:
        parameter.requires_grad_(False)
    _linear(torch, ctx.tensor(x), parameters).backward(ctx.tensor(g))
    second = ctx.exact(parameters[2].grad, wanted[2], note="in the layer that learns")
    if any(p.grad is not None for p in parameters[:2]):
        return judge.failed("a frozen parameter has a gradient", 1)
    parameters[0].requires_grad_(True)
    hidden = torch.nn.functional.linear(ctx.tensor(x), parameters[0], parameters[1]).relu().detach()
    torch.nn.functional.linear(hidden, parameters[2]).backward(ctx.tensor(g))
    if parameters[0].grad is not None:
        return judge.failed("a gradient passed detach()", 1)
    return ctx.all_of(second, ctx.exact(parameters[2].grad, 2 * wanted[2], note="after both passes"))


def penalty(ctx):
    """The squared gradient of a loss as a loss: d/dw of sum (dL/dx)**2 with L = sum g (w x)**2 / 2, element by element.

    dL/dx = g w**2 x, its square's gradient in w is 4 g**2 w**3 x**2, in x 2 g**2 w**4 x.
    """
    torch = ctx.torch
    w, x, g = (ctx.integers((1025,), -2, 2, "penalty", n).double() for n in "wxg")
    held = [ctx.tensor(v, grad=True) for v in (w, x)]
    loss = (ctx.tensor(g) * (held[0] * held[1]) ** 2 / 2).sum()
    (inner,) = torch.autograd.grad(loss, held[1], create_graph=True)
    (inner**2).sum().backward()
    return ctx.all_of(
        ctx.exact(inner, g * w**2 * x, note="in the gradient"),
        ctx.exact(held[0].grad, 4 * g**2 * w**3 * x**2, note="of the penalty in w"),
        ctx.exact(held[1].grad, 2 * g**2 * w**4 * x, note="of the penalty in x"),
    )


def packed(ctx):
    shapes = [shape for shape in tensorlists.SHAPES if shape not in ((2, 3, 4, 5), (5, 7))]  # packing wants views
    utils, count = ctx.torch.nn.utils, tensorlists.total(shapes)
    values, other = (ctx.integers((count,), -99, 99, word).double() for word in ("packed", "other"))
    parameters = [p.requires_grad_() for p in tensorlists.cut(ctx, values, shapes)]
    vector = utils.parameters_to_vector(parameters)
    (gradient,) = ctx.torch.autograd.grad(vector, parameters[6], ctx.tensor(other))
    start = tensorlists.total(shapes[:6])
    utils.vector_to_parameters(ctx.tensor(other), parameters)
    return ctx.all_of(
        ctx.exact(vector, values, note="in the vector"),
        ctx.exact(gradient, other[start : start + gradient.numel()], note="in the gradient of a part"),
        tensorlists.exact(ctx, parameters, other, "in the parameters"),
    )


def weight_norm(ctx):
    """w = g v / |v| with 1, 4 or 16 entries of +-1 a row: |v| is 1, 2 or 4, every quotient a power of two.

    Backward: dg = sum(dw v) / |v|, dv = g / |v| (dw - dg v / |v|).
    """
    torch, rows, width = ctx.torch, 33, 37
    counts = 4 ** ctx.integers((rows, 1), 0, 2, "counts")
    ranks = ctx.uniform((rows, width), "ranks").argsort(1)
    v = (ranks < counts).double() * (2 * ctx.integers((rows, width), 0, 1, "v").double() - 1)
    g = ctx.integers((rows, 1), -3, 3, "g").double()
    dw = ctx.integers((rows, width), -1, 1, "dw").double()
    norm = counts.double().sqrt()
    held = [ctx.tensor(value, grad=True) for value in (v, g)]
    got = torch._weight_norm(held[0], held[1], 0)
    got.backward(ctx.tensor(dw))
    dg = (dw * v).sum(1, keepdim=True) / norm
    return ctx.all_of(
        ctx.exact(got, g * v / norm, note="in the weight"),
        ctx.exact(held[1].grad, dg, note="in the gradient of g"),
        ctx.exact(held[0].grad, g / norm * (dw - dg * v / norm), note="in the gradient of v"),
    )
