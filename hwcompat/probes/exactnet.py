"""A network on integers, run in float64 layer by layer, that asserts on the way that no legal evaluation rounds.

Every layer that adds products up (`product=True`) runs a second time on absolute values, forward and backward: while
those sums stay within 2**p units, no partial sum of any order, split or accumulator width leaves the exact integers
(Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1). Layers that only select (ReLU, max pooling,
upsampling, concatenation) never round.
"""

from collections import namedtuple

Step = namedtuple("Step", "function operands result product")


class Node:
    """A float64 value and, after Tape.backward, its gradient (None where nothing arrived)."""

    def __init__(self, value):
        self.value, self.grad = value, None


class Tape:
    """`apply` as the `op` of a network; then `backward`. `limit` is 2**p, `unit` that of all gradients."""

    def __init__(self, ctx, unit):
        self.ctx, self.unit, self.limit, self.steps = ctx, unit, 2.0**ctx.precision, []

    def __call__(self, function, *operands, **options):
        product = options.get("product", False)
        values = [node.value for node in operands]
        if product:
            self._small(function(*[v.abs() for v in values]), 1.0)
        node = Node(function(*values))
        self.steps.append(Step(function, operands, node, product))
        return node

    def backward(self, node, gradient):
        node.grad = gradient
        for step in reversed(self.steps):
            if step.result.grad is None:
                continue
            values = [operand.value for operand in step.operands]
            for operand, part in zip(
                step.operands, _gradients(self.ctx.torch, step.function, values, step.result.grad)
            ):
                operand.grad = part if operand.grad is None else operand.grad + part
            if step.product:
                sizes = [v.abs() for v in values]
                for part in _gradients(self.ctx.torch, step.function, sizes, step.result.grad.abs()):
                    self._small(part, self.unit)

    def _small(self, sums, unit):
        self.ctx.require(float(sums.abs().max()) <= self.limit * unit, "sums of absolute products <= 2**p units")


def _gradients(torch, function, values, gradient):
    leaves = [v.detach().requires_grad_() for v in values]
    return torch.autograd.grad(function(*leaves), leaves, gradient)


def plain(function, *operands, **options):
    """The `op` of a network that simply runs, on the device."""
    return function(*operands)
