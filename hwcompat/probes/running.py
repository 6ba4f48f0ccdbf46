"""Running error bounds for chains of small matrices: float64 values beside the largest error a legal evaluation has.

Higham, Accuracy and Stability of Numerical Algorithms (2002), section 3.3. With unit u = 2**-p of the dtype:
a sum or difference may be stored in the dtype, twice where it can be grouped in two ways: 2 u (|a| + |b|); a product: u
of it; a product of matrices: gamma(1.25 n + 8, 2**-23) of the absolute products (a block of an accelerator truncates)
and u for its storage. sigmoid takes an exponential, a sum and a quotient, 6 units of 2**-23 with the exponential's 2
(CUDA C++ Programming Guide, Mathematical Functions), tanh 2: 8 units for both; 16-bit kernels may use the hardware's
tanh, good to 2**-11, or compute in the dtype: 2 u more. Their arguments' errors pass with the largest slope in reach.
eta, half the smallest subnormal number, is added wherever something is stored.
"""

from . import judge


class Running:
    """`value` and `error` (float64 tensors); `ctx` supplies the format."""

    __slots__ = ("ctx", "error", "value")

    def __init__(self, ctx, value, error=None):
        self.ctx, self.value = ctx, value
        self.error = value * 0 if error is None else error

    @property
    def size(self):
        return self.value.abs() + self.error

    def stored(self, value, error, weight=None):
        """`value` with `error`, kept in the dtype: u of `weight` (the largest it can be) and eta more."""
        weight = value.abs() + error if weight is None else weight
        eta = max(2.0 ** (self.ctx.format.emin - self.ctx.format.precision), 2.0**-126)
        return Running(self.ctx, value, error + 2.0**-self.ctx.precision * weight + eta)

    def _lifted(self, other):
        return other if isinstance(other, Running) else Running(self.ctx, self.value * 0 + other)

    def __add__(self, other):
        other = self._lifted(other)
        return self.stored(self.value + other.value, self.error + other.error, 2 * (self.size + other.size))

    def __neg__(self):
        return Running(self.ctx, -self.value, self.error)

    def __sub__(self, other):
        return self + -self._lifted(other)

    def __rsub__(self, other):
        return self._lifted(other) - self

    def __mul__(self, other):
        other = self._lifted(other)
        error = self.value.abs() * other.error + self.error * other.size
        return self.stored(self.value * other.value, error)

    def matmul(self, other, length=None):
        """`length`: of the sums, where the device may add more in one go than this product does."""
        torch = self.ctx.torch
        sums = torch.matmul(self.size, other.size)
        error = torch.matmul(self.value.abs(), other.error) + torch.matmul(self.error, other.size)
        error = error + judge.gamma(1.25 * (length or self.value.shape[1]) + 8, 2.0**-23) * sums
        return self.stored(torch.matmul(self.value, other.value), error)

    def t(self):
        return Running(self.ctx, self.value.t(), self.error.t())

    def chunk(self, parts):
        pairs = zip(self.value.chunk(parts, 1), self.error.chunk(parts, 1))
        return [Running(self.ctx, value, error) for value, error in pairs]

    def total(self):
        """Rows added up, as for a bias."""
        error = self.error.sum(0) + judge.gamma(self.value.shape[0], 2.0**-23) * self.size.sum(0)
        return self.stored(self.value.sum(0), error)

    def sigmoid(self):
        y = self.ctx.torch.sigmoid(self.value)
        nearest = (self.value.abs() - self.error).clamp(min=0)
        half = self.ctx.torch.sigmoid(nearest)
        return self._function(y, half * (1 - half))

    def tanh(self):
        y = self.ctx.torch.tanh(self.value)
        nearest = self.ctx.torch.tanh((self.value.abs() - self.error).clamp(min=0))
        return self._function(y, 1 - nearest * nearest)

    def _function(self, y, slope):
        error = self.error * slope
        narrow = 2 * 2.0**-self.ctx.precision if self.ctx.format.bits == 16 else 0.0
        return self.stored(y, error + (8 * 2.0**-23 + narrow) * (y.abs() + error))


def joined(ctx, parts):
    """Matrices side by side."""
    return Running(ctx, ctx.torch.cat([p.value for p in parts], 1), ctx.torch.cat([p.error for p in parts], 1))
