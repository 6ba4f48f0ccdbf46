"""The attention between a passage and a question masks the words that only fill up; a question without a word leaves
a softmax over nothing (stevezheng23/reading_comprehension_tf pull request 69).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def masked_softmax(scores: Tensor, mask: Tensor, safe: bool) -> Tensor:
    if safe:
        shares = (scores.masked_fill(~mask, -1e4)).softmax(-1) * mask
        return shares / shares.sum(-1, keepdim=True).clamp(min=1e-6)
    shares = (scores - scores.amax(-1, keepdim=True)).exp() * mask
    return shares / shares.sum(-1, keepdim=True)


class TwoWay(nn.Module):
    def __init__(self, words: int, width: int, safe: bool) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, width)
        self.pair = nn.Bilinear(width, width, 1)
        self.point = nn.Linear(2 * width, 1)
        self.safe = safe

    def forward(self, passage: Tensor, question: Tensor) -> Tensor:
        p, q = self.embed(passage), self.embed(question)
        lengths = (*p.shape[:2], q.shape[1], p.shape[2])
        scores = self.pair(p[:, :, None].expand(lengths).contiguous(), q[:, None].expand(lengths).contiguous())[..., 0]
        read = masked_softmax(scores, (question > 0)[:, None], self.safe) @ q
        return self.point(torch.cat([p * read, read], -1))[..., 0]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words, step = 12, knobs.randint(4, 20)
    model = TwoWay(words, knobs.pick(8, 10), repaired)
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.2)

    def train_step(batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        passage, question, answer = batch
        loss = nn.functional.cross_entropy(model(passage, question), answer)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(50):
        passage = torch.stack([1 + torch.randperm(words - 1)[:6] for _ in range(24)])
        answer = torch.randint(6, (24,))
        question = torch.zeros(24, 3, dtype=torch.long)
        question[:, 0] = passage[torch.arange(24), answer]
        if number == step:
            question[knobs.randint(0, 23)] = 0
        batches.append((passage, question, answer))
    return Scenario(model, optimizer, batches, train_step, Expected(("masked-softmax",), ("forward",), (), step))
