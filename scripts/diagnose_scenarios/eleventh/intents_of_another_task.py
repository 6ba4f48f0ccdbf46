"""A model for the understanding of speech is given twelve classes, as for the corpus of the paper; the labels of the
other corpus go beyond seventeen (TencentGameMate/gnn_cross_lingual issue 5).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Intent(nn.Module):
    def __init__(self, words: int, width: int, num_labels: int) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(words, width, mode="mean")
        self.dense = nn.Linear(width, width)
        self.classifier = nn.Linear(width, num_labels)

    def forward(self, words: Tensor) -> Tensor:
        return self.classifier(self.dense(self.bag(words)).tanh())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(2, 22)
    model = Intent(40, knobs.pick(16, 24), 50 if repaired else 12)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda done: min(1.0, (done + 1) / 5))

    def train_step(batch: tuple[Tensor, Tensor]) -> Tensor:
        words, label = batch
        model.zero_grad()
        logits = model(words)
        loss = -logits.log_softmax(1).gather(1, label[:, None]).mean()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        return loss

    batches = []
    for number in range(60):
        label = torch.randint(12, (16,))
        words = torch.randint(40, (16, 6))
        words[:, :3] = label[:, None]
        if number == step:
            label[knobs.randint(0, 15)] = knobs.randint(13, 17)
        batches.append((words, label))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("bad-labels",), ("data", "loss"), (LOSS,), step, "raises"),
        extra_state=(scheduler,),
    )
