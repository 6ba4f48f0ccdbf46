"""Short trainings of small networks in the dtype under test and in float64 on the CPU, and the distance between them.

Two numbers sum a run up:
  loss      the largest |log(loss / loss of the float64 run)| over all steps: forward, backward and optimizer together.
            Where a loss has a kink (the corners of an IoU), rounding may legally take either side, and two runs then
            part for good; so there are two float64 runs, one that is free and one that takes the side the device took
            in every step, and the nearer one counts. Its limit is that of the distance from the free run, which is
            never smaller: the tail of the nearer one is too heavy for a few hundred runs to show its moments;
  gradient  at five steps, from the very parameters the device holds: |g - g64| / |g64| a parameter tensor in the
            Euclidean norm, the largest of all tensors, the median of the steps. |g64| counts as at least 1/64 of the
            norm of all gradients together, since that of one tensor may nearly vanish. No error of earlier steps
            enters. A gradient jumps at a kink, and there rounding may legally take either side, for many steps on
            end: so the float64 gradient is that of the side the device took.

Neither has a bound worth having from a worst-case analysis of some thirty layers. Each is judged against its moments
over healthy runs with as many seeds, by Cantelli's inequality, which holds for every distribution: P(X - mean >= k sd)
<= 1 / (1 + k**2). With alpha = 1e-3, k = sqrt(1 / alpha - 1) = 31.6. The moments stand in the probes' files and come
from scripts/measure_trajectories.py on a CPU. Other devices may legally err more in each operation (by up to 6 units in
the last place in a function such as sigmoid, where the CPU errs by 1, and in another order of sums); to first order
both numbers are linear in these unit errors, so elsewhere the limit is 8 times as high. The networks have no step that
another algorithm could turn into a different problem: convolutions of stride 2 or kernel 1, which no library
transforms, no max pooling, no ReLU.
"""

import contextlib
import math
from collections import namedtuple

from . import judge, mixed, rounding

ALPHA = 1e-3
_ELSEWHERE = 8.0
_SMALL = 2.0**-6

Network = namedtuple("Network", "shapes loss optimizer options steps looks")
"""`shapes`: (name, shape, scale of its normal numbers, constant added) of every parameter; `loss(torch, parameters,
data, sides)`, which asks `sides` at every kink; an optimizer of torch.optim with its options; steps; the steps at which
gradients are compared."""

Moments = namedtuple("Moments", "loss_mean loss_sd gradient_mean gradient_sd")
Run = namedtuple("Run", "loss gradient losses free")


class Sides:
    """Which of two numbers each kink of a loss chose in one forward pass, so that another pass can choose the same.

    Without `taken` it notes the choices of torch's own minimum and maximum, as the share of the first number: 1, 0, or
    1/2 where both are equal, for then torch gives each of them half of the gradient. With it, it follows them.
    """

    def __init__(self, taken=None):
        self.noted = []
        self._taken = None if taken is None else list(taken)

    def larger(self, torch, one, two):
        return self._chosen(torch, one, two, one >= two, torch.maximum)

    def smaller(self, torch, one, two):
        return self._chosen(torch, one, two, one <= two, torch.minimum)

    def _chosen(self, torch, one, two, first, choose):
        if self._taken is None:
            self.noted.append(torch.where(one == two, 0.5, first.to(torch.float64)).detach())
            return choose(one, two)
        share = self._taken.pop(0).to(one.device)
        return share * one + (1 - share) * two


_REFERENCES: "dict[tuple[str, int], list[float]]" = {}


def limit(mean, sd):
    """Cantelli's limit at ALPHA."""
    return mean + math.sqrt(1 / ALPHA - 1) * sd


def check(ctx, network, data, moments):
    """Judge one training by the limits of `moments` (dtype name -> Moments)."""
    found = run(ctx, network, data)
    facts = {"loss_deviation": found.loss, "gradient_error": found.gradient}
    if not all(math.isfinite(loss) for loss in found.losses):
        step = next(n for n, loss in enumerate(found.losses) if not math.isfinite(loss))
        return judge.failed("the loss is %r in step %d" % (found.losses[step], step), len(found.losses), facts)
    known, room = moments[ctx.dtype_name], 1.0 if ctx.kind == "cpu" else _ELSEWHERE
    for word, value, mean, sd in (
        ("gradients differ", found.gradient, known.gradient_mean, known.gradient_sd),
        ("losses differ", found.loss, known.loss_mean, known.loss_sd),
    ):
        if not value <= room * limit(mean, sd):
            text = "%s from float64 by %.3g, healthy runs by %.3g (sd %.2g), allowed %.3g"
            return judge.failed(text % (word, value, mean, sd, room * limit(mean, sd)), len(found.losses), facts)
    if not found.losses[-1] < found.losses[0]:
        return judge.failed(
            "the loss went from %r to %r" % (found.losses[0], found.losses[-1]), len(found.losses), facts
        )
    return judge.passed(len(found.losses), data=facts)


def run(ctx, network, data):
    """Train in the dtype under test (16 bits: float32 parameters under autocast) and measure both distances."""
    values = _initial(ctx, network)
    free, led = _reference(ctx, network, values, data), _Reference(ctx.torch, network, values, data)
    parameters = [ctx.tensor(v, grad=True, dtype_name="float32") for v in values]
    given = {key: _placed(ctx, value) for key, value in data.items()}
    optimizer = _optimizer(ctx.torch, network, parameters)
    scaler = mixed.grad_scaler(ctx, init_scale=2.0**10) if ctx.dtype_name == "float16" else None
    losses, distances = [], []
    for step in range(network.steps):
        optimizer.zero_grad()
        sides = Sides()
        with contextlib.ExitStack() as stack:
            if ctx.dtype_name != "float32":
                stack.enter_context(mixed.autocast(ctx))
            loss = network.loss(ctx.torch, parameters, given, sides)
        losses.append(float(loss.detach()))
        _backward(loss, optimizer, scaler)
        if not math.isfinite(losses[-1]):
            return Run(math.inf, math.inf, losses, math.inf)
        if step in network.looks:
            held = [ctx.values(p).requires_grad_() for p in parameters]
            network.loss(ctx.torch, held, data, Sides(sides.noted)).backward()
            distances.append(_distance(ctx, parameters, held))
        _advance(optimizer, scaler)
        if sides.noted:
            led.step(Sides(sides.noted))
    apart = _apart(losses, free)
    nearer = min(apart, _apart(losses, led.losses)) if led.losses else apart
    return Run(nearer, sorted(distances)[len(distances) // 2], losses, apart)


def _apart(losses, known):
    """The largest |log(loss / known loss)|; infinite where a loss is not positive."""
    return max(abs(math.log(a / b)) if a > 0 and b > 0 else math.inf for a, b in zip(losses, known))


def _backward(loss, optimizer, scaler):
    if scaler is None:
        loss.backward()
        return
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)


def _advance(optimizer, scaler):
    if scaler is None:
        optimizer.step()
        return
    scaler.step(optimizer)
    scaler.update()


def _initial(ctx, network):
    """Parameters as float64 numbers that float32 holds exactly; the same for every dtype."""
    made = []
    for name, shape, scale, constant in network.shapes:
        values = ctx.normal(shape, "parameter", name) * scale + constant
        made.append(rounding.rn(ctx.torch, values, rounding.FORMATS["float32"]))
    return made


def _placed(ctx, value):
    return ctx.tensor(value, dtype_name="float32") if value.is_floating_point() else value.to(ctx.device)


def _optimizer(torch, network, parameters):
    return getattr(torch.optim, network.optimizer)(parameters, **network.options)


class _Reference:
    """The training in float64, a step at a time."""

    def __init__(self, torch, network, values, data):
        self._torch, self._network, self._data, self.losses = torch, network, data, []
        self._parameters = [v.clone().requires_grad_() for v in values]
        self._optimizer = _optimizer(torch, network, self._parameters)

    def step(self, sides):
        self._optimizer.zero_grad()
        loss = self._network.loss(self._torch, self._parameters, self._data, sides)
        self.losses.append(float(loss.detach()))
        loss.backward()
        self._optimizer.step()


def _reference(ctx, network, values, data):
    """Losses of the free float64 run; kept, since it is the same for every dtype of one seed."""
    key = (ctx.probe_id, ctx.seed)
    if key not in _REFERENCES:
        free = _Reference(ctx.torch, network, values, data)
        for _ in range(network.steps):
            free.step(Sides())
        ctx.require(free.losses[-1] < 0.9 * free.losses[0], "the float64 run learns")
        _REFERENCES.clear()
        _REFERENCES[key] = free.losses
    return _REFERENCES[key]


def _distance(ctx, parameters, held):
    """The largest relative distance of a gradient; infinite where one is missing or not finite."""
    norms = [float(h.grad.norm()) for h in held]
    least, worst = _SMALL * math.sqrt(sum(n * n for n in norms)), 0.0
    for parameter, exact, norm in zip(parameters, held, norms):
        if parameter.grad is None or tuple(parameter.grad.shape) != tuple(exact.shape):
            return math.inf
        off = float((ctx.values(parameter.grad) - exact.grad).norm()) / max(norm, least)
        worst = max(worst, off) if math.isfinite(off) else math.inf
    return worst
