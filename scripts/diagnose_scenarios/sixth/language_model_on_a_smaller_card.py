"""A small language model is trained on a shorter context with a learning rate that is far too high for it; a lower one
was confirmed as the cure (karpathy/nanoGPT issue 136).
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Gpt(nn.Module):
    def __init__(self, words: int, length: int, width: int) -> None:
        super().__init__()
        self.wte = nn.Embedding(words, width)
        self.wpe = nn.Embedding(length, width)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 2, 2 * width, dropout=0.0, batch_first=True, norm_first=True)
            for _ in range(2)
        )
        self.ln_f = nn.LayerNorm(width)
        self.lm_head = nn.Linear(width, words, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        length = tokens.shape[1]
        x = self.wte(tokens) + self.wpe.weight[:length]
        mask = torch.full((length, length), -math.inf).triu(1)
        for block in self.blocks:
            x = block(x, src_mask=mask, is_causal=True)
        return self.lm_head(self.ln_f(x))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words, length = 16, knobs.pick(8, 10)
    model = Gpt(words, length, knobs.pick(16, 24))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01 if repaired else knobs.pick(2.0, 3.0), betas=(0.9, 0.95))

    def train_step(tokens: Tensor) -> Tensor:
        logits = model(tokens[:, :-1])
        loss = nn.functional.cross_entropy(logits.reshape(-1, words), tokens[:, 1:].reshape(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss

    follower = torch.randperm(words)
    batches = []
    for _ in range(50):
        tokens = [torch.randint(words, (8,))]
        for _ in range(length):
            tokens.append(torch.where(torch.rand(8) < 0.1, torch.randint(words, (8,)), follower[tokens[-1]]))
        batches.append(torch.stack(tokens, 1))
    return Scenario(model, optimizer, batches, train_step, Expected(("learning-rate",), (), (), None, "diverges"))
