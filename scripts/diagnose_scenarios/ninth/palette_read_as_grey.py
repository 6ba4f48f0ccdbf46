"""Masks with a palette are read as grey pictures: classes become grey values such as 147 and 220, where a net of 21
classes wants 0 to 20 (Nota-NetsPresso/netspresso-trainer issue 150).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn

GREY_OF_CLASS = torch.arange(21) * 11 % 223


class Decoder(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 2, stride=2)
        self.mix = nn.TransformerEncoderLayer(width, 2, 2 * width, dropout=0.0, batch_first=True)
        self.classes = nn.Linear(width, 21)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        return self.classes(self.mix(tokens))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Decoder(knobs.pick(12, 16))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    class_of_grey = torch.full((256,), 255)
    class_of_grey[GREY_OF_CLASS] = torch.arange(21)

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        mask = class_of_grey[batch["mask"]] if repaired else batch["mask"]
        logits = model(batch["pixels"])
        known = mask != 255
        chosen = logits.log_softmax(-1).gather(-1, mask.masked_fill(~known, 0)[..., None]).squeeze(-1)
        loss = -(chosen * known).sum() / known.sum()
        loss.backward()
        optimizer.step()
        return loss

    used = torch.tensor(sorted(knobs.sample(range(5, 21), 3)))
    colours = 2 * torch.randn(21, 3)
    batches = []
    for _ in range(30):
        kinds = used[torch.randint(3, (4, 9))]
        pixels = colours[kinds].view(4, 3, 3, 3).permute(0, 3, 1, 2)
        pixels = pixels.repeat_interleave(2, 2).repeat_interleave(2, 3) + 0.2 * torch.randn(4, 3, 6, 6)
        batches.append({"pixels": pixels, "mask": GREY_OF_CLASS[kinds]})
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("bad-labels",), ("loss",), (LOSS,), 0, "raises"),
    )
