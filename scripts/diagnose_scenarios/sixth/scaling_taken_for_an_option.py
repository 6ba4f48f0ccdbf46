"""The call that scales the loss is left out because there is only one card: the divergence between two language
models, averaged over words and vocabulary, has gradients below float16 (NVIDIA/apex issue 377).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Student(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.emb = nn.Embedding(words, width)
        self.fc = nn.Linear(width, width)
        self.lm_head = nn.Linear(width, words)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.lm_head(self.fc(self.emb(tokens)).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words, micro = knobs.pick(900, 1000), 64
    student, teacher = Student(words, 12), 2 * torch.randn(words) + 0.3 * torch.randn(words, words)
    optimizer = torch.optim.AdamW(student.parameters(), lr=0.02, weight_decay=0.0)
    scaler = kit.new_scaler(2.0**24) if repaired else None

    def train_step(tokens: Tensor) -> Tensor:
        """The loss is one of 64 parts of a large batch; this short run steps after each."""
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            logits = student(tokens)
        wanted = teacher[tokens].softmax(-1)
        loss = nn.functional.kl_div(logits.float().log_softmax(-1), wanted, reduction="none").mean() / micro
        if scaler:
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
        else:
            loss.backward()
            optimizer.step()
        return loss

    return Scenario(
        student,
        optimizer,
        [torch.randint(words, (8, 32)) for _ in range(60)],
        train_step,
        Expected(("gradient-underflow",), ("backward",), (), None, "stalls"),
        scaler=scaler,
    )
