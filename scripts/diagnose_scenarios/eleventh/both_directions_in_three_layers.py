"""Speech is read in both directions by recurrent layers; with two layers they train, with a third one their gradients
explode and nothing limits them (kaldi-asr/kaldi issue 911).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Reader(nn.Module):
    def __init__(self, inputs: int, width: int, states: int) -> None:
        super().__init__()
        self.rnn = nn.RNN(inputs, width, num_layers=3, bidirectional=True, nonlinearity="relu", batch_first=True)
        self.out = nn.Linear(2 * width, states)

    def forward(self, frames: Tensor) -> Tensor:
        return self.out(self.rnn(frames)[0])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, length = knobs.pick(10, 12), knobs.pick(30, 36)
    model = Reader(6, width, 4)
    with torch.no_grad():
        for name, weight in model.rnn.named_parameters():
            if "weight_hh" in name:
                weight.copy_(1.05 * torch.linalg.qr(torch.randn(width, width))[0].abs() * 0.42)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.5)

    def train_step(batch: tuple[Tensor, Tensor]) -> Tensor:
        frames, states = batch
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(frames).flatten(0, 1), states.flatten())
        loss.backward()
        if repaired:
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        return loss

    means = torch.randn(4, 6)
    batches = []
    for _ in range(40):
        states = torch.randint(4, (8, length))
        batches.append((means[states] + 0.3 * torch.randn(8, length, 6), states))
    return Scenario(model, optimizer, batches, train_step, Expected(("exploding-gradients",), (), (), None))
