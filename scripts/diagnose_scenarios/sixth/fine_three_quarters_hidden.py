"""Three quarters of each picture's patches are hidden and foretold from the rest; the loss counts hidden patches only
(facebookresearch/mae).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Mae(nn.Module):
    def __init__(self, patches: int, width: int) -> None:
        super().__init__()
        self.embed = nn.Linear(4, width)
        self.position = nn.Parameter(0.02 * torch.randn(patches, width))
        self.hidden = nn.Parameter(torch.zeros(width))
        self.block = nn.TransformerEncoderLayer(width, 2, 2 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.out = nn.Linear(width, 4)

    def forward(self, patches: Tensor, hide: Tensor) -> Tensor:
        x = torch.where(hide[..., None], self.hidden, self.embed(patches))
        loss = (self.out(self.block(x + self.position)) - patches).square().mean(-1)
        return (loss * hide).sum() / hide.sum()


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Mae(8, knobs.pick(16, 20))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, betas=(0.9, 0.95), weight_decay=0.05)

    def train_step(pictures: Tensor) -> Tensor:
        hide = torch.rand(len(pictures), 8).argsort(1) < 6
        loss = model(pictures, hide)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    base = torch.randn(1, 8, 4)
    batches = [base + 0.3 * torch.randn(16, 1, 4) for _ in range(50)]
    return Scenario(model, optimizer, batches, train_step)
