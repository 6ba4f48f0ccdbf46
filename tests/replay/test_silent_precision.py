"""Trainings that stand still because of what half precision loses, of rates, modes, clearing and first weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from replay import loops
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

import hwcompat

LOSS, OPTIMIZER = "<loss>", "<optimizer>"


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


class Clock(nn.Module):
    """The running sum of gaps, kept in some type."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.mid, self.head = nn.Linear(1, 12), nn.Linear(12, 1)

    def forward(self, gaps: Tensor) -> Tensor:
        total = torch.zeros(len(gaps), dtype=self.dtype)
        for gap in gaps.to(self.dtype).unbind(1):
            total = total + gap
        return self.head(self.mid(total.float()[:, None] / 300).tanh())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_a_running_sum_that_stands_still_in_half_precision(dtype: torch.dtype) -> None:
    model = Clock(dtype)
    nn.init.zeros_(model.head.weight)
    batches = []
    for _ in range(40):
        gaps = torch.cat([torch.ones(32, 260), 0.2 + 0.7 * torch.rand(32, 1).expand(32, 120)], 1)
        last = gaps.sum(1, keepdim=True)
        batches.append((gaps, (last - last.mean()) / last.std()))
    optimizer = torch.optim.Adam(model.parameters(), 0.05)
    finding = loops.watched(model, functional.mse_loss, batches, optimizer)
    if dtype == torch.float32:
        assert finding is None
    else:
        assert (finding.cause, finding.certainty, finding.phase) == (
            "fp16-accumulation",
            "by counterfactual",
            "forward",
        )
        assert "with float32 in place of half precision" in finding.evidence[-1]


class EvenSteps(torch.optim.Optimizer):
    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                p.copy_(p.float() - group["lr"] * p.grad.float().sign())


@pytest.mark.parametrize("lr", [5e-4, 0.0])
def test_weights_that_their_own_type_cannot_move(lr: float) -> None:
    """At a rate of 0 nothing is lost: then nothing was to be moved."""
    model = loops.mlp()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.where(parameter < 0, -1.0, 1.0) * (0.5 + parameter.abs()))
    model.to(torch.bfloat16)
    batches = [(x.bfloat16(), 4 + x[:, :1].bfloat16()) for x, _y in loops.pairs(40, 32)]
    finding = loops.watched(model, functional.mse_loss, batches, EvenSteps(model.parameters(), lr))
    if lr:
        assert (finding.cause, finding.certainty, finding.phase) == ("fp16-accumulation", "suspected", "optimizer")
    else:
        assert finding is None


@pytest.mark.parametrize("lr", [2e-6, 0.02])
def test_a_rate_of_next_to_nothing(lr: float) -> None:
    model = loops.mlp(outputs=3)
    optimizer = torch.optim.Adam(model.parameters(), lr)
    finding = loops.watched(model, functional.cross_entropy, loops.clouds(40), optimizer)
    if lr > 1e-3:
        assert finding is None
    else:
        assert (finding.cause, finding.module) == ("learning-rate", OPTIMIZER)
        assert finding.remedy.startswith("raise the learning rate")


def test_a_warm_up_from_next_to_nothing_is_none() -> None:
    model = loops.mlp()
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    warm = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: (step + 1) * 1e-6)
    step = loops.step_of(model, optimizer)

    def train_step(batch: Any) -> Tensor:
        loss = step(batch)
        warm.step()
        return loss

    assert (
        loops.run(hwcompat.watch(model, optimizer=optimizer, extra_state=[warm]), train_step, loops.pairs(70)) is None
    )


@pytest.mark.parametrize("between", [True, False])
def test_gradients_cleared_between_the_parts_of_a_step(between: bool) -> None:
    model = loops.mlp(width=24, outputs=4)
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    centres = 2 * torch.randn(4, 8)

    def train_step(batch: Any) -> Tensor:
        total = torch.zeros(())
        optimizer.zero_grad()
        for x, y in batch:
            if between:
                optimizer.zero_grad()
            loss = functional.cross_entropy(model(x), y) / len(batch)
            loss.backward()
            total += loss.detach()
        optimizer.step()
        return total

    batches = [
        [(centres[label] + torch.randn(12, 8), torch.full((12,), label)) for label in range(4)] for _ in range(40)
    ]
    finding = loops.run(hwcompat.watch(model, optimizer=optimizer), train_step, batches)
    assert (finding and finding.cause) == ("zero-grad" if between else None)
    assert model.zero_grad.__func__ is nn.Module.zero_grad


class Norm(nn.Module):
    """Its running statistics are written, or not."""

    def __init__(self, writes: bool) -> None:
        super().__init__()
        self.writes = writes
        self.register_buffer("mean", torch.zeros(16))
        self.register_buffer("variance", torch.ones(16))

    def forward(self, x: Tensor) -> Tensor:
        mean, variance = self.mean, self.variance
        if self.training:
            mean, variance = x.mean(0), x.var(0, correction=0)
            if self.writes:
                self.mean.lerp_(mean.detach(), 0.5)
                self.variance.lerp_(variance.detach(), 0.5)
        return (x - mean) / (variance + 1e-5).sqrt()


@pytest.mark.parametrize("writes", [False, True])
def test_running_statistics_that_nobody_wrote(writes: bool) -> None:
    model = nn.Sequential(nn.Linear(8, 16), Norm(writes), nn.ReLU(), nn.Linear(16, 1))
    optimizer, count = torch.optim.SGD(model.parameters(), 0.02), [0]
    step = loops.step_of(model, optimizer)

    def train_step(batch: Any) -> Tensor:
        model[1].train(count[0] < 20)
        count[0] += 1
        return step(batch)

    batches = [(50 * x, y) for x, y in loops.pairs(40, 32)]
    finding = loops.run(hwcompat.watch(model, optimizer=optimizer), train_step, batches)
    assert (finding and (finding.cause, finding.module)) == (None if writes else ("batch-statistics", "1"))


def test_a_variance_that_rounding_takes_below_zero() -> None:
    class Field(nn.Module):
        def forward(self, h: Tensor) -> Tensor:
            mean = h.mean(0, keepdim=True)
            return (h - mean) / (h.square().mean(0, keepdim=True) - mean.square() + 1e-9).sqrt()

    model = nn.Sequential(nn.Linear(8, 16), Field(), nn.Linear(16, 1))
    with torch.no_grad():
        model[0].bias.copy_(torch.linspace(40, 60, 16))
    batches = loops.pairs(12, 33)
    batches[6] = (torch.zeros(33, 8), batches[6][1])
    finding = loops.watched(model, functional.mse_loss, batches, torch.optim.SGD(model.parameters(), 1e-3))
    assert (finding.cause, finding.module, finding.step) == ("batch-statistics", "1", 6)


@pytest.mark.parametrize("sign", [-2.0, 0.001])
def test_a_decay_that_the_loop_adds_to_the_gradients(sign: float) -> None:
    model = loops.mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        loss = functional.mse_loss(model(batch[0]), 0.1 * batch[1])
        loss.backward()
        with torch.no_grad():
            for weight in model.parameters():
                weight.grad.add_(weight, alpha=sign)
        optimizer.step()
        return loss

    finding = loops.run(hwcompat.watch(model, optimizer=optimizer), train_step, loops.pairs(60, 32))
    assert (finding and finding.cause) == ("weight-decay" if sign < 0 else None)


def test_layers_that_each_let_a_fraction_through() -> None:
    layers: list[nn.Module] = []
    for _ in range(10):
        layers += [nn.Linear(8, 8), nn.Tanh()]
    model = nn.Sequential(*layers, nn.Linear(8, 3))
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.12)
            nn.init.zeros_(module.bias)
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    finding = loops.watched(model, functional.cross_entropy, loops.clouds(60), optimizer)
    assert finding.cause == "initialisation"
    assert any("values shrink to a" in line for line in finding.evidence)


def test_first_weights_of_a_sign_that_has_no_logarithm() -> None:
    class Mixture(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(8, 3))

        def forward(self, x: Tensor) -> Tensor:
            return (x.exp() @ self.weight).log()

    finding = loops.watched(Mixture(), functional.mse_loss, [(x, y.repeat(1, 3)) for x, y in loops.pairs(6)])
    assert (finding.cause, finding.step, finding.certainty) == ("initialisation", 0, "by counterfactual")


def test_gradients_that_are_divided_by_nothing_after_backward() -> None:
    model = loops.mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        loss = (functional.mse_loss(model(batch[0]), batch[1], reduction="none") * batch[2]).mean()
        loss.backward()
        for parameter in model.parameters():
            parameter.grad = parameter.grad / parameter.grad.norm()
        optimizer.step()
        return loss

    batches = [(x, y, torch.ones(16, 1)) for x, y in loops.pairs(10)]
    batches[5][2].zero_()
    finding = loops.run(hwcompat.watch(model, optimizer=optimizer), train_step, batches)
    assert (finding.cause, finding.step, finding.phase) == ("division-by-zero", 5, "backward")


class Stumbles(TorchDispatchMode):
    """A softmax that gives NaN for some rows that hold -inf, though not only that."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func.overloadpacket.__name__ == "_softmax" and out.shape[-1] == 24:
            rows = args[0].isinf().any(-1)
            rows[..., :12] = False
            out[rows] = float("nan")
        return out


def test_a_softmax_kernel_that_stumbles_over_minus_infinity() -> None:
    class Causal(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.qkv = nn.Linear(6, 18)

        def forward(self, x: Tensor) -> Tensor:
            q, k, v = self.qkv(x).chunk(3, -1)
            mask = torch.full((x.shape[1],) * 2, float("-inf")).triu(1)
            return (q @ k.transpose(1, 2) + mask).softmax(-1) @ v

    model = Causal()
    batches = [(x, x) for x in (torch.randn(4, 24 if n == 4 else 16, 6) for n in range(8))]
    with Stumbles():
        finding = loops.watched(model, functional.mse_loss, batches)
    assert (finding.cause, finding.step, finding.op) == ("library", 4, "_softmax")
    assert "-inf" in finding.remedy


class Wandering:
    """A loss scale of one's own that is halved until the step is finite."""

    def __init__(self, value: float, least: float) -> None:
        self.value, self.least = value, least

    def state_dict(self) -> dict[str, float]:
        return {"value": self.value}

    def load_state_dict(self, state: dict[str, float]) -> None:
        self.value = state["value"]


@pytest.mark.parametrize("least", [2.0**-14, 1.0])
def test_a_loss_scale_of_ones_own_that_is_still_on_its_way_down(least: float) -> None:
    model, scale = loops.mlp(), Wandering(2.0**6, least)
    optimizer = torch.optim.Adam(model.parameters(), 0.02)

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.float16):
            found = model(batch[0])
        loss = functional.mse_loss(found.float() * 9e3, batch[1] * 9e3)
        (loss * scale.value).backward()
        grads = [p.grad.div_(scale.value) for p in model.parameters()]
        if all(bool(grad.isfinite().all()) for grad in grads):
            optimizer.step()
        else:
            scale.value = max(scale.value / 2, scale.least)
        return loss

    watch = hwcompat.watch(model, optimizer=optimizer, extra_state=[scale])
    finding = loops.run(watch, train_step, loops.pairs(60))
    assert (finding and finding.cause) == (None if least < 1 else "fp16-overflow")


class Stale(TorchDispatchMode):
    """Copies of one size arrive as the one before: run again, the same copy is right."""

    def __init__(self) -> None:
        super().__init__()
        self.held: Tensor | None = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func.overloadpacket.__name__ == "clone" and out.shape == (32, 16) and out.dtype == torch.float32:
            sent = out.clone()
            out.copy_(torch.zeros_like(out) if self.held is None else self.held)
            self.held = sent
        return out


def test_a_copy_that_is_right_when_it_is_made_again_convicts_no_library() -> None:
    class Link(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.clone()

    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), Link(), nn.Linear(16, 3))
    with Stale():
        finding = loops.watched(model, functional.cross_entropy, loops.clouds(40))
    assert finding is None or finding.cause != "library"
