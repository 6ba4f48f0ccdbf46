"""Features of speech are normalised over the time that is not padding, by sums in float16; for a long recording the sum
is minus infinity (vadimkantorov/convasr pull request 73).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class MaskedNorm(nn.Module):
    def __init__(self, kind: torch.dtype) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor, length: Tensor) -> Tensor:
        x = x.to(self.kind)
        mask = (torch.arange(x.shape[-1]) < length[:, None])[:, None].to(self.kind)
        many = mask.float().sum(-1, keepdim=True)
        mean = (x * mask).sum(-1, keepdim=True) / many
        spread = ((x - mean) * mask).float().square().sum(-1, keepdim=True) / many
        return (((x - mean) * mask) / (spread + 1e-3).sqrt()).float()


class Speech(nn.Module):
    def __init__(self, bands: int, width: int, letters: int, kind: torch.dtype) -> None:
        super().__init__()
        self.normalize_features = MaskedNorm(kind)
        self.conv = nn.Conv1d(bands, width, 3, padding=1)
        self.decoder = nn.Linear(width, letters)

    def forward(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        x, length = batch
        return self.decoder(self.conv(self.normalize_features(x, length)).relu().amax(-1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    bands, step = 4, knobs.randint(6, 19)
    model = Speech(bands, knobs.pick(12, 16), 3, torch.float32 if repaired else torch.float16)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    accent = torch.randn(3, bands)
    batches = []
    for number in range(50):
        length = knobs.randint(7000, 8000) if number == step else knobs.randint(60, 120)
        y = torch.randint(3, (8,))
        x = torch.randn(8, bands, length) - 13.0
        x[..., 10:30] += 3 * accent[y][..., None]
        batches.append(((x, torch.full((8,), length)), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("fp16-overflow",), ("forward",), ("normalize_features",), step),
    )
