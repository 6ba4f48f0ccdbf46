"""A linear layer, forward and backward, verified exactly in O(n**2): checksums in the manner of Freivalds.

For C = A B and a vector r the equation C r = A (B r) costs three products of a matrix and a vector. r holds random
integers from 1 to 2**16, so that no single wrong element can hide, and several in one row only where their errors,
weighted by r, cancel: a probability of at most 2**-16 for errors that do not know r (R. Freivalds, Probabilistic
machines can use less running time, IFIP 1977). Operands are integers and every sum stays below 2**53 (asserted), so
both sides are exact in float64 and any difference is a fault. The first, the last and one random row of every result
are computed in full; so are, up to eight, the rows whose checksum disagrees, which tells the columns.
"""

from . import judge, outputs, pools

_TRIES = 12


class Layer:
    """y = x w' + b of `rows` x `inputs` to `units`, dx = g w, dw = g' x, db = sums of g, on pooled integers.

    Sums of absolute products: |x| <= a, so those of y are at most a times the sum of a row of |w|, those of dx at most
    a times that of a column of |w|, those of dw at most a times that of a column of |g|: w and g are thinned until
    these stay within 2**p, which is asserted.
    """

    def __init__(self, ctx, rows, inputs, units, bias):
        self.ctx, self.shapes = ctx, {"x": (rows, inputs), "w": (units, inputs), "g": (rows, units)}
        longest = max(rows, inputs, units)
        limit = min(2.0**ctx.precision, 2.0**37 / longest)
        self.largest = a = max(1, min(1000, int((limit / (longest + 1)) ** 0.5)))
        self.b = ctx.integers((units,), -a, a, "b") if bias else ctx.torch.zeros(units, dtype=ctx.torch.int64)
        self.r = {k: ctx.integers((n,), 1, 2**16, "r", k).double() for k, n in (("in", inputs), ("out", units))}
        for attempt in range(_TRIES):
            room = 0.75 * 0.85**attempt * limit / a**2
            kept = {"x": 1.0, "w": room / max(inputs, units), "g": room / rows}
            self.pools = {k: pools.Pool(ctx, a, share, k) for k, share in kept.items()}
            self._scan()
            if self.heaviest <= limit:
                break
        ctx.require(self.heaviest <= 2.0**ctx.precision, "sum of absolute products <= 2**p")
        ctx.require(longest * 2.0**16 * self.heaviest <= 2.0**53, "checksums below 2**53")

    def _scan(self):
        """Everything that verification needs of w and g, block by block."""
        torch, (units, inputs) = self.ctx.torch, self.shapes["w"]
        zeros = {k: torch.zeros(n, dtype=torch.float64) for k, n in (("column", inputs), ("out", inputs), ("g", units))}
        across, along = [], []  # sums of rows of |w|, products of rows of w with r
        for start, block in self.each("w"):
            across.append(block.abs().sum(1))
            along.append(block @ self.r["in"])
            zeros["column"] += block.abs().sum(0)
            zeros["out"] += self.r["out"][start : start + len(block)] @ block
        self.db = torch.zeros(units, dtype=torch.float64)
        for _, block in self.each("g"):
            zeros["g"] += block.abs().sum(0)
            self.db += block.sum(0)
        self.checks = {"out": zeros["out"], "in": torch.cat(along)}
        sums = [torch.cat(across) + 1, zeros["column"], zeros["g"]]
        self.heaviest = self.largest * max(float(part.max()) for part in sums)

    def each(self, name):
        """(first row, rows of the operand in float64), block by block."""
        shape = self.shapes[name]
        for start, end in pools.blocks(shape):
            yield start, self.pools[name].doubles(start * shape[1], (end - start, shape[1]))

    def rows_of(self, name, places):
        width = self.shapes[name][1]
        return self.ctx.torch.stack([self.pools[name].doubles(int(p) * width, (width,)) for p in places])

    # --- the operation under test -------------------------------------------------------------------------------------
    def run(self, bias):
        """(y, x, w, b) on the device after the backward pass; y alone is filled where its shape is wrong."""
        x, w, g = (self.pools[k].tensor(self.shapes[k]) for k in "xwg")
        x, w = x.requires_grad_(), w.requires_grad_()
        b = self.ctx.tensor(self.b, grad=True) if bias else None
        y = self.ctx.torch.nn.functional.linear(x, w, b)
        if not outputs.misshapen(self.ctx, y, self.shapes["g"]):
            y.backward(g)
        return y, x, w, b

    def judged(self, bias):
        y, x, w, b = self.run(bias)
        bad = outputs.misshapen(self.ctx, y, self.shapes["g"], "(output)")
        if bad:
            return bad
        judged = [
            self._verified("output", y, self._checksum("x", self.checks["out"], self.b), self.r["out"]),
            self._verified("input gradient", x.grad, self._checksum("g", self.checks["in"]), self.r["in"]),
            self._verified("weight gradient", w.grad, self._weight_checksum(), self.r["in"]),
        ]
        if bias:
            judged.append(outputs.exact(self.ctx, b.grad, self.db, "(bias gradient)"))
        return self.ctx.all_of(*judged)._replace(digest="")

    def _checksum(self, name, vector, addend=None):
        total = self.ctx.torch.cat([block @ vector for _, block in self.each(name)])
        return total if addend is None else total + float(addend.double() @ self.r["out"])

    def _weight_checksum(self):
        total = self.ctx.torch.zeros(self.shapes["w"][0], dtype=self.ctx.torch.float64)
        projected = self._checksum("x", self.r["in"])
        for start, block in self.each("g"):
            total += projected[start : start + len(block)] @ block
        return total

    # --- verification -------------------------------------------------------------------------------------------------
    def exact_rows(self, name, places):
        """The rows `places` of a result, computed in full."""
        torch = self.ctx.torch
        if name == "output":
            x = self.rows_of("x", places)
            return torch.cat([x @ block.t() for _, block in self.each("w")], 1) + self.b.double()
        if name == "input gradient":
            g, total = self.rows_of("g", places), 0
            for start, block in self.each("w"):
                total = total + g[:, start : start + len(block)] @ block
            return total
        total = 0
        for (_, g), (_, x) in self._together():
            total = total + g[:, places].t() @ x
        return total

    def _together(self):
        """Blocks of g and x over the same rows."""
        step = min(next(pools.blocks(self.shapes[k]))[1] for k in "gx")
        for start in range(0, self.shapes["x"][0], step):
            end = min(start + step, self.shapes["x"][0])
            yield [
                (start, self.pools[k].doubles(start * self.shapes[k][1], (end - start, self.shapes[k][1])))
                for k in "gx"
            ]

    def _verified(self, name, got, want, r):
        ctx, torch = self.ctx, self.ctx.torch
        shape = (len(want), len(r))
        if got is None:
            return judge.failed("no gradient (%s)" % name, 0)
        bad = outputs.misshapen(ctx, got, shape, "(%s)" % name)
        if bad:
            return bad
        have = torch.cat([pools.values(ctx, got[start:end]) @ r for start, end in pools.blocks(shape)])
        wrong = torch.nonzero(have != want).flatten()
        if len(wrong):
            return self._located(name, got, wrong, shape)
        middle = int(ctx.integers((1,), 0, shape[0] - 1, "sample", name))
        places = torch.tensor(sorted({0, middle, shape[0] - 1}))
        sampled = ctx.exact(got[places.to(got.device)], self.exact_rows(name, places), note="(rows of the %s)" % name)
        return sampled if sampled.status != "pass" else judge.passed(shape[0] * shape[1])

    def _located(self, name, got, wrong, shape):
        """Which elements of the first wrong rows differ, in words."""
        ctx = self.ctx
        places = wrong[:8]
        have = pools.values(ctx, got[places.to(got.device)])
        want = self.exact_rows(name, places)
        at = ctx.torch.nonzero(have != want)
        text = "%s: %d of %d rows wrong by checksum, first row %d" % (name, len(wrong), shape[0], int(wrong[0]))
        if len(at):
            row, column = at[0].tolist()
            columns = at[at[:, 0] == row][:, 1]
            where = (len(columns), shape[1], int(columns.min()), int(columns.max()), int(places[row]), column)
            values = (float(have[row, column]), float(want[row, column]))
            text += "; %d of its %d columns, %d to %d; at [%d, %d] got %r, expected %r" % (where + values)
        return judge.failed(text, shape[0] * shape[1])
