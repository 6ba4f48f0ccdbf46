"""A language model is fine-tuned on texts padded on the left: a causal mask leaves the padded words only padding to
look at, and the padding mask takes that away (unslothai/unsloth pull request 9848, Quhaoh233/ChatEV issue 7).
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int, safe: bool) -> None:
        super().__init__()
        self.safe = safe
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(width, width, bias=False) for _ in range(4))

    def forward(self, x: Tensor, attention_mask: Tensor) -> Tensor:
        length = x.shape[1]
        allowed = attention_mask[:, None, :] & torch.ones(length, length, dtype=torch.bool).tril()
        bias = torch.zeros(allowed.shape).masked_fill(~allowed, -math.inf)
        if self.safe:
            bias = bias.masked_fill(~allowed.any(-1, keepdim=True), 0.0)
        scores = self.q_proj(x) @ self.k_proj(x).transpose(1, 2) / x.shape[-1] ** 0.5
        return self.o_proj((scores + bias).softmax(-1) @ self.v_proj(x))


class Llama(nn.Module):
    def __init__(self, words: int, width: int, safe: bool) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(words, width)
        self.self_attn = Block(width, safe)
        self.norm = nn.RMSNorm(width)
        self.lm_head = nn.Linear(width, words, bias=False)

    def forward(self, fields: tuple[Tensor, Tensor]) -> Tensor:
        tokens, attention_mask = fields
        x = self.embed_tokens(tokens)
        return self.lm_head(self.norm(x + self.self_attn(x, attention_mask))).transpose(1, 2)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words, step = knobs.pick(10, 12), knobs.step()
    model = Llama(words, 16, repaired)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    follower = torch.randperm(words - 1) + 1
    batches = []
    for number in range(50):
        text = [torch.randint(1, words, (8,))]
        while len(text) < 8:
            text.append(follower[text[-1] - 1])
        tokens = torch.stack(text, 1)
        if number >= step:
            tokens[knobs.randint(0, 7), : knobs.pick(2, 3)] = 0
        real = tokens != 0
        labels = tokens.masked_fill(~real, -100)
        batches.append(((tokens[:, :-1], real[:, :-1]), labels[:, 1:]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, nn.functional.cross_entropy),
        Expected(("masked-softmax",), ("forward",), ("self_attn",), step),
    )
