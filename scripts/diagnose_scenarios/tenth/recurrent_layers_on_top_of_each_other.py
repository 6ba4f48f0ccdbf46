"""Recurrent layers are stacked for a language model and trained without looking at the gradient's length, which the
recurrence multiplies; fewer layers or clipping keep it (asappresearch/sru issue 2).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Layer(nn.Module):
    def __init__(self, width: int, factor: float) -> None:
        super().__init__()
        self.inp = nn.Linear(width, width)
        self.back = nn.Linear(width, width, bias=False)
        nn.init.orthogonal_(self.back.weight, factor)

    def forward(self, x: Tensor) -> Tensor:
        state, states = torch.zeros_like(x[:, 0]), []
        for frame in self.inp(x).unbind(1):
            state = nn.functional.leaky_relu(frame + self.back(state), 0.6)
            states.append(state)
        return torch.stack(states, 1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words, width = 10, knobs.pick(12, 16)
    model = kit.named(
        words=nn.Embedding(words, width),
        rnn1=Layer(width, 1.32),
        rnn2=Layer(width, 1.32),
        rnn3=Layer(width, 1.32),
        head=nn.Linear(width, words),
    )
    optimizer = kit.sgd(model, lr=knobs.pick(0.3, 0.4))
    follows = torch.randperm(words)

    def train_step(text: Tensor) -> Tensor:
        optimizer.zero_grad()
        logits = model(text)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), follows[text].flatten())
        loss.backward()
        if repaired:
            nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        optimizer.step()
        return loss

    return Scenario(
        model,
        optimizer,
        [torch.randint(words, (8, 24)) for _ in range(40)],
        train_step,
        Expected(("exploding-gradients",), (), (), None),
    )
