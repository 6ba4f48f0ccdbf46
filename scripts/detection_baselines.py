"""What simpler checks see of a fault: three baselines on one small detection net of our own.

The net has random weights, a fixed seed and one synthetic picture repeated eight times; nothing is downloaded. Its
predictions are the eight most confident boxes in pixels, their confidence and their class. The comparison is made in
fp16 as by the program that it follows; the search for NaN in fp16 and in bf16.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from detection_faults import Fault, digest, sources
from detection_run import Memory, Outcome

NAMES = ("forward_only", "any_nan", "all_nan")
TOLERANCE = 0.5
SPREAD = 100.0
"""Factor on the head's random weights, so that boxes lie all over the picture; fp16 then moves them by 0.03 pixels."""
BATCH, SIZE, CLASSES, KEPT = 8, 96, 4, 8


def network(torch: Any) -> Any:
    """Convolution, batch norm, SiLU three times with strides, an attention over the cells, and a head."""
    nn = torch.nn
    layers = []
    for cin, cout in ((3, 16), (16, 32), (32, 64)):
        layers += [nn.Conv2d(cin, cout, 3, 2, 1, bias=False), nn.BatchNorm2d(cout), nn.SiLU()]

    class Net(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.body, self.attend = nn.Sequential(*layers), nn.MultiheadAttention(64, 4, batch_first=True)
            self.head = nn.Conv2d(64, 4 + CLASSES, 1)

        def forward(self, x: Any) -> Any:
            x = self.body(x)
            cells = x.flatten(2).transpose(1, 2)
            x = x + self.attend(cells, cells, cells)[0].transpose(1, 2).reshape(x.shape)
            return self.head(x).flatten(2).transpose(1, 2)

    return Net()


def prepared(torch: Any) -> tuple[Any, Any]:
    """(net in eval mode, pictures), from fixed seeds and without disturbing the caller's."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        net = network(torch).eval()
        with torch.no_grad():
            net.head.weight.mul_(SPREAD)
        picture = torch.rand(1, 3, SIZE, SIZE)
    return net, picture.repeat(BATCH, 1, 1, 1)


def predictions(torch: Any, raw: Any) -> tuple[Any, Any]:
    """(raw output of the batch, the kept detections of the first picture: box in pixels, confidence, class)."""
    first = raw[0].float()
    boxes, scores = first[:, :4].sigmoid() * SIZE, first[:, 4:].sigmoid()
    confidence, label = scores.max(1)
    order = confidence.argsort(descending=True)[:KEPT]
    return raw, torch.cat([boxes, confidence[:, None], label[:, None].float()], 1)[order]


def check(torch: Any, mode: Any, dtype: str) -> dict[str, bool]:
    """Which baselines raise an alarm under `mode`; an exception is one for all: nobody can overlook it."""
    net, pictures = prepared(torch)
    try:
        with mode, torch.no_grad():
            plain = predictions(torch, net(pictures))[1]
            with torch.autocast("cpu", dtype=getattr(torch, dtype)):
                raw, mixed = predictions(torch, net(pictures))
    except Exception:
        return dict.fromkeys(NAMES, True)
    close = plain.shape == mixed.shape and torch.allclose(plain, mixed, rtol=0.0, atol=TOLERANCE)
    nan = torch.isnan(raw)
    return {"forward_only": dtype == "float16" and not close, "any_nan": bool(nan.any()), "all_nan": bool(nan.all())}


def scores(faults: Sequence[Fault], memory: Memory) -> dict[str, dict[str, bool]]:
    """{fault: {baseline: alarm}}, fp16 or bf16; the healthy net must be silent."""
    import torch

    mark = digest(sources(Path(__file__)))
    if faults:
        for dtype in ("float16", "bfloat16"):
            healthy = check(torch, nullcontext(), dtype)
            assert not any(healthy.values()), f"the healthy net raises an alarm in {dtype}: {healthy}"
    found = {}
    for fault in faults:
        known = memory.get(f"{fault.digest} {mark} baselines")
        if known is None:
            alarms: dict[str, bool] = dict.fromkeys(NAMES, False)
            for dtype in ("float16", "bfloat16"):
                for name, alarm in check(torch, fault.make(torch), dtype).items():
                    alarms[name] = alarms[name] or alarm
            known = Outcome("done", "", " ".join(name for name in NAMES if alarms[name]))
            memory.put(f"{fault.digest} {mark} baselines", known)
        found[fault.name] = {name: name in known.detail.split() for name in NAMES}
    return found
