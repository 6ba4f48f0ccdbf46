"""One audio file was damaged when it was cut into segments: a sample of it is beyond 1e29, and the square of the
error is no number that float32 has (Plachtaa/seed-vc pull request 108).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Voice(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.enc = nn.Conv1d(1, width, 8, stride=4, padding=2)
        self.mid = nn.Conv1d(width, width, 3, padding=1)
        self.dec = nn.ConvTranspose1d(width, 1, 8, stride=4, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.dec(nn.functional.gelu(self.mid(nn.functional.gelu(self.enc(x)))))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = Voice(knobs.pick(12, 16))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    tones = torch.randn(4, 1, 40)
    batches = []
    for number in range(60):
        x = 0.5 * tones[torch.randint(4, (16,))] + 0.1 * torch.randn(16, 1, 40)
        if number == step:
            x[knobs.randint(0, 15), 0, knobs.randint(4, 30)] = knobs.pick(3e29, 1e30)
        x = x.clamp(-1, 1) if repaired else x
        batches.append((x, x))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        # The sample is finite: a value that no recording has, or a scale that no float32 net can take.
        Expected(("bad-data", "input-scale"), (), (), step),
    )
