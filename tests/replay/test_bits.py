"""Watching changes no bit of a training, and a bad step is undone exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from replay import loops
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import hwcompat


class Checkpointed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = loops.mlp(8, 16, 8), nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(checkpoint(self.first, x, use_reentrant=False))


def images(steps: int = 6) -> list[tuple[Tensor, Tensor]]:
    return [(torch.randn(4, 3, 8, 8), torch.randint(3, (4,))) for _ in range(steps)]


def convolutional() -> nn.Module:
    layers = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.3), nn.Flatten(), nn.Linear(8 * 36, 3)]
    return nn.Sequential(*layers)


def build(name: str) -> tuple[nn.Module, Any, Any, Callable[[Any], Any], list[Any]]:
    """(model, optimizer, scaler, train_step, batches) of a training of that kind."""
    torch.manual_seed(5)
    cross = nn.functional.cross_entropy
    if name == "dropout, batch norm, momentum":
        model = convolutional()
        optimizer: Any = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
        return model, optimizer, None, loops.step_of(model, optimizer, cross), images()
    if name == "channels_last, adamw":
        model = convolutional().to(memory_format=torch.channels_last)
        optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
        batches = [(x.to(memory_format=torch.channels_last), y) for x, y in images()]
        return model, optimizer, None, loops.step_of(model, optimizer, cross), batches
    if name == "fp16 autocast, scaler that skips":
        model = convolutional()
        optimizer, scaler = torch.optim.Adam(model.parameters(), 1e-3), torch.amp.GradScaler("cpu", init_scale=2.0**28)
        return model, optimizer, scaler, loops.step_of(model, optimizer, cross, scaler, torch.float16), images(24)
    if name == "bf16 autocast":
        model = loops.mlp()
        optimizer = torch.optim.SGD(model.parameters(), 0.05)
        return model, optimizer, None, loops.step_of(model, optimizer, amp=torch.bfloat16), loops.pairs()
    if name == "checkpointing":
        model = Checkpointed()
        optimizer = torch.optim.SGD(model.parameters(), 0.05)
        return model, optimizer, None, loops.step_of(model, optimizer), loops.pairs()
    model = nn.LSTM(8, 16, batch_first=True)
    optimizer = torch.optim.RMSprop(model.parameters(), 1e-3)

    def train_step(batch: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = model(batch)[0].square().mean() + 0.1 * torch.rand(()) * model.weight_hh_l0.sum()
        loss.backward()
        optimizer.step()
        return loss

    return model, optimizer, None, train_step, [torch.randn(4, 5, 8) for _ in range(8)]


KINDS = [
    "dropout, batch norm, momentum",
    "channels_last, adamw",
    "fp16 autocast, scaler that skips",
    "bf16 autocast",
    "checkpointing",
    "lstm, random numbers in the loss",
]


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_the_same_bits_with_and_without_watching(kind: str) -> None:
    model, optimizer, scaler, train_step, batches = build(kind)
    for batch in batches:
        train_step(batch)
    alone, generator = loops.bits(model, optimizer), torch.get_rng_state()

    model, optimizer, scaler, train_step, batches = build(kind)
    watch = hwcompat.watch(model, optimizer=optimizer, scaler=scaler)
    assert loops.run(watch, train_step, batches) is None
    assert watch.steps == len(batches)
    assert loops.same(alone, loops.bits(model, optimizer))
    assert torch.equal(generator, torch.get_rng_state())


@pytest.mark.parametrize("kind", KINDS[:1] + KINDS[2:3])
def test_a_bad_step_is_undone_exactly(kind: str) -> None:
    model, optimizer, scaler, train_step, batches = build(kind)
    bad = len(batches) - 2
    batches[bad][0][0] = float("nan")
    watch = hwcompat.watch(model, optimizer=optimizer, scaler=scaler)
    before: list[Tensor] = []
    for number, batch in enumerate(batches):
        if number == bad:
            before, generator = loops.bits(model, optimizer), torch.get_rng_state()
            scale = scaler.get_scale() if scaler else None
        watch.step(train_step, batch)
        if watch.finding:
            break
    assert (watch.finding.cause, watch.finding.step) == ("bad-data", bad)
    assert loops.same(before, loops.bits(model, optimizer))
    assert torch.equal(generator, torch.get_rng_state())
    assert scaler is None or scaler.get_scale() == scale


def test_with_continue_the_training_goes_on_as_if_nobody_watched() -> None:
    model, optimizer, _scaler, train_step, batches = build(KINDS[0])
    batches[3][0][1] = float("inf")
    for batch in batches:
        train_step(batch)
    alone = loops.bits(model, optimizer)

    model, optimizer, _scaler, train_step, batches = build(KINDS[0])
    batches[3][0][1] = float("inf")
    watch = hwcompat.watch(model, optimizer=optimizer, on_finding="continue")
    for batch in batches:
        watch.step(train_step, batch)
    assert watch.finding.cause == "bad-data"
    assert watch.findings[0] is watch.finding
    assert loops.same(alone, loops.bits(model, optimizer))


def test_extra_state_is_rolled_back_too() -> None:
    torch.manual_seed(0)
    model = loops.mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    plain = loops.step_of(model, optimizer)

    def train_step(batch: Any) -> Tensor:
        loss = plain(batch)
        scheduler.step()
        return loss

    batches = loops.pairs()
    batches[4][0][0, 0] = float("nan")
    watch = hwcompat.watch(model, optimizer=optimizer, extra_state=[scheduler])
    assert loops.run(watch, train_step, batches).step == 4
    assert scheduler.last_epoch == 4
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.05 * 0.9**4)


def test_a_batch_that_the_step_changes_in_place_is_replayed_as_it_was() -> None:
    torch.manual_seed(0)
    model = loops.mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)

    def train_step(batch: Any) -> Tensor:
        batch[0].mul_(0.5)
        optimizer.zero_grad()
        out = model(batch[0])
        loss = torch.log(out - out.min()).mean()
        loss.backward()
        optimizer.step()
        return loss

    finding = loops.run(hwcompat.watch(model, optimizer=optimizer), train_step, loops.pairs())
    assert (finding.cause, finding.step, finding.module) == ("division-by-zero", 0, "<loss>")


def test_counters_that_a_step_keeps_are_as_the_user_left_them() -> None:
    torch.manual_seed(0)
    model = loops.mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    calls, log = [0], []
    plain = loops.step_of(model, optimizer)

    def train_step(batch: Any) -> Tensor:
        calls[0] += 1
        if calls[0] == 5:
            batch = (batch[0] / 0.0, batch[1])
        log.append(calls[0])
        return plain(batch)

    finding = loops.run(hwcompat.watch(model, optimizer=optimizer), train_step, loops.pairs())
    assert calls == [5]
    assert log == [1, 2, 3, 4, 5]
    assert finding.step == 4
    assert finding.cause != "hardware"


@pytest.mark.parametrize("draws", [0, 1, 2, 3])
def test_the_generators_of_numpy_and_python_are_put_back(draws: int) -> None:
    import random

    import numpy as np

    from hwcompat.replay import rng

    np.random.seed(3)
    for _ in range(draws):
        np.random.randn()
    rng.read([])
    for _ in range(draws):
        np.random.randn()
    states = rng.read([])
    wanted = [np.random.randn() for _ in range(5)], random.random(), float(torch.rand(()))
    rng.write(states)
    assert ([np.random.randn() for _ in range(5)], random.random(), float(torch.rand(()))) == wanted


def test_the_history_of_lbfgs_is_put_back_too() -> None:
    """It lies in lists, which the optimizer appends to in place."""
    torch.manual_seed(0)
    model = loops.mlp()
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=3)

    def train_step(batch: Any) -> torch.Tensor:
        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(model(batch[0]), batch[1])
            loss.backward()
            return loss

        return optimizer.step(closure)

    batches = loops.pairs(6)
    batches[4][0][3, 2] = float("nan")
    watch = hwcompat.watch(model, optimizer=optimizer)
    histories = []
    for batch in batches:
        state = next(iter(optimizer.state.values()), {})
        histories.append([d.clone() for d in state.get("old_dirs", [])])
        watch.step(train_step, batch)
        if watch.finding:
            break
    assert watch.finding.step == 4
    restored = next(iter(optimizer.state.values()))["old_dirs"]
    assert len(restored) == len(histories[-1]) > 2
    assert all(torch.equal(a, b) for a, b in zip(restored, histories[-1], strict=True))
