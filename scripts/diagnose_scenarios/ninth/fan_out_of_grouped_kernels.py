"""A net without normalisers draws its grouped kernels by fan-out, which counts the channels of all groups: every layer
returns a fraction of its input, and nothing of the picture arrives (vballoli/nfnets-pytorch issue 30).
"""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class ScaledRelu(nn.Module):
    """So that a normal input keeps its variance."""

    def forward(self, x: Tensor) -> Tensor:
        return 1.7139 * x.relu()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, depth = knobs.pick(24, 32), knobs.pick(9, 10)
    layers: dict[str, nn.Module] = {"stem": nn.Conv2d(1, width, 3, padding=1), "act": ScaledRelu()}
    for number in range(depth):
        layers[f"conv{number}"] = nn.Conv2d(width, width, 3, padding=1, groups=width // 2)
        layers[f"act{number}"] = ScaledRelu()
    model = kit.named(**layers, flat=nn.Flatten(), head=nn.Linear(width * 25, 3))
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            if repaired:
                nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="linear")
            else:
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(module.bias)
    optimizer = kit.sgd(model, lr=0.02, momentum=0.9)
    return Scenario(
        model,
        optimizer,
        kit.images(60, 16, 1, 5, 3),
        kit.train(model, optimizer, kit.cross_entropy, clip=1.0),
        Expected(("initialisation",), (), (), None, "stalls"),
    )
