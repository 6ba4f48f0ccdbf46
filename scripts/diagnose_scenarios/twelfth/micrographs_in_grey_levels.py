"""A coder with convolutions is trained on grey pictures as they are and its loss is not a number; with the pictures
between zero and one it learns (pycroscopy/atomai issue 85).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class ConvCoder(nn.Module):
    def __init__(self, width: int, code: int) -> None:
        super().__init__()
        self.encoder_net = nn.Sequential(nn.Conv2d(1, width, 3, 2, 1), nn.LeakyReLU(0.1), nn.Flatten())
        self.mean = nn.Linear(9 * width, code)
        self.log_sd = nn.Linear(9 * width, code)
        self.decoder_net = nn.Sequential(nn.Linear(code, 24), nn.LeakyReLU(0.1), nn.Linear(24, 36))
        self.noise = torch.Generator().manual_seed(5)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h = self.encoder_net(x)
        mean, log_sd = self.mean(h), self.log_sd(h)
        z = mean + log_sd.exp() * torch.randn(mean.shape, generator=self.noise)
        return self.decoder_net(z).view(x.shape), mean, log_sd


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = ConvCoder(knobs.pick(6, 8), 2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)

    def train_step(x: Tensor) -> Tensor:
        made, mean, log_sd = model(x)
        loss = (made - x).square().sum((1, 2, 3)).mean()
        loss = loss + (0.5 * (mean.square() + (2 * log_sd).exp() - 1) - log_sd).sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    white = 1.0 if repaired else knobs.pick(4095.0, 65535.0)
    atoms = torch.rand(1, 6, 6)
    batches = [white * (torch.rand(16, 1, 1, 1) * atoms + 0.1 * torch.rand(16, 1, 6, 6)) for _ in range(60)]
    return Scenario(model, optimizer, batches, train_step, Expected(("input-scale",), ("data",), (), None))
