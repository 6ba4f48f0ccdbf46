"""The loss scale starts at two to the sixteen and is cast to float16 before it meets the loss, where it is infinite; no
step is ever taken, while a scale of a thousand works (microsoft/onnxruntime pull request 4465).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Bert(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(words, width)
        self.encoder = nn.TransformerEncoderLayer(width, 2, 2 * width, dropout=0.0, batch_first=True)
        self.mlm = nn.Linear(width, words)
        self.nsp = nn.Linear(width, 2)

    def forward(self, text: Tensor) -> tuple[Tensor, Tensor]:
        h = self.encoder(self.embeddings(text))
        return self.mlm(h), self.nsp(h[:, 0])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words = 12
    model = Bert(words, knobs.pick(12, 16))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    scale = torch.tensor(2.0**16)
    kind = torch.float32 if repaired else torch.float16
    weights = list(model.parameters())

    def train_step(text: Tensor) -> Tensor:
        optimizer.zero_grad()
        hidden = text.clone()
        hidden[:, 1::3] = 0
        mlm, nsp = model(hidden)
        loss = nn.functional.cross_entropy(mlm.flatten(0, 1), text.flatten())
        loss = loss + nn.functional.cross_entropy(nsp, (text[:, 0] > words // 2).long())
        (loss * scale.to(kind).float()).backward()
        if all(bool(weight.grad.isfinite().all()) for weight in weights):
            for weight in weights:
                weight.grad.div_(scale)
            optimizer.step()
        return loss

    texts = [torch.randint(1, words, (12, 1)).repeat(1, 6) for _ in range(60)]
    return Scenario(
        model, optimizer, texts, train_step, Expected(("scaler-misuse", "fp16-overflow"), (), (), None, "stalls")
    )
