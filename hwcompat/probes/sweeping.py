"""One convolution, forward and backward, verified exactly in O(n**2): checksums over channels, places, and samples.

Convolution is linear in each operand, so a contraction of a result with random integers r equals the same convolution
on contracted operands, which has a single channel: the output contracted over its channels, the input's gradient over
its channels, the weight's gradient over its filters. Every element of a result takes part in exactly one checksum, with
a weight from 1 to 2**16: no single wrong element can hide, and several at one place only where their weighted errors
cancel (at most 2**-16 for errors that do not know r; R. Freivalds, Probabilistic machines can use less running time,
IFIP 1977). Operands are integers whose sums of absolute products stay within 2**p (asserted on the sums) and checksums
stay below 2**53 (asserted), so both sides are exact in float64. A place whose checksum disagrees is computed in full,
which tells the channel; the last and one random place of every result are always compared channel by channel.
"""

from . import judge, outputs, pools, spatial, transform

_TRIES = 12
_RESULTS = ("output", "input gradient", "weight gradient")
_ROLES = dict(zip(_RESULTS, ("forward", "dgrad", "wgrad")))


class Sweep:
    """`lay` is an ordinary two-dimensional spatial.Layer without groups; everything is held image by image."""

    def __init__(self, ctx, lay):
        self.ctx, self.lay = ctx, lay
        self.shapes = dict(zip(("x", "w", "dy"), spatial.shapes(lay)))
        reach, points = spatial.terms(lay)
        limit = min(2.0**ctx.precision, 2.0**37 / max(lay.cin, lay.cout))
        self.largest = a = max(1, min(1000, int((limit / max(reach, points)) ** 0.5)))
        for attempt in range(_TRIES):
            room = 0.75 * 0.85**attempt * limit / a**2
            kept = {"x": 1.0, "w": room / reach, "dy": room / points}
            self.pools = {k: pools.Pool(ctx, a, share, k) for k, share in kept.items()}
            self.w = self.pools["w"].doubles(0, self.shapes["w"])
            heaviest = self._heaviest()
            if heaviest <= limit:
                break
        ctx.require(heaviest <= 2.0**ctx.precision, "sum of absolute products <= 2**p")
        ctx.require(max(lay.cin, lay.cout) * 2.0**16 * heaviest <= 2.0**53, "checksums below 2**53")
        self.b = ctx.integers((lay.cout,), -a, a, "b", lay.name)
        self.r = {k: ctx.integers((n,), 1, 2**16, "r", k).double() for k, n in (("in", lay.cin), ("out", lay.cout))}

    def _heaviest(self):
        """No sum of absolute products is larger: filters and their transposes, gradients of every channel."""
        sums = self.ctx.torch.zeros(self.lay.cout, dtype=self.ctx.torch.float64)
        for n in range(self.lay.images):
            sums += self.image("dy", n).abs().sum((1, 2))
        weights = self.w.abs()
        return self.largest * max(float(v.max()) for v in (weights.sum((1, 2, 3)) + 1, weights.sum((0, 2, 3)), sums))

    def image(self, name, n):
        shape = self.shapes[name][1:]
        return self.pools[name].doubles(n * shape[0] * shape[1] * shape[2], shape)

    # --- the operation under test -------------------------------------------------------------------------------------
    def judged(self, layout, bias, backward=True):
        """Output and, with `backward`, all gradients; layout: plain or last."""
        ctx, torch = self.ctx, self.ctx.torch
        x, w, dy = (self._placed(k, layout) for k in ("x", "w", "dy"))
        x, w = x.requires_grad_(backward), w.requires_grad_(backward)
        b = ctx.tensor(self.b, grad=backward) if bias else None
        y = torch.nn.functional.conv2d(x, w, b, self.lay.stride, self.lay.padding)
        bad = outputs.misshapen(ctx, y, self.shapes["dy"], "(output)")
        if bad:
            return bad
        judged = [self._images("output", y, bias)]
        if backward:
            y.backward(dy)
            judged += [self._images("input gradient", x.grad, bias), self._filters(w.grad)]
        if backward and b is not None:
            judged.append(outputs.exact(ctx, b.grad, self._sums(), "(bias gradient)"))
        return _all_of(ctx, judged)

    def _placed(self, name, layout):
        tensor = self.pools[name].tensor(self.shapes[name])
        return tensor if layout == "plain" else tensor.contiguous(memory_format=self.ctx.torch.channels_last)

    def _sums(self):
        return sum(self.image("dy", n).sum((1, 2)) for n in range(self.lay.images))

    # --- checksums ----------------------------------------------------------------------------------------------------
    def _images(self, name, got, bias):
        """The output or the input's gradient, image by image."""
        ctx, lay = self.ctx, self.lay
        shape = self.shapes["dy" if name == "output" else "x"]
        bad = _unusable(ctx, name, got, shape)
        if bad:
            return bad
        r = self.r["out" if name == "output" else "in"]
        judged = []
        for n in range(lay.images):
            values = pools.values(ctx, got[n])
            want = self._forward_plane(n, bias) if name == "output" else self._backward_plane(n)
            wrong = (r @ values.flatten(1)).reshape(shape[2:]) != want
            places = _samples(ctx, wrong, name, n)
            exact = self._columns(name, n, places, bias)
            judged.append(self._settle(name, values, exact, wrong, places, "image %d, " % n, (r, want)))
            if judged[-1].status == "fail":
                break
        return _all_of(ctx, judged)

    def _filters(self, got):
        """The weight's gradient, contracted over the filters."""
        bad = _unusable(self.ctx, "weight gradient", got, self.shapes["w"])
        if bad:
            return bad
        torch, taps = self.ctx.torch, self._taps()
        want = torch.zeros(self.lay.cin, len(taps), dtype=torch.float64)
        for n in range(self.lay.images):
            contracted = (self.r["out"] @ self.image("dy", n).flatten(1)).reshape(self.shapes["dy"][2:])
            planes = torch.zeros((len(taps),) + spatial.padded_size(self.lay), dtype=torch.float64)
            for number, tap in enumerate(taps):
                planes[number][self._window(tap)] = contracted
            inside = spatial.inside(self.lay)[1:]
            want += self.image("x", n).flatten(1) @ planes[inside].flatten(1).t()
        values = pools.values(self.ctx, got)
        want = want.reshape(self.shapes["w"][1:])
        wrong = (self.r["out"] @ values.flatten(1)).reshape(want.shape) != want
        places = _samples(self.ctx, wrong, "weight gradient", 0)
        exact = self._filter_columns(places)
        return self._settle("weight gradient", values, exact, wrong, places, "", (self.r["out"], want))

    def _taps(self):
        return [(i, j) for i in range(self.lay.kernel[0]) for j in range(self.lay.kernel[1])]

    def _window(self, tap):
        """The places of the padded image that this kernel element meets, one for each output."""
        sizes = zip(tap, self.lay.stride, self.shapes["dy"][2:])
        return tuple(slice(t, t + s * (n - 1) + 1, s) for t, s, n in sizes)

    def _forward_plane(self, n, bias):
        torch = self.ctx.torch
        if not hasattr(self, "_out_taps"):
            self._out_taps = (self.r["out"] @ self.w.flatten(1)).reshape(self.lay.cin, -1)
        wide = torch.zeros((self._out_taps.shape[1],) + spatial.padded_size(self.lay), dtype=torch.float64)
        product = self._out_taps.t() @ self.image("x", n).flatten(1)
        wide[spatial.inside(self.lay)[1:]] = product.reshape((-1,) + self.lay.size)
        plane = sum(wide[number][self._window(tap)] for number, tap in enumerate(self._taps()))
        return plane + (float(self.b.double() @ self.r["out"]) if bias else 0.0)

    def _backward_plane(self, n):
        torch = self.ctx.torch
        if not hasattr(self, "_in_taps"):
            self._in_taps = torch.tensordot(self.w, self.r["in"], dims=([1], [0])).flatten(1)
        product = (self._in_taps.t() @ self.image("dy", n).flatten(1)).reshape((-1,) + self.shapes["dy"][2:])
        wide = torch.zeros(spatial.padded_size(self.lay), dtype=torch.float64)
        for number, tap in enumerate(self._taps()):
            wide[self._window(tap)] += product[number]
        return wide[spatial.inside(self.lay)[2:]]

    # --- single places, all channels ----------------------------------------------------------------------------------
    def _columns(self, name, n, places, bias):
        """The exact channels of a result at `places` (row, column) of image `n`, one column each."""
        torch, lay = self.ctx.torch, self.lay
        if name == "output":
            wide = spatial.padded(torch, self.image("x", n)[None], lay)[0]
            patches = [
                wide[:, i * s : i * s + k, j * t : j * t + m].reshape(-1)
                for (i, j) in places
                for (s, t), (k, m) in ((lay.stride, lay.kernel),)
            ]
            exact = self.w.flatten(1) @ torch.stack(patches, 1)
            return exact + self.b.double()[:, None] if bias else exact
        return torch.stack([self._gradient_column(self.image("dy", n), place) for place in places], 1)

    def _gradient_column(self, dy, place):
        total = self.ctx.torch.zeros(self.lay.cin, dtype=self.ctx.torch.float64)
        for i, j in self._taps():
            steps = [divmod(at + p - t, s) for at, p, t, s in zip(place, self.lay.padding, (i, j), self.lay.stride)]
            if all(rest == 0 and 0 <= step < size for (step, rest), size in zip(steps, dy.shape[1:])):
                total += dy[:, steps[0][0], steps[1][0]] @ self.w[:, :, i, j]
        return total

    def _filter_columns(self, places):
        """For `places` (input channel, i, j) the weight gradient of every filter."""
        torch = self.ctx.torch
        total = torch.zeros(self.lay.cout, len(places), dtype=torch.float64)
        for n in range(self.lay.images):
            dy, x = self.image("dy", n).flatten(1), self.image("x", n)
            wide = spatial.padded(torch, x[sorted({c for c, _, _ in places})][None], self.lay)[0]
            order = sorted({c for c, _, _ in places})
            seen = [wide[order.index(c)][self._window((i, j))].reshape(-1) for c, i, j in places]
            total += dy @ torch.stack(seen, 1)
        return total

    # --- the verdict --------------------------------------------------------------------------------------------------
    def _settle(self, name, values, exact, wrong, places, where, sums):
        """A pass, a transform's rounding, or a failure that says where; `exact` are the channels at `places`."""
        flat = values.reshape(values.shape[0], -1)
        index = [_flat(place, values.shape[1:]) for place in places]
        differ = flat[:, index] != exact
        if not bool(wrong.any()) and not bool(differ.any()):
            return judge.passed(values.numel())
        if transform.possible(self.ctx, self.lay):
            found = self._as_transform(name, values, sums)
            if found:
                return found
        text = "%s: %s%d of %d places wrong by checksum" % (name, where, int(wrong.sum()), wrong.numel())
        at = self.ctx.torch.nonzero(differ)
        if len(at):
            channel, number = at[0].tolist()
            got = (list(places[number]), channel, float(flat[channel, index[number]]), float(exact[channel, number]))
            text += "; at %s channel %d got %r, expected %r" % got
            text += ", %d of %d channels wrong there" % (int(differ[:, number].sum()), len(differ))
        return judge.failed(text, values.numel())

    def _as_transform(self, name, values, sums):
        """A FEATURE where the difference is what a transform algorithm may leave (see transform.py), else None."""
        r, want = sums
        if not bool(self.ctx.torch.isfinite(values).all()):
            return None
        error = (r @ values.flatten(1)).reshape(want.shape) - want
        left = (r @ (values - values.round()).flatten(1)).reshape(want.shape)
        for storage, bound in transform.bounds(self.ctx, self.lay, _ROLES[name], self.largest, self.largest):
            if storage == "float32" and self.ctx.dtype_name != "float32":
                explained = bool((error - left).abs().max() < 0.5)  # the nearest integers have the right checksum
            else:
                own = 2.0**-self.ctx.precision * (float(values.abs().max()) + bound)
                explained = float(error.abs().max()) <= float(r.sum()) * (bound + own)
            if explained and 2 * int((error != 0).sum()) > error.numel():
                return transform.recorded(storage, "%s inexact as of a transform algorithm" % name, values.numel())
        return None


def _unusable(ctx, name, got, shape):
    if got is None:
        return judge.failed("no gradient (%s)" % name, 0)
    return outputs.misshapen(ctx, got, shape, "(%s)" % name)


def _samples(ctx, wrong, name, n):
    """Places to compute in full: the first wrong one, the last of all, a random one."""
    total = wrong.numel()
    picked = [total - 1, int(ctx.integers((1,), 0, total - 1, "place", name, n))]
    first = ctx.torch.nonzero(wrong.flatten())[:1].flatten().tolist()
    return [_place(number, wrong.shape) for number in dict.fromkeys(first + picked)]


def _place(number, shape):
    place = []
    for size in reversed(shape):
        number, at = divmod(number, size)
        place.append(at)
    return tuple(reversed(place))


def _flat(place, shape):
    number = 0
    for at, size in zip(place, shape):
        number = number * size + at
    return number


def _all_of(ctx, judgements):
    judgement = ctx.all_of(*judgements)
    shown = judgement.status == "pass" and any(j.status == "feature" for j in judgements)
    return judgement._replace(status="feature" if shown else judgement.status, digest="")
