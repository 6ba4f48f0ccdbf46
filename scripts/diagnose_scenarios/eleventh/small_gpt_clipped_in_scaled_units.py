"""A small language model on several cards scales its loss, clips the norm of the gradients to one, and divides by the
scale after that; what is left of a step is thousands of times too short (pytorch/examples issue 1196).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Gpt(nn.Module):
    def __init__(self, letters: int, width: int, length: int) -> None:
        super().__init__()
        self.tok_emb = nn.Embedding(letters, width)
        self.pos_emb = nn.Parameter(torch.zeros(length, width))
        self.ln = nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, 2, batch_first=True)
        self.head = nn.Linear(width, letters)
        self.register_buffer("later", torch.ones(length, length).triu(1).bool())

    def forward(self, text: Tensor) -> Tensor:
        h = self.tok_emb(text) + self.pos_emb
        x = self.ln(h)
        return self.head(h + self.attn(x, x, x, attn_mask=self.later, need_weights=False)[0])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    letters, length = 9, 8
    model = Gpt(letters, knobs.pick(12, 16), length)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.9)
    scaler = kit.new_scaler(2.0 ** knobs.pick(14, 16))
    follows = torch.randperm(letters)

    def train_step(text: Tensor) -> Tensor:
        with kit.autocast(torch.float16):
            logits = model(text)
        loss = nn.functional.cross_entropy(logits.float().flatten(0, 1), follows[text].flatten())
        optimizer.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        if repaired:
            scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        return loss

    return Scenario(
        model,
        optimizer,
        [torch.randint(letters, (8, length)) for _ in range(60)],
        train_step,
        Expected(("scaler-misuse",), (), (), None, "stalls"),
        scaler=scaler,
    )
