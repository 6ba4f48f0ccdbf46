"""All weights are float16 and so is the state of Adam: its eps of 1e-8 is 0 there, and the first step divides 0 by 0
(afiaka87/glide-finetune issue 5).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Denoiser(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.text = nn.Embedding(words, width)
        self.inp, self.mid, self.out = nn.Linear(16, width), nn.Linear(width, width), nn.Linear(width, 16)

    def forward(self, pair: tuple[Tensor, Tensor]) -> Tensor:
        noisy, words = pair
        return self.out(self.mid((self.inp(noisy) + self.text(words)).relu()).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Denoiser(12, knobs.pick(24, 32)).half()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.005, eps=1e-4 if repaired else 1e-8, weight_decay=0.0)
    clean = torch.randn(6, 16)
    batches = []
    for _ in range(60):
        words = torch.randint(6, (32,))
        noise = torch.randn(32, 16)
        batches.append((((clean[words] + noise).half(), words), noise))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("optimizer-eps",), ("optimizer",), ("text", "inp", "mid", "out")),
    )
