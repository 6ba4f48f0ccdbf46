"""Run by the tests inside a client's environment: timm's own train.py, and what its parser and its layers came to.

    train_timm.py SCRIPT [--parse] arguments of train.py...

--parse: only read the arguments, with the script's own function; else the pictures to train on are made in `data`.
torchvision's compiled operators are for another build of torch, so the two that its import asks for are declared here.
"""

import json
import runpy
import sys
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")

import torch  # noqa: E402

library = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
import torchvision.extension  # noqa: E402

torchvision.extension._has_ops = lambda: True
from PIL import Image  # noqa: E402

PRECISION = ("amp", "amp_dtype", "amp_impl", "model_dtype", "channels_last", "device")


def wanted(values):
    return {key: value for key, value in values.items() if key in PRECISION}


def parsed(script):
    """The namespace that the script's own function returns, and the options of its parser."""
    module = runpy.run_path(script, run_name="train")
    values = vars(module["_parse_args"]()[0])
    return {"values": wanted(values), "all": sorted(values), "known": sorted(a.dest for a in module["parser"]._actions)}


def pictures(folder):
    """Two classes of two pictures for training and for validation."""
    for part in ("train", "validation"):
        for name in ("a", "b"):
            (folder / part / name).mkdir(parents=True)
            for n in range(2):
                Image.new("RGB", (32, 32), (60 * n, 90, 10)).save(folder / part / name / f"{n}.png")


def trained(script):
    """What the convolutions of one run of the script computed in, training and validating."""
    pictures(Path("data"))
    found = {"train": set(), "validate": set(), "weights": set()}

    def look(module, inputs, output):
        if isinstance(module, torch.nn.Conv2d):
            found["train" if module.training else "validate"].add(str(output.dtype))
            found["weights"].add(str(module.weight.dtype))

    torch.nn.modules.module.register_module_forward_hook(look)
    runpy.run_path(script, run_name="__main__")
    return {key: sorted(value) for key, value in found.items()}


look_only = sys.argv[2] == "--parse"
sys.argv = [sys.argv[1], *sys.argv[3 if look_only else 2 :]]
print("\nEFFECTIVE " + json.dumps((parsed if look_only else trained)(sys.argv[0])))
