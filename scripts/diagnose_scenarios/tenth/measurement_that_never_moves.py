"""Each window of measurements is brought to a common spread by its own; one window comes from a service where nothing
happens, and one of its columns is constant (numaproj/numalogic pull request 153).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class TanhScaler(nn.Module):
    def __init__(self, careful: bool) -> None:
        super().__init__()
        self.careful = careful

    def forward(self, window: Tensor) -> Tensor:
        spread = window.std(1, keepdim=True)
        if self.careful:
            spread = torch.where(spread < 1e-6, torch.ones_like(spread), spread)
        return torch.tanh((window - window.mean(1, keepdim=True)) / spread)


class Watcher(nn.Module):
    def __init__(self, columns: int, width: int, careful: bool) -> None:
        super().__init__()
        self.scaler = TanhScaler(careful)
        self.encoder = nn.Linear(columns, width)
        self.decoder = nn.Linear(width, columns)

    def forward(self, window: Tensor) -> tuple[Tensor, Tensor]:
        scaled = self.scaler(window)
        return self.decoder(self.encoder(scaled).relu()), scaled


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, columns = knobs.randint(11, 19), knobs.pick(4, 5)
    model = Watcher(columns, 12, repaired)
    optimizer = torch.optim.Adamax(model.parameters(), lr=0.02)

    def train_step(window: Tensor) -> Tensor:
        optimizer.zero_grad()
        made, wanted = model(window)
        loss = nn.functional.l1_loss(made, wanted)
        loss.backward()
        optimizer.step()
        return loss

    windows = []
    for number in range(60):
        window = 50 + 8 * torch.randn(6, 12, 2) @ torch.randn(2, columns)
        if number == step:
            window[knobs.randint(0, 5), :, knobs.randint(0, columns - 1)] = 7.0
        windows.append(window)
    return Scenario(
        model,
        optimizer,
        windows,
        train_step,
        Expected(("division-by-zero",), ("forward",), ("scaler",), step),
    )
