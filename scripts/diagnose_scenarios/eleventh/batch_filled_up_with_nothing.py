"""A batch is filled up to one of the sizes that a card was warmed up for, by requests of no words; their mask leaves
nothing to attend to, and zero over zero goes on into what is kept for the next step (HabanaAI/vllm-fork pull request
318).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Prompt(nn.Module):
    """Attention of one learnt query over the words of a prompt."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(width) / width**0.5)
        self.key = nn.Linear(width, width)

    def forward(self, words: Tensor, length: Tensor) -> Tensor:
        score = self.key(words) @ self.query
        score = torch.where(torch.arange(words.shape[1]) < length[:, None], score, -torch.inf)
        weight = (score - score.amax(1, keepdim=True)).exp()
        return ((weight / weight.sum(1, keepdim=True))[..., None] * words).sum(1)


class Model(nn.Module):
    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(tokens, width)
        self.prompt_attn = Prompt(width)
        self.lm_head = nn.Linear(width, 4)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return self.lm_head(self.prompt_attn(self.embed_tokens(batch["tokens"]), batch["seq_len"]))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    tokens, bucket, step = 20, 16, knobs.randint(3, 25)
    model = Model(tokens, knobs.pick(16, 20))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)

    def train_step(batch: dict[str, Tensor]) -> Any:
        loss = nn.functional.cross_entropy(model(batch), batch["label"], reduction="none")
        loss = (loss * batch["real"]).sum() / batch["real"].sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(50):
        label = torch.randint(4, (bucket,))
        text = torch.randint(tokens, (bucket, 6))
        text[:, 0] = label
        length, real = torch.randint(1, 7, (bucket,)), torch.ones(bucket)
        if number == step:
            filled = knobs.randint(1, 4)
            length[-filled:] = 1 if repaired else 0
            real[-filled:] = 0.0
        batches.append({"tokens": text, "seq_len": length, "label": label, "real": real})
    return Scenario(
        model, optimizer, batches, train_step, Expected(("masked-softmax",), ("forward",), ("prompt_attn",), step)
    )
