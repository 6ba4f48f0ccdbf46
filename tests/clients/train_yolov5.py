"""Run by the tests inside a client's environment and YOLOv5's folder: an emitted line as a shell would start it.

    train_yolov5.py WORDS.json FOLDER yes|no

WORDS.json: the words of the line. The pictures to train on are made in FOLDER. Since a CPU gets no AMP anyway,
check_amp() is made to answer yes or no here, before the line is started; what was asked of autocast and of each
validation is printed. No network: YOLOv5 would look for updates and fetch a font. There are stand-ins for the one of
torchvision's compiled operators that is used, for IPython and TensorBoard, and for names NumPy dropped since.
"""

import functools
import json
import runpy
import socket
import sys
import warnings
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest import mock

warnings.filterwarnings("ignore")


def refuse(*arguments, **options):
    raise OSError("no network in this test")


socket.socket.connect = refuse
socket.getaddrinfo = refuse
sys.path.insert(0, "")

import numpy  # noqa: E402
import torch  # noqa: E402

for name, present in (("int", int), ("trapz", numpy.trapezoid)):
    if not hasattr(numpy, name):
        setattr(numpy, name, present)
sys.modules["torch.utils.tensorboard"] = SimpleNamespace(SummaryWriter=mock.NonCallableMagicMock)
for name in ("IPython", "IPython.display"):
    sys.modules[name] = ModuleType(name)
    sys.modules[name].get_ipython = lambda: None
    sys.modules[name].display = print

library = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
import torchvision.extension  # noqa: E402

torchvision.extension._has_ops = lambda: True
torchvision.ops.nms = lambda boxes, scores, threshold: scores.argsort(descending=True)[:50]
from PIL import Image  # noqa: E402

FOUND = {"autocast": set(), "validated": [], "arithmetic": set()}


def data(folder):
    """Four pictures with a square each, and the description of them."""
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True)
    for n in range(4):
        picture = Image.new("RGB", (64, 64), (50 * n, 20, 20))
        picture.paste((200, 200, 200), (16, 16, 48, 48))
        picture.save(folder / "images" / f"{n}.png")
        (folder / "labels" / f"{n}.txt").write_text("0 0.5 0.5 0.5 0.5\n", encoding="utf-8")
    text = f"path: {folder.as_posix()}\ntrain: images\nval: images\nnc: 1\nnames: ['square']\n"
    (folder / "data.yaml").write_text(text, encoding="utf-8")


def detected_from_scratch():
    """How much an untrained model finds in the picture that check_amp() looks at, in the way it looks."""
    from models.common import AutoShape
    from models.yolo import Model

    found = AutoShape(Model("models/yolov5n.yaml"), verbose=False)(Path("data/images/bus.jpg")).xywhn[0]
    assert torch.allclose(found, found.clone(), atol=0.1)
    return len(found)


def listen(answer):
    """Notes what train.py asks of autocast and of val.run, and the dtype of each convolution."""
    import utils.general
    import utils.torch_utils
    import val

    utils.general.check_amp = lambda model: answer
    utils.general.check_font = lambda *arguments, **options: None
    for module, name in ((torch.cuda.amp, "autocast"), (utils.torch_utils, "smart_amp_autocast")):
        if hasattr(module, name):
            setattr(module, name, noting_autocast(getattr(module, name)))
    original = val.run

    @functools.wraps(original)
    def run(*arguments, half=True, **options):
        FOUND["validated"].append(half)
        return original(*arguments, half=half, **options)

    def look(module, inputs, output):
        if isinstance(module, torch.nn.Conv2d):
            FOUND["arithmetic"].add(str(output.dtype))

    val.run = run
    torch.nn.modules.module.register_module_forward_hook(look)


def noting_autocast(original):
    def autocast(enabled=True, *arguments, **options):
        FOUND["autocast"].add(enabled)
        return original(False)

    return autocast


FOUND["from scratch"] = [detected_from_scratch()]
words = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
data(Path(sys.argv[2]) / "data")
listen(sys.argv[3] == "yes")
assert words.pop(0) == "python"
if words[0] == "-c":
    sys.argv = ["-c", *words[2:]]
    exec(words[1], {"__name__": "__main__"})
else:
    sys.argv = words
    runpy.run_path(words[0], run_name="__main__")
print("\nEFFECTIVE " + json.dumps({name: list(found) for name, found in FOUND.items()}))
