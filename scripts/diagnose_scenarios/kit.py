"""What the scenarios share: data that can be learnt, small nets with named layers, and the ordinary training step."""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

Batches = list[tuple[Tensor, Tensor]]


class Knobs(random.Random):
    """Sizes and magnitudes of one build; also seeds torch, so that a build is the same every time."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed * 7919 + 17)
        torch.manual_seed(seed)

    def pick(self, *values: Any) -> Any:
        return self.choice(values)

    def step(self) -> int:
        """A step at which something happens: late enough that training runs before, early enough for a short run."""
        return self.randint(3, 9)


def named(**modules: nn.Module) -> nn.Sequential:
    """A chain of layers under these names."""
    return nn.Sequential(OrderedDict(modules))


def mlp(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """inp, act, head."""
    return named(inp=nn.Linear(inputs, width), act=nn.ReLU(), head=nn.Linear(width, outputs))


def regression(steps: int, batch: int, inputs: int, outputs: int = 1) -> Batches:
    """x standard normal [batch, inputs]; y a fixed linear map of it [batch, outputs]."""
    teacher = torch.randn(inputs, outputs) / inputs**0.5
    xs = [torch.randn(batch, inputs) for _ in range(steps)]
    return [(x, x @ teacher) for x in xs]


def classes(steps: int, batch: int, inputs: int, count: int) -> Batches:
    """Gaussian clouds [batch, inputs], one a class, labels [batch]."""
    centres = torch.randn(count, inputs) * 1.5
    labels = [torch.randint(count, (batch,)) for _ in range(steps)]
    return [(centres[y] + torch.randn(batch, inputs), y) for y in labels]


def images(steps: int, batch: int, channels: int, size: int, count: int) -> Batches:
    """A pattern a class under noise [batch, channels, size, size], labels [batch]."""
    patterns = torch.randn(count, channels, size, size)
    labels = [torch.randint(count, (batch,)) for _ in range(steps)]
    return [(patterns[y] + 0.5 * torch.randn(batch, channels, size, size), y) for y in labels]


def sequences(steps: int, batch: int, length: int, width: int, outputs: int = 1) -> Batches:
    """x [batch, length, width] standard normal; y a fixed linear map of its mean over the length, of unit size."""
    teacher = torch.randn(width, outputs) * (length / width) ** 0.5
    xs = [torch.randn(batch, length, width) for _ in range(steps)]
    return [(x, x.mean(1) @ teacher) for x in xs]


def at(batches: list[Any], step: int, batch: Any) -> list[Any]:
    """The same batches with another one at `step`."""
    return [*batches[:step], batch, *batches[step + 1 :]]


def sgd(model: nn.Module, lr: float = 0.05, **more: Any) -> torch.optim.SGD:
    return torch.optim.SGD(model.parameters(), lr=lr, **more)


def adam(model: nn.Module, lr: float = 0.01, **more: Any) -> torch.optim.Adam:
    return torch.optim.Adam(model.parameters(), lr=lr, **more)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """In float32, as autocast on a GPU does it."""
    return nn.functional.cross_entropy(logits.float(), labels)


def squares(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean squared error in float32."""
    return nn.functional.mse_loss(prediction.float(), target.float())


def autocast(dtype: torch.dtype | None) -> Any:
    """Autocast on the CPU; its policy leaves log, exp, softmax, pow and sum in float16 (a GPU's promotes them)."""
    return torch.autocast("cpu", dtype=dtype or torch.bfloat16, enabled=dtype is not None)


def new_scaler(scale: float = 2.0**16, **more: Any) -> Any:
    return torch.amp.GradScaler("cpu", init_scale=scale, **more)


def train(
    model: nn.Module,
    optimizer: Any,
    criterion: Callable[[Tensor, Tensor], Tensor],
    scaler: Any = None,
    amp: torch.dtype | None = None,
    clip: float | None = None,
) -> Callable[[Any], Tensor]:
    """The ordinary step: zero_grad, forward and loss under autocast, backward, unscale and clip, step."""

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        with autocast(amp):
            loss = criterion(model(x), y)
        (scaler.scale(loss) if scaler else loss).backward()
        if clip is not None:
            if scaler:
                scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        if scaler:
            scaler.step(optimizer)
            scaler.update()
        else:
            optimizer.step()
        return loss

    return train_step


def first_overflow(model: nn.Module, x: Tensor, amp: torch.dtype | None = None) -> str:
    """The name of the innermost module whose output is the first non-finite one; empty where all are finite."""
    found: list[str] = []

    def hook(name: str) -> Callable[..., None]:
        def look(module: nn.Module, args: Any, output: Any) -> None:
            if isinstance(output, Tensor) and not found and not output.isfinite().all():
                found.append(name)

        return look

    handles = [module.register_forward_hook(hook(name)) for name, module in model.named_modules() if name]
    with torch.no_grad(), autocast(amp):
        model(x)
    for handle in handles:
        handle.remove()
    return found[0] if found else ""
