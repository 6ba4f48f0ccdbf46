"""A launcher unscales gradients when it clips, and the script does so again for the second of two accumulated batches
before the step: the scaler refuses (huggingface/diffusers issue 668).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Launcher:
    """Hides the scaler; a clip under way is an unscale."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, scaler: Any) -> None:
        self.model, self.optimizer, self.scaler = model, optimizer, scaler

    def backward(self, loss: Tensor) -> None:
        self.scaler.scale(loss).backward()

    def clip(self, most: float) -> None:
        self.scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.model.parameters(), most)

    def step(self) -> None:
        self.scaler.step(self.optimizer)
        self.scaler.update()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    every, first = knobs.pick(2, 3), knobs.step()
    model = kit.named(text=nn.Linear(5, 20), act=nn.Tanh(), unet=nn.Linear(20, 5))
    optimizer = kit.adam(model, lr=0.01)
    scaler = kit.new_scaler(2.0**10)
    launcher = Launcher(model, optimizer, scaler)

    def train_step(batch: Any) -> Tensor:
        total = torch.zeros(())
        optimizer.zero_grad()
        for number, (x, y) in enumerate(batch):
            with kit.autocast(torch.float16):
                found = model(x)
            loss = nn.functional.mse_loss(found.float(), y) / len(batch)
            launcher.backward(loss)
            if number == len(batch) - 1 or not repaired:
                launcher.clip(1.0)
            total = total + loss.detach()
        launcher.step()
        return total

    pairs = [(x, x.flip(1)) for x, _ in kit.regression(60 * every, 16, 5)]
    batches = [pairs[i * every : i * every + (every if i >= first else 1)] for i in range(60)]
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("scaler-misuse",), ("backward", "optimizer"), (), first, "raises"),
        scaler=scaler,
    )
