"""A vector-quantised autoencoder whose code book follows running averages inside the forward pass; most codes are
never used, and their counts are smoothed (lucidrains/vector-quantize-pytorch).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Quantizer(nn.Module):
    def __init__(self, codes: int, width: int) -> None:
        super().__init__()
        self.book = nn.Buffer(torch.randn(codes, width))
        self.count = nn.Buffer(torch.zeros(codes))
        self.total = nn.Buffer(self.book.clone())

    def forward(self, x: Tensor) -> Tensor:
        distance = (x[:, None].detach() - self.book).square().sum(-1)
        code = distance.argmin(1)
        chosen = self.book[code]
        with torch.no_grad():
            planes = nn.functional.one_hot(code, len(self.book)).float()
            self.count.lerp_(planes.sum(0), 0.1)
            self.total.lerp_(planes.t() @ x, 0.1)
            whole = self.count.sum()
            smoothed = (self.count + 1e-5) / (whole + 1e-5 * len(self.book)) * whole
            self.book.copy_(torch.where(self.count[:, None] > 0.01, self.total / smoothed[:, None], self.book))
        self.commitment = (x - chosen.detach()).square().mean()
        return x + (chosen - x).detach()


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(enc=nn.Linear(8, 4), vq=Quantizer(knobs.pick(24, 32), 4), dec=nn.Linear(4, 8))
    optimizer = kit.adam(model, lr=0.01)

    def train_step(x: Tensor) -> Tensor:
        optimizer.zero_grad()
        error = kit.squares(model(x), x)
        loss = error + 0.25 * model.vq.commitment
        loss.backward()
        optimizer.step()
        return loss

    kinds = 2 * torch.randn(5, 8)
    batches = [kinds[torch.randint(5, (32,))] + 0.2 * torch.randn(32, 8) for _ in range(80)]
    return Scenario(model, optimizer, batches, train_step)
