"""Preference training on log-probabilities averaged over an answer's length; an answer was truncated until no token
was left, and the average is 0 over 0 (huggingface/trl issue 6548, pull request 5343).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Policy(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.emb = nn.Embedding(words, width)
        self.gru = nn.GRU(width, width, batch_first=True)
        self.lm_head = nn.Linear(width, words)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.lm_head(self.gru(self.emb(tokens))[0])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, words = knobs.step(), 12
    model = Policy(words, knobs.pick(12, 16))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)

    def logps(tokens: Tensor, labels: Tensor) -> Tensor:
        labels = labels[:, 1:]
        mask = labels != -100
        scores = model(tokens[:, :-1]).log_softmax(-1).gather(2, labels.masked_fill(~mask, 0)[..., None])[..., 0]
        length = mask.sum(1).clamp(min=1) if repaired else mask.sum(1)
        return (scores * mask).sum(1) / length

    def train_step(batch: dict[str, Tensor]) -> Tensor:
        chosen = logps(batch["chosen_input_ids"], batch["chosen_labels"])
        rejected = logps(batch["rejected_input_ids"], batch["rejected_labels"])
        loss = -nn.functional.logsigmoid(2.0 * (chosen - rejected) - 0.5).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    def answers(low: int, high: int) -> tuple[Tensor, Tensor]:
        tokens = torch.cat([torch.randint(words, (8, 3)), torch.randint(low, high, (8, 5))], 1)
        labels = tokens.clone()
        labels[:, :3] = -100
        return tokens, labels

    batches = []
    for number in range(60):
        (good, good_labels), (poor, poor_labels) = answers(0, 7), answers(5, words)
        if number == step:
            poor_labels[knobs.randint(0, 7)] = -100
        batches.append(
            {
                "chosen_input_ids": good,
                "chosen_labels": good_labels,
                "rejected_input_ids": poor,
                "rejected_labels": poor_labels,
            }
        )
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        # Labels that hide a whole answer, and a mean over nothing, are the same fact.
        Expected(("division-by-zero", "bad-labels"), ("loss",), (LOSS,), step),
    )
