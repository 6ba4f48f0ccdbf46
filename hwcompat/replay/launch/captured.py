"""Replays a capture file in this interpreter: captured.py FILE DEVICE OUT; DEVICE may be "" for the best one here.

OUT is JSON: {"refused": why} or {"missing": why}, or the replay with what the capture says of its machine.
"""

import importlib.util
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def island():
    """The package of the island, without hwcompat."""
    spec = importlib.util.spec_from_file_location("_loader", os.path.join(os.path.dirname(HERE), "__main__.py"))
    assert spec is not None
    assert spec.loader is not None  # a file location always has one
    loader = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loader)
    return loader.load()


def replayed(path, device):
    """What OUT says."""
    try:
        import torch
    except ImportError as error:
        return {"missing": "torch cannot be imported: %s" % str(error).split("\n")[0][:200]}
    package = island()
    device = device or ("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(1, device=device)
    except Exception as error:
        return {"missing": "no device %s here: %s" % (device, str(error).split("\n")[0][:200])}
    try:
        capture = package.load_capture(path)
        found = package.replay_capture(capture, device)
    except package.CaptureError as error:
        return {"refused": str(error).split("\n")[0]}
    evidence, finding = found.evidence, found.finding
    cuda = device.startswith("cuda")
    return {
        "op": capture["op"],
        "dtype": evidence.dtype,
        "shapes": [list(shape) for shape in evidence.shapes],
        "inputs": bool(capture["inputs"]),
        "note": str(capture["note"]),
        "there": dict(capture["versions"], finding=capture["finding"]),
        "here": {"torch": str(torch.__version__), "device": torch.cuda.get_device_name(device) if cuda else device},
        "wrong": bool(found.wrong),
        "repeats": [bool(value) for value in evidence.repeats],
        "made_up": bool(found.made_up),
        "bound": evidence.bound,
        "finding": None
        if finding is None
        else {name: getattr(finding, name) for name in ("cause", "certainty", "kind", "evidence", "remedy")},
    }


if __name__ == "__main__":
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != HERE]  # our names must not hide anybody's
    answer = replayed(sys.argv[1], sys.argv[2])
    with open(sys.argv[3], "w", encoding="ascii") as out:
        json.dump(answer, out)
