"""Starts that no signal gets through, weights that change by themselves, kernels that are crooked, losses in a dict."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from replay import loops
from torch import Tensor, nn

import hwcompat
from hwcompat.replay import trees

LOSS, OPTIMIZER = "<loss>", "<optimizer>"


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


class Decaying(torch.optim.SGD):
    """Plain descent whose decay lies in no group."""

    def __init__(self, params: Any, lr: float, keep: float) -> None:
        super().__init__(params, lr=lr)
        self.keep = keep

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.mul_(self.keep)
        return super().step(closure)


@pytest.mark.parametrize(("keep", "way"), [(1.2, "larger"), (0.5, "smaller"), (0.9999, "")])
def test_a_decay_that_lies_in_no_group(keep: float, way: str) -> None:
    model = loops.mlp(outputs=3)
    batches = loops.clouds()
    optimizer = Decaying(model.parameters(), 0.05, keep)
    finding = loops.watched(model, nn.functional.cross_entropy, batches, optimizer)
    assert (finding and (finding.cause, finding.module)) == ((way and ("weight-decay", OPTIMIZER)) or None)
    assert not way or f"get {way} by themselves" in " ".join(finding.evidence)


def test_momentum_that_dies_away_is_no_decay() -> None:
    """With no gradient the weights still move, by less and less."""
    model = loops.mlp()
    optimizer = torch.optim.SGD(model.parameters(), 3.0, momentum=0.9)
    finding = loops.watched(model, nn.functional.mse_loss, loops.pairs(40), optimizer)
    assert finding.cause == "learning-rate"


def test_weights_that_are_all_one_number() -> None:
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3))
    for parameter in model.parameters():
        nn.init.constant_(parameter, 0.02)
    batches = loops.clouds()
    finding = loops.watched(model, nn.functional.cross_entropy, batches)
    assert finding.cause == "initialisation"
    assert "one and the same number" in " ".join(finding.evidence)


def test_a_deep_net_whose_first_weights_are_too_small() -> None:
    layers: list[nn.Module] = []
    for number in range(9):
        layers += [nn.Linear(8 if number == 0 else 16, 16), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(16, 3))
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.003)
            nn.init.zeros_(module.bias)
    finding = loops.watched(model, nn.functional.cross_entropy, loops.labelled(60, classes=3))
    assert finding.cause == "initialisation"


def test_a_loss_that_is_beyond_everything_from_the_start() -> None:
    class Noisy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(8, 8))
            self.log_spread = nn.Parameter(torch.full((8,), 20.0))

        def forward(self, x: Tensor) -> Tensor:
            return x @ self.weight + self.log_spread.exp() * torch.randn_like(x)

    model = nn.Sequential(Noisy(), nn.LeakyReLU(), Noisy(), nn.Linear(8, 1))
    finding = loops.watched(model, nn.functional.mse_loss, loops.pairs(10), torch.optim.SGD(model.parameters(), 0.02))
    assert finding.cause == "initialisation"


@pytest.mark.parametrize("crooked", [True, False])
def test_a_finite_backward_kernel_that_makes_a_training_run_away(crooked: bool) -> None:
    """Wrong for channels_last alone; the same inputs row by row give what float64 gives."""
    model = nn.Sequential(nn.Conv2d(2, 6, 3, padding=1), nn.BatchNorm2d(6), nn.LeakyReLU(0.1), nn.Conv2d(6, 1, 1))
    model = model.to(memory_format=torch.channels_last)

    class Kernel(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            if crooked and func.overloadpacket.__name__ == "native_batch_norm_backward":
                last = args[1].is_contiguous(memory_format=torch.channels_last) and not args[1].is_contiguous()
                if last and out[0].dtype == torch.float32:
                    out[1].mul_(-3e4)
            return out

    pictures = [torch.randn(6, 2, 8, 8).to(memory_format=torch.channels_last) for _ in range(20)]
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    step = loops.step_of(model, optimizer)
    batches = [(x, x[:, :1] - x[:, 1:]) for x in pictures]
    with Kernel():
        finding = loops.run(hwcompat.watch(model, optimizer=optimizer), step, batches)
    expected = ("library", "silent", "1", "backward")
    assert (finding and (finding.cause, finding.kind, finding.module, finding.phase)) == (expected if crooked else None)


def test_every_term_of_a_dict_of_losses_counts_and_what_is_only_logged_does_not() -> None:
    first, second = torch.ones((), requires_grad=True) * 2, torch.ones((), requires_grad=True) * 3
    assert float(trees.first_loss({"a": first, "b": second})) == 5.0
    assert float(trees.first_loss({"a": first, "logged": torch.tensor(float("inf"))})) == 2.0
    assert float(trees.first_loss({"a": first, "loss": second})) == 3.0
    assert trees.first_loss((first, second)) is first

    model = loops.mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)

    def train_step(batch: Any) -> dict[str, Tensor]:
        x, y = batch
        optimizer.zero_grad()
        errors = (model(x) - y).square()[:, 0]
        terms = {"all": errors.mean(), "large": errors[y[:, 0] > 0].mean()}
        sum(terms.values()).backward()
        optimizer.step()
        return terms

    batches = loops.pairs(12)
    batches[6] = (batches[6][0], -batches[6][1].abs())
    finding = loops.run(hwcompat.watch(model, optimizer=optimizer), train_step, batches)
    assert (finding.cause, finding.step, finding.module) == ("division-by-zero", 6, LOSS)


def test_a_division_by_nothing_in_an_optimizer_of_ones_own() -> None:
    class Own(torch.optim.Optimizer):
        def __init__(self, params: Any) -> None:
            super().__init__(params, {"lr": 0.01, "eps": 1e-8})

        @torch.no_grad()
        def step(self, closure: Any = None) -> None:
            for parameter in self.param_groups[0]["params"]:
                grad = parameter.grad
                parameter.sub_(0.01 * grad / grad.abs())  # its eps is forgotten

    model = loops.mlp()
    optimizer = Own(model.parameters())
    finding = loops.watched(model, lambda p, y: (p - y).square().mean() * 0.0, loops.pairs(), optimizer)
    assert (finding.cause, finding.phase, finding.certainty) == ("optimizer-eps", "optimizer", "proved")


def test_an_exponential_that_is_clipped_after_it_left_the_range() -> None:
    def loss(p: Tensor, y: Tensor) -> Tensor:
        return (p + 200 * (y > 2)).exp().clamp(max=10.0).mean()

    batches = [(x, y.clamp(-1, 1)) for x, y in loops.pairs()]
    batches[5][1][2] = 3.0
    finding = loops.watched(loops.mlp(), loss, batches)
    assert (finding.cause, finding.step, finding.phase) == ("singular-gradient", 5, "backward")


def test_a_training_whose_own_check_raises_once_it_has_run_away() -> None:
    model = loops.mlp()
    optimizer = torch.optim.SGD(model.parameters(), 5.0)

    def train_step(batch: Any) -> Tensor:
        out = model(batch[0])
        if not bool(out.square().square().isfinite().all()):
            raise ValueError("matrix contains invalid numeric entries")
        optimizer.zero_grad()
        loss = (out - batch[1]).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    finding = loops.run(hwcompat.watch(model, optimizer=optimizer), train_step, loops.pairs(20))
    assert finding.cause == "learning-rate"


ECC, LAUNCH = "CUDA error: uncorrectable ECC error encountered", "CUDA error: unspecified launch failure"


@pytest.mark.parametrize(("told", "again"), [(ECC, False), (LAUNCH, False), (LAUNCH, True), ("something else", False)])
def test_an_exception_of_the_card(told: str, again: bool) -> None:
    """A launch that fails is the card's only where the same step goes through when it runs again."""
    model = loops.mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    step = loops.step_of(model, optimizer)

    class Card(torch.utils._python_dispatch.TorchDispatchMode):
        calls = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func.overloadpacket.__name__ == "addmm":
                Card.calls += 1
                if Card.calls == 8 or (again and Card.calls > 8):
                    raise RuntimeError(told)
            return func(*args, **(kwargs or {}))

    watch = hwcompat.watch(model, optimizer=optimizer)
    with Card():
        if told in (ECC, LAUNCH) and not again:
            finding = loops.run(watch, step, loops.pairs())
            assert (finding.cause, finding.step, finding.module) == ("hardware", 3, "2")
        else:
            with pytest.raises(RuntimeError, match=told):
                loops.run(watch, step, loops.pairs())


def test_a_loss_in_units_of_a_variance() -> None:
    """Inputs, weights and outputs are of a usual size, and no learning rate bears errors over 1e-12."""
    model = loops.mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    finding = loops.watched(model, lambda p, y: ((p - 1e-6 * y) / 1e-12).square().mean(), loops.pairs(20), optimizer)
    assert (finding.cause, finding.certainty, finding.module) == ("input-scale", "suspected", "<loss>")


@pytest.mark.parametrize("secret", [False, True])
def test_a_copy_that_arrives_spoilt_once(secret: bool) -> None:
    """In a module without any product; one that holds an object of its own is not cleared of having done it itself."""

    class Link(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cable = object() if secret else 1

        def forward(self, x: Tensor) -> Tensor:
            return x.half()

    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), Link(), nn.Linear(16, 1).half())
    optimizer = torch.optim.SGD(model.parameters(), 0.05)

    class Cable(torch.utils._python_dispatch.TorchDispatchMode):
        calls = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            if func.overloadpacket.__name__ == "_to_copy" and out.shape == (16, 16) and out.dtype == torch.float16:
                Cable.calls += 1
                if Cable.calls == 6:
                    out[3, 2] = float("inf")
            return out

    with Cable():
        finding = loops.run(
            hwcompat.watch(model, optimizer=optimizer),
            loops.step_of(model, optimizer, lambda p, y: (p.float() - y).square().mean()),
            loops.pairs(),
        )
    if secret:
        assert finding.cause == "unknown"
    else:
        assert (finding.cause, finding.kind, finding.module) == ("hardware", "transient", "2")


def test_a_loss_handed_back_as_a_number_while_the_gradients_are_fine() -> None:
    model = loops.mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)

    def train_step(batch: Any) -> float:
        x, y = batch
        optimizer.zero_grad()
        errors = (model(x) - y).square()[:, 0]
        loss = errors.mean() + errors[y[:, 0] > 0].mean()
        loss.backward()
        optimizer.step()
        return float(loss)

    batches = loops.pairs(12)
    batches[6] = (batches[6][0], -batches[6][1].abs())
    finding = loops.run(hwcompat.watch(model, optimizer=optimizer), train_step, batches)
    assert (finding.cause, finding.step, finding.module) == ("division-by-zero", 6, LOSS)


def test_a_step_under_anomaly_detection_is_explained_and_not_raised() -> None:
    model = loops.mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    step = loops.step_of(model, optimizer, lambda p, y: (p * (y < 2)).square().sum(1).sqrt().mean())
    batches = [(x, y.clamp(-1, 1)) for x, y in loops.pairs()]
    batches[5][1][2] = 3.0
    with torch.autograd.set_detect_anomaly(True):
        finding = loops.run(hwcompat.watch(model, optimizer=optimizer), step, batches)
    assert (finding.cause, finding.step, finding.phase) == ("singular-gradient", 5, "backward")


@pytest.mark.parametrize("lr", [8.0, 0.02])
def test_a_rate_at_which_a_lone_optimizer_learns_nothing(lr: float) -> None:
    model = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 3), nn.Softmax(1))
    batches = loops.clouds(70, 1.0, 0.5)

    def loss(p: Tensor, y: Tensor) -> Tensor:
        return (p - nn.functional.one_hot(y, 3)).square().sum(1).mean()

    finding = loops.watched(model, loss, batches, torch.optim.Adam(model.parameters(), lr))
    assert (finding and finding.cause) == ("learning-rate" if lr > 1 else None)
