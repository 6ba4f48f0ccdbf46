"""Small trainings for the tests of the watch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

import hwcompat


def mlp(inputs: int = 8, width: int = 16, outputs: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, outputs))


def pairs(steps: int = 12, batch: int = 16, inputs: int = 8, outputs: int = 1) -> list[tuple[Tensor, Tensor]]:
    teacher = torch.randn(inputs, outputs)
    return [(x, x @ teacher) for x in (torch.randn(batch, inputs) for _ in range(steps))]


def labelled(steps: int = 12, batch: int = 16, inputs: int = 8, classes: int = 4) -> list[tuple[Tensor, Tensor]]:
    return [(torch.randn(batch, inputs), torch.randint(classes, (batch,))) for _ in range(steps)]


def clouds(steps: int = 60, spread: float = 2.0, noise: float = 1.0) -> list[tuple[Tensor, Tensor]]:
    """Three classes that can be told apart."""
    centres = spread * torch.randn(3, 8)
    labels = [torch.randint(3, (32,)) for _ in range(steps)]
    return [(centres[y] + noise * torch.randn(32, 8), y) for y in labels]


def step_of(
    model: nn.Module,
    optimizer: Any,
    criterion: Callable[[Tensor, Any], Tensor] = nn.functional.mse_loss,
    scaler: Any = None,
    amp: torch.dtype | None = None,
) -> Callable[[Any], Tensor]:
    """The ordinary training step."""

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=amp or torch.bfloat16, enabled=amp is not None):
            loss = criterion(model(x), y)
        (scaler.scale(loss) if scaler else loss).backward()
        if scaler:
            scaler.step(optimizer)
            scaler.update()
        else:
            optimizer.step()
        return loss

    return train_step


def run(watch: Any, train_step: Callable[[Any], Any], batches: Iterable[Any]) -> Any:
    """The finding of a watched loop, or None."""
    for batch in batches:
        watch.step(train_step, batch)
        if watch.finding:
            break
    return watch.finding


def watched(
    model: nn.Module,
    criterion: Callable[[Tensor, Any], Tensor],
    batches: Iterable[Any],
    optimizer: Any = None,
    scaler: Any = None,
    amp: torch.dtype | None = None,
) -> Any:
    """The finding of an ordinary training."""
    optimizer = optimizer or torch.optim.SGD(model.parameters(), 0.05)
    watch = hwcompat.watch(model, optimizer=optimizer, scaler=scaler)
    return run(watch, step_of(model, optimizer, criterion, scaler, amp), batches)


def bits(*things: Any) -> list[Tensor]:
    """Every tensor in the state of models and optimizers, copied."""
    found = []
    for thing in things:
        tensors = thing.state_dict()
        stack = [tensors]
        while stack:
            item = stack.pop()
            if isinstance(item, Tensor):
                found.append(item.detach().clone())
            elif isinstance(item, dict):
                stack += [item[key] for key in sorted(item, key=str)]
            elif isinstance(item, (list, tuple)):
                stack += list(item)
    return found


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return len(one) == len(other) and all(torch.equal(a, b) or _both_nan(a, b) for a, b in zip(one, other, strict=True))


def _both_nan(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and bool(((a == b) | (a.isnan() & b.isnan())).all())
