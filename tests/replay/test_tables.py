"""Bad numbers that lie in tensors which the step takes from outside, are swallowed, or come once from a card."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from replay import loops
from torch import Tensor, nn
from torch.nn import functional

import hwcompat

LOSS, DATA = "<loss>", "<data>"
NAN = float("nan")


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize(
    ("where", "cause", "module"),
    [
        ("samples", "bad-data", DATA),
        ("labels", "bad-labels", LOSS),
        ("weights", "division-by-zero", LOSS),
        ("", "", ""),
    ],
)
def test_a_bad_number_in_a_tensor_that_the_step_closes_over(where: str, cause: str, module: str) -> None:
    samples, labels, weights = torch.randn(64, 8), torch.randn(64, 1), torch.rand(4)
    {"samples": samples, "labels": labels, "weights": weights}.get(where, torch.zeros(64))[3] = NAN
    model = loops.mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)

    def train_step(batch: Any) -> Tensor:
        rows, kinds = batch
        optimizer.zero_grad()
        loss = (weights[kinds] * (model(samples[rows]) - labels[rows]).square().mean(1)).mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = [(torch.randint(4, 64, (8,)), torch.randint(0, 3, (8,))) for _ in range(12)]
    batches[5][0][2], batches[5][1][2] = 3, 3
    finding = loops.run(hwcompat.watch(model, optimizer=optimizer), train_step, batches)
    if where:
        assert (finding.cause, finding.step, finding.module, finding.certainty) == (cause, 5, module, "suspected")
        assert where in finding.evidence[0]
    else:
        assert finding is None


def test_a_positive_function_that_underflows_before_it_is_added_to() -> None:
    model = loops.mlp(outputs=2)

    def loss(p: Tensor, y: Tensor) -> Tensor:
        spread = functional.softplus(p[:, 1:] - 300 * (y > 2)) + 0.0
        return ((p[:, :1] - y) / spread).square().mean() + spread.log().mean()

    batches = [(x, y.clamp(-1, 1)) for x, y in loops.pairs(10)]
    batches[6][1][4] = 3.0
    finding = loops.watched(model, loss, batches, torch.optim.SGD(model.parameters(), 1e-3))
    assert (finding.cause, finding.step, finding.module) == ("underflow", 6, LOSS)


def test_a_divisor_that_may_be_zero_rightly_is_a_division() -> None:
    """The mask is not positive everywhere: what it leaves of a softmax may be nothing at all."""

    def loss(p: Tensor, y: Tensor) -> Tensor:
        return (p.softmax(1) * y / (p.softmax(1) * y).sum(1, keepdim=True)).square().mean()

    batches = [(torch.randn(8, 8), torch.ones(8, 4)) for _ in range(8)]
    batches[4][1][2] = 0.0
    finding = loops.watched(loops.mlp(outputs=4), loss, batches)
    assert (finding.cause, finding.step) in (("division-by-zero", 4), ("bad-labels", 4))


def test_an_infinity_that_is_divided_by_leaves_no_loss() -> None:
    model = loops.mlp(outputs=128).half()

    def loss(p: Tensor, y: Tensor) -> Tensor:
        return ((p - y).square() / torch.tensor(float(p.numel())).half()).sum() * 16

    batches = [(torch.randn(640, 8).half(), torch.randn(640, 128).half()) for _ in range(6)]
    finding = loops.watched(model, loss, batches)
    assert (finding.cause, finding.certainty, finding.op) == ("fp16-overflow", "proved", "_to_copy")


class Glitch(torch.utils._python_dispatch.TorchDispatchMode):
    """One element of the first layer's output is enormous, in one step or from one step on."""

    def __init__(self, again: bool) -> None:
        super().__init__()
        self.again, self.calls = again, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func.overloadpacket.__name__ == "addmm" and out.shape == (16, 32):
            self.calls += 1
            if self.calls == 6 or (self.again and self.calls > 6):
                out[2, 3] = 3.2e38
        return out


@pytest.mark.parametrize("again", [False, True])
def test_a_number_that_no_sum_can_reach(again: bool) -> None:
    """Finite, and far outside sum |a||b|: the module is named, and a transient only where it does not come back."""
    model = loops.mlp(width=32)
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    with Glitch(again):
        finding = loops.run(
            hwcompat.watch(model, optimizer=optimizer), loops.step_of(model, optimizer), loops.pairs(12)
        )
    if again:
        assert finding.kind != "transient"
    else:
        assert (finding.cause, finding.kind, finding.module, finding.phase) == ("hardware", "transient", "0", "forward")


@pytest.mark.parametrize("drawn", [False, True])
def test_a_training_that_runs_away_from_a_step_that_does_not_come_back(drawn: bool) -> None:
    """The loss stays finite, and the weights run away. Numbers from elsewhere differ each time: no blame."""
    model = loops.mlp(width=32)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    source = random.SystemRandom() if drawn else None

    def loss(p: Tensor, y: Tensor) -> Tensor:
        noise = source.random() if source else 0.0
        return (p - y).abs().mean() * 30 + noise

    with Glitch(False):
        finding = loops.run(
            hwcompat.watch(model, optimizer=optimizer), loops.step_of(model, optimizer, loss), loops.pairs(12)
        )
    if drawn:
        assert finding.cause != "hardware"
    else:
        assert (finding.cause, finding.kind, finding.certainty, finding.step) == (
            "hardware",
            "transient",
            "suspected",
            5,
        )


def test_a_range_that_a_calibrator_of_its_own_keeps_is_no_transient() -> None:
    """Its state lies where no snapshot reaches, and changes what every step gives when it runs again."""
    model = loops.mlp(width=32)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)

    class Calibrator:
        __slots__ = ("largest",)

        def __init__(self) -> None:
            self.largest = [1.0]

        def __call__(self, x: Tensor) -> Tensor:
            self.largest.append(self.largest[-1] * (1e6 if len(self.largest) == 6 else 1.0))
            return x * self.largest[-1]

    calibrator = Calibrator()

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        loss = (calibrator(model(batch[0])) - batch[1]).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    finding = loops.run(hwcompat.watch(model, optimizer=optimizer), train_step, loops.pairs(14))
    assert finding is not None
    assert finding.cause != "hardware"


def test_a_mask_of_the_wrong_sign() -> None:
    def loss(p: Tensor, y: Tensor) -> Tensor:
        return (p.masked_fill(y > 0, float("inf")).softmax(1) * y).sum()

    finding = loops.watched(loops.mlp(outputs=4), loss, loops.pairs(outputs=4))
    assert (finding.cause, finding.step) == ("masked-softmax", 0)


def test_a_negative_number_of_the_samples_under_a_root() -> None:
    class Degrees(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lin = torch.nn.Linear(8, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.lin(x * x.sum(1, keepdim=True).pow(-0.5))

    batches = [(x.abs(), y) for x, y in loops.pairs()]
    batches[5][0][2] = -1.0
    finding = loops.watched(Degrees(), functional.mse_loss, batches)
    assert (finding.cause, finding.step, finding.certainty) == ("bad-data", 5, "proved")


def test_one_minus_a_probability_that_is_sure() -> None:
    model = loops.mlp()
    torch.nn.init.constant_(model[2].bias, 40.0)
    finding = loops.watched(model, lambda p, y: -(1 - p.sigmoid()).log().mean(), loops.pairs())
    assert (finding.cause, finding.step) == ("underflow", 0)


def test_a_giant_sample_that_is_its_own_target() -> None:
    model = loops.mlp(outputs=8)
    inputs = [x for x, _y in loops.pairs()]
    inputs[5][3, 2] = 1e30
    finding = loops.watched(model, functional.mse_loss, [(x, x) for x in inputs])
    assert (finding.cause, finding.step, finding.sample) in (("bad-data", 5, 3), ("bad-labels", 5, 3))


def test_targets_that_are_made_of_bad_samples_are_no_bad_labels() -> None:
    model = loops.mlp(outputs=8)
    inputs = [x for x, _y in loops.pairs()]
    inputs[5][3] = NAN
    finding = loops.watched(model, functional.mse_loss, [(x.nan_to_num(), x) for x in inputs])
    assert (finding.cause, finding.step) == ("bad-labels", 5)
    finding = loops.watched(loops.mlp(outputs=8), functional.mse_loss, [(x * 1.0, x) for x in inputs])
    assert (finding.cause, finding.step) == ("bad-data", 5)


def test_a_kernel_that_is_finite_enormous_and_wrong_from_the_start() -> None:
    """The infinity is born in the loss; the product before it had no right to what it gave."""

    class Kernel(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            if func.overloadpacket.__name__ == "addmm" and out.shape == (16, 32) and out.dtype == torch.float32:
                out[0, :2] = 3e38
            return out

    model = loops.mlp(width=32)
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    with Kernel():
        finding = loops.run(hwcompat.watch(model, optimizer=optimizer), loops.step_of(model, optimizer), loops.pairs(4))
    assert (finding.cause, finding.step, finding.module, finding.op) == ("hardware", 0, "0", "addmm")


def test_rows_that_a_kernel_leaves_unwritten_are_the_librarys() -> None:
    """index_add is wrong each time beyond a size; as a product of matrices the same sum is right on the same device."""

    class Kernel(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            added = func.overloadpacket.__name__ == "index_add" and out.dtype == torch.float32
            if added and out.dim() == 3 and out.shape[1] > 8:
                out[:, 8:] = NAN
            return out

    class Cut(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = torch.nn.Linear(4, 6)
            self.head = torch.nn.Linear(6, 1)

        def forward(self, x: Tensor) -> Tensor:
            h = self.fc(x).tanh()
            return self.head(torch.index_select(h, 1, torch.arange(min(8, h.shape[1]))).mean(1))

    model = Cut()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    batches = [(torch.randn(5, 10 if n == 4 else 6, 4), torch.randn(5, 1)) for n in range(8)]
    with Kernel():
        finding = loops.run(hwcompat.watch(model, optimizer=optimizer), loops.step_of(model, optimizer), batches)
    assert (finding.cause, finding.step, finding.op) == ("library", 4, "index_add")


class Graph(nn.Module):
    """A net over a table of vectors that it holds itself."""

    def __init__(self, written: bool) -> None:
        super().__init__()
        self.register_buffer("nodes", torch.randn(32, 8))
        self.out = nn.Linear(8, 3)
        self.written = written

    def forward(self, which: Tensor) -> Tensor:
        if self.written:
            with torch.no_grad():
                self.nodes[which] = 0.9 * self.nodes[which] + 0.1
        return self.out(self.nodes[which])


@pytest.mark.parametrize(("written", "cause"), [(False, "bad-data"), (True, "initialisation")])
def test_a_bad_number_in_a_buffer(written: bool, cause: str) -> None:
    """A table that is only looked up is data; one that the net writes to began wrong."""
    model = Graph(written)
    model.nodes[3, 2] = float("nan")
    batches = [(torch.randperm(32), torch.randint(3, (32,))) for _ in range(6)]
    finding = loops.watched(model, nn.functional.cross_entropy, batches)
    assert (finding.cause, finding.step) == (cause, 0)
    assert "nodes" in finding.evidence[0]


def test_bad_running_statistics_are_no_data() -> None:
    norm = nn.BatchNorm1d(8).eval()
    norm.running_mean[2] = float("nan")
    finding = loops.watched(nn.Sequential(norm, nn.Linear(8, 1)), nn.functional.mse_loss, loops.pairs())
    assert (finding.cause, finding.step) == ("initialisation", 0)
