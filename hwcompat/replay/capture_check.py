"""Reading a capture file from a stranger: bounded, typed, and refused in one line where anything is odd."""

import os
import re
import zipfile

import torch

FILE_LIMIT = 256 << 20
ENTRIES, DEPTH, LENGTH, NUMBER = 1024, 4, 64, 512
ELEMENTS = 1 << 26
OPERATOR = re.compile(r"aten\.[a-z_][a-z_0-9]{0,80}\.[A-Za-z_0-9]{1,60}")
DTYPES = ("float16", "bfloat16", "float32", "float64", "int8", "uint8", "int16", "int32", "int64", "bool")
KEYS = {"kind", "schema", "op", "args", "kwargs", "inputs", "note", "place", "finding", "versions", "flags"}


class CaptureError(ValueError):
    """A capture file that cannot be used; the message is one line."""


def load(path, kind, schema):
    """The checked content of a file."""
    try:
        size = os.path.getsize(path)
    except OSError as error:
        raise CaptureError("cannot read the capture: %s" % error.strerror) from None
    if size > FILE_LIMIT:
        raise CaptureError("a capture has at most %d MiB" % (FILE_LIMIT >> 20))
    _check_archive(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a broken or hostile file makes the reader say
        raise CaptureError("not a capture file (%s)" % type(error).__name__) from None
    return checked(content, kind, schema)


def _check_archive(path):
    """torch.save writes an archive without compression: anything else could unpack to any size."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except Exception:  # zipfile raises many things for broken archives
        raise CaptureError("not a capture file (no archive)") from None
    if len(entries) > ENTRIES or sum(entry.file_size for entry in entries) > FILE_LIMIT:
        raise CaptureError("not a capture file (too large unpacked)")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise CaptureError("not a capture file (compressed)")


def checked(content, kind, schema):
    """The content itself, if everything in it has the form of a capture."""
    if not isinstance(content, dict) or set(content) != KEYS or content["kind"] != kind:
        raise CaptureError("not a capture file")
    if content["schema"] != schema:
        raise CaptureError("a capture of schema %s; this version reads %d" % (str(content["schema"])[:20], schema))
    if not isinstance(content["op"], str) or not OPERATOR.fullmatch(content["op"]):
        raise CaptureError("the capture names no operator")
    if (
        not isinstance(content["args"], list)
        or not isinstance(content["kwargs"], dict)
        or len(content["args"]) > LENGTH
    ):
        raise CaptureError("the arguments of the capture are malformed")
    if not all(isinstance(key, str) and key.isidentifier() for key in content["kwargs"]):
        raise CaptureError("the arguments of the capture are malformed")
    budget = [ELEMENTS]
    for value in list(content["args"]) + list(content["kwargs"].values()):
        _check_value(value, 0, budget)
    for part in ("place", "finding", "versions", "flags"):
        _check_plain(content[part], 0)
    if not isinstance(content["inputs"], bool) or not isinstance(content["note"], str):
        raise CaptureError("the capture is malformed")
    return content


def _check_value(value, depth, budget):
    if not isinstance(value, dict) or len(value) != 1 or depth > DEPTH:
        raise CaptureError("an argument of the capture is malformed")
    ((form, inside),) = value.items()
    if form == "tensor":
        _check_tensor(inside, budget)
    elif form == "list" and isinstance(inside, list) and len(inside) <= LENGTH:
        for item in inside:
            _check_value(item, depth + 1, budget)
    elif (form == "dtype" and inside in DTYPES) or (form == "value" and _is_small(inside)):
        return
    else:
        raise CaptureError("an argument of the capture is malformed")


def _is_small(value):
    """None, a truth value, any float, and whole numbers that no padding or stride can abuse."""
    if value is None or isinstance(value, (bool, float)):
        return True
    return isinstance(value, int) and abs(value) <= NUMBER


def _check_tensor(told, budget):
    if not isinstance(told, dict) or set(told) != {"shape", "stride", "dtype", "data", "largest", "spread"}:
        raise CaptureError("a tensor of the capture is malformed")
    shape, stride = told["shape"], told["stride"]
    if not (_whole(shape) and _whole(stride) and len(shape) == len(stride) <= 8 and told["dtype"] in DTYPES):
        raise CaptureError("a tensor of the capture is malformed")
    extent = 1 + sum((size - 1) * step for size, step in zip(shape, stride) if size)
    count = 1
    for size in shape:
        count *= max(1, size)
    budget[0] -= max(count, extent)
    if budget[0] < 0:
        raise CaptureError("the tensors of the capture are too large")
    if not all(isinstance(told[key], float) for key in ("largest", "spread")):
        raise CaptureError("a tensor of the capture is malformed")
    data = told["data"]
    if data is None:
        return
    right = isinstance(data, torch.Tensor) and data.layout == torch.strided and data.device.type == "cpu"
    if not right or list(data.shape) != shape or str(data.dtype) != "torch." + told["dtype"] or data.is_quantized:
        raise CaptureError("a tensor of the capture is malformed")


def _whole(values):
    return isinstance(values, list) and all(isinstance(v, int) and not isinstance(v, bool) and v >= 0 for v in values)


def _check_plain(value, depth):
    """Nested plain values of bounded size."""
    if isinstance(value, dict) and depth < DEPTH and len(value) <= LENGTH:
        for key, item in value.items():
            if not isinstance(key, str) or len(key) > 80:
                raise CaptureError("the capture is malformed")
            _check_plain(item, depth + 1)
    elif isinstance(value, list) and depth < DEPTH and len(value) <= LENGTH:
        for item in value:
            _check_plain(item, depth + 1)
    elif not (value is None or isinstance(value, (bool, int, float, str))) or len(str(value)) > 2000:
        raise CaptureError("the capture is malformed")
