"""The capture file: the operator at which a step went bad, small and harmless enough to hand to somebody else.

A torch.save of plain containers, numbers, strings and tensors, loadable with weights_only=True. Without the inputs it
holds their shapes, strides, types and magnitudes, and a replay makes up numbers of that size. No path, no host name, no
weight beyond the operands of one operator, and those only where the caller says so.
"""

import os
import platform
import re
import sys

import torch

from . import capture_check, opfacts
from .capture_check import CaptureError

SCHEMA = 1
KIND = "hwcompat-capture"
LIMIT = 64 << 20
"""Bytes of inputs that a capture may hold; more are left out, and the file says so."""


def build(birth, finding, include_inputs):
    """The capture of a birth and the finding it led to, as plain values."""
    size = sum(t.numel() * t.element_size() for t in _tensors(birth))
    inputs = bool(include_inputs and size <= LIMIT)
    return {
        "kind": KIND,
        "schema": SCHEMA,
        "op": str(birth.func),
        "args": [encoded(value, inputs) for value in birth.args],
        "kwargs": {key: encoded(value, inputs) for key, value in birth.kwargs.items()},
        "inputs": inputs,
        "note": "" if inputs or not include_inputs else "inputs of %d bytes are left out" % size,
        "place": {"module": birth.module, "phase": birth.phase, "source": without_paths(birth.source)},
        "finding": {
            "cause": finding.cause,
            "certainty": finding.certainty,
            "kind": finding.kind,
            "step": finding.step,
            "evidence": [without_paths(line) for line in finding.evidence],
        },
        "versions": versions(),
        "flags": flags(),
    }


def _tensors(birth):
    values = list(birth.args) + list(birth.kwargs.values())
    flat = [v for value in values for v in (value if isinstance(value, (list, tuple)) else [value])]
    return [v for v in flat if isinstance(v, torch.Tensor)]


def without_paths(text):
    """The text with every path cut down to its last part."""
    return re.sub(r"(?:[A-Za-z]:)?[\\/](?:[^\\/:*?\"<>|\n]+[\\/])*", "", text)


def encoded(value, inputs):
    """An argument as plain values."""
    if isinstance(value, torch.Tensor):
        return _encoded_tensor(value, inputs)
    if isinstance(value, (list, tuple)):
        return {"list": [encoded(item, inputs) for item in value]}
    if isinstance(value, torch.dtype):
        return {"dtype": str(value).replace("torch.", "")}
    if value is None or isinstance(value, (bool, int, float)):
        return {"value": value}
    return {"value": None}


def _encoded_tensor(tensor, inputs):
    told = {
        "shape": list(tensor.shape),
        "stride": list(tensor.stride()),
        "dtype": str(tensor.dtype).replace("torch.", ""),
        "data": tensor.detach().cpu().contiguous() if inputs else None,
        "largest": 0.0,
        "spread": 0.0,
    }
    if tensor.is_floating_point() and tensor.numel():
        wide = tensor.detach().cpu().double()
        wide = wide[torch.isfinite(wide)]
        if wide.numel():
            told["largest"], told["spread"] = float(wide.abs().max()), float(wide.square().mean().sqrt())
    elif not inputs and tensor.numel():  # indices and masks say little, and nothing can be replayed without them
        told["largest"] = float(tensor.detach().cpu().double().abs().max())
    return {"tensor": told}


def versions():
    """What the numbers may depend on; names of products, never of the machine."""
    cuda = torch.cuda.is_available()
    return {
        "torch": str(torch.__version__),
        "cuda": str(torch.version.cuda or ""),
        "cudnn": int(torch.backends.cudnn.version() or 0) if cuda else 0,
        "python": "%d.%d.%d" % sys.version_info[:3],
        "system": platform.system(),
        "machine": platform.machine(),
        "device": torch.cuda.get_device_name() if cuda else "cpu",
    }


def flags():
    """The switches of torch that choose kernels."""
    matmul = torch.backends.cuda.matmul
    return {
        "cudnn": bool(torch.backends.cudnn.enabled),
        "cudnn_benchmark": bool(torch.backends.cudnn.benchmark),
        "cudnn_deterministic": bool(torch.backends.cudnn.deterministic),
        "cudnn_tf32": bool(torch.backends.cudnn.allow_tf32),
        "matmul_tf32": bool(matmul.allow_tf32),
        "fp16_reduction": bool(getattr(matmul, "allow_fp16_reduced_precision_reduction", True)),
        "onednn": bool(torch.backends.mkldnn.is_available()),
    }


def save(path, birth, finding, include_inputs=False):
    """Writes a capture, complete or not at all."""
    temporary = "%s.%d.part" % (path, os.getpid())
    try:
        torch.save(build(birth, finding, include_inputs), temporary)
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def load_capture(path):
    """A checked capture. Raises CaptureError, one line, for anything that is not one; nothing in it is executed."""
    return capture_check.load(path, KIND, SCHEMA)


def replay_capture(capture, device="cpu"):
    """Runs the captured operator on `device` and judges it: a Replay. Without inputs, numbers like them stand in."""
    from .capture_replay import replay

    return replay(capture_check.checked(capture, KIND, SCHEMA), device)


def operator_of(name):
    """The operator of a name such as aten.addmm.default; only those that the replays know, none that touches files."""
    _aten, packet, overload = name.split(".")
    if packet not in opfacts.REPLAYABLE and not packet.endswith(("_backward", "_backward_data")):
        raise CaptureError("the operator %s is none that a capture may hold" % name[:60])
    try:
        return getattr(getattr(torch.ops.aten, packet), overload)
    except AttributeError:
        raise CaptureError("this torch has no operator %s" % name[:60]) from None
