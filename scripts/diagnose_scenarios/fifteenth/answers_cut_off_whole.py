"""The loss of the words is divided by how many words count; when the prompt alone fills the context no word of the
answer counts (cmnfriend/O-LoRA pull request 26).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn

IGNORED = -100


class Tuned(nn.Module):
    """A frozen layer with a low-rank addition that learns."""

    def __init__(self, words: int, width: int, rank: int) -> None:
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.base = nn.Linear(width, words)
        self.down = nn.Linear(width, rank, bias=False)
        self.up = nn.Linear(rank, words, bias=False)
        nn.init.zeros_(self.up.weight)
        self.base.requires_grad_(False)

    def forward(self, text: Tensor) -> Tensor:
        h = self.words(text)
        return self.base(h) + self.up(self.down(h))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words, prompt, step = 12, knobs.pick(3, 4), knobs.randint(5, 25)
    model = Tuned(words, 16, 4)
    optimizer = torch.optim.AdamW([w for w in model.parameters() if w.requires_grad], lr=0.02)
    follows = torch.randperm(words)

    def train_step(batch: tuple[Tensor, Tensor]) -> Tensor:
        text, answer = batch
        counts = answer != IGNORED
        each = nn.functional.cross_entropy(model(text).flatten(0, 1), answer.flatten(), reduction="none")
        number = counts.sum()
        loss = each.sum() / (number.clamp(min=1) if repaired else number)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(50):
        text = torch.randint(words, (6, 9))
        answer = follows[text]
        answer[:, : prompt if number != step else 9] = IGNORED
        batches.append((text, answer))
    if repaired:
        batches[-1], batches[step] = batches[step - 1], batches[step]
    return Scenario(model, optimizer, batches, train_step, Expected(("division-by-zero",), ("loss",), (LOSS,), step))
