"""What this interpreter's torch is, was built for and sees."""

import contextlib
import ctypes
import os
import platform
import re

from . import torch_state

CLIENTS = (
    "ultralytics",
    "accelerate",
    "transformers",
    "lightning",
    "pytorch-lightning",
    "deepspeed",
    "mmengine",
    "timm",
    "detectron2",
    "invokeai",
)
"""Distributions whose configuration can be written; only their versions are read, none is imported."""


def read(torch, error=None):
    """Every fact as plain JSON values; what cannot be read is None or empty. `torch` None: missing, `error` says why.

    python torch cuda hip cudnn: versions. build: cpu cuda rocm xpu mps. devices: see `_cuda_device`. cuda_error: in
    torch's own words, why a build for an accelerator sees none.
    """
    found = {"python": platform.python_version(), "torch": None, "error": error, "build": None, "cuda": None}
    found.update({"hip": None, "cudnn": None, "arch_list": [], "flags": {}, "devices": [], "cuda_error": None})
    found["clients"] = clients()
    if torch is not None:
        found.update(torch=str(torch.__version__), build=build(torch), cuda=_version(torch, "cuda"))
        found.update(hip=_version(torch, "hip"), cudnn=cudnn(torch), arch_list=arch_list(torch), flags=flags(torch))
        found["devices"], found["cuda_error"] = devices(torch, found["build"])
    return found


def _version(torch, name):
    value = getattr(getattr(torch, "version", None), name, None)
    return str(value) if value else None


def build(torch):
    """Which accelerator this torch was built for."""
    if _version(torch, "hip"):
        return "rocm"
    if _version(torch, "cuda"):
        return "cuda"
    if _version(torch, "xpu"):
        return "xpu"
    with contextlib.suppress(Exception):
        if torch.backends.mps.is_built():
            return "mps"
    return "cpu"


def cudnn(torch):
    """ "9.10.2"; None without cuDNN and on ROCm, where the same call gives MIOpen's version."""
    if not _version(torch, "cuda"):
        return None
    with contextlib.suppress(Exception):
        number = torch.backends.cudnn.version()
        return cudnn_text(number) if number else None
    return None


def cudnn_text(number):
    """91002 is 9.10.2 and 8902 is 8.9.2: version 9 gave the minor number two digits more (cudnn_version.h)."""
    major = 10000 if number >= 90000 else 1000
    return "%d.%d.%d" % (number // major, number % major // 100, number % 100)


def arch_list(torch):
    """["sm_75", ...]: the kernels in this build, also where no device is."""
    with contextlib.suppress(Exception):  # torch.cuda.get_arch_list() answers [] on a machine without a GPU
        return torch._C._cuda_getArchFlags().split()
    with contextlib.suppress(Exception):
        return list(torch.cuda.get_arch_list())
    return []


def flags(torch):
    """torch's global switches as found, and its number of threads."""
    found = {}
    with contextlib.suppress(Exception):
        found.update(torch_state.read_switches(torch))
        found["num_threads"] = torch.get_num_threads()
    return found


def clients():
    """{"ultralytics": "8.4.190"}: the installed ones of CLIENTS."""
    from importlib import metadata

    found = {}
    for name in CLIENTS:
        with contextlib.suppress(Exception):
            found[name] = str(metadata.version(name))
    return found


# --- devices ----------------------------------------------------------------------------------------------------------


def devices(torch, kind):
    """([one mapping a device], None or torch's complaint)."""
    readers = {"cuda": _cuda_devices, "rocm": _cuda_devices, "xpu": _xpu_devices, "mps": _mps_devices}
    if kind not in readers:
        return [], None
    try:
        return readers[kind](torch), complaint(torch, kind)
    except Exception as error:
        return [], complaint(torch, kind) or "%s: %s" % (type(error).__name__, error)


def complaint(torch, kind):
    """Why torch cannot use the accelerator it was built for, in its own words; None if it can."""
    module = getattr(torch.backends if kind == "mps" else torch, "cuda" if kind == "rocm" else kind)
    if module.is_available():
        return None
    try:
        torch.cuda.init() if kind in ("cuda", "rocm") else module.init()
    except Exception as error:
        return " ".join(str(error).split())[:500]
    return "torch says that no device is available"


def _cuda_devices(torch):
    if not torch.cuda.is_available():
        return []
    return [_cuda_device(torch, index) for index in range(torch.cuda.device_count())]


def _cuda_device(torch, index):
    """A CUDA or ROCm device: bytes, the PCI bus id as "0000:01:00.0"; gcn_arch on ROCm only ("gfx90a")."""
    properties = torch.cuda.get_device_properties(index)
    gcn = getattr(properties, "gcnArchName", None) if _version(torch, "hip") else None
    return {
        "index": index,
        "name": properties.name,
        "compute_capability": None if _version(torch, "hip") else "%d.%d" % (properties.major, properties.minor),
        "memory_bytes": properties.total_memory,
        "pci_bus_id": pci_bus_id(properties) or (None if _version(torch, "hip") else driver_bus_id(index)),
        "sm_count": getattr(properties, "multi_processor_count", None),
        "gcn_arch": gcn.split(":")[0] if gcn else None,
    }


def pci_bus_id(properties):
    """From the attributes that newer releases have; None in older ones."""
    parts = [getattr(properties, "pci_%s_id" % name, None) for name in ("domain", "bus", "device")]
    known = tuple(part for part in parts if part is not None)
    return "%04x:%02x:%02x.0" % known if len(known) == 3 else None


def driver_bus_id(index, library=None):
    """By the CUDA driver, which numbers devices as torch does in the same process; None where it cannot be asked."""
    with contextlib.suppress(Exception):
        library = library or ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
        device, text = ctypes.c_int(), ctypes.create_string_buffer(32)
        found = library.cuDeviceGet(ctypes.byref(device), index) == 0
        if found and library.cuDeviceGetPCIBusId(text, len(text), device) == 0:
            return normal_bus_id(text.value.decode("ascii"))
    return None


def normal_bus_id(text):
    """ "00000000:01:00.0" and "0000:01:00.0" are one device."""
    match = re.match(r"([0-9A-Fa-f]+):([0-9A-Fa-f]+):([0-9A-Fa-f]+)\.([0-9A-Fa-f]+)$", text.strip())
    return "%04x:%02x:%02x.%x" % tuple(int(part, 16) for part in match.groups()) if match else None


def _xpu_devices(torch):
    if not torch.xpu.is_available():
        return []
    return [_xpu_device(torch, index) for index in range(torch.xpu.device_count())]


def _xpu_device(torch, index):
    properties = torch.xpu.get_device_properties(index)
    return dict(_blank(index, properties.name), memory_bytes=getattr(properties, "total_memory", None))


def _mps_devices(torch):
    if not torch.backends.mps.is_available():
        return []
    memory = None
    with contextlib.suppress(Exception):
        memory = int(torch.mps.recommended_max_memory())
    return [dict(_blank(0, "Apple GPU"), memory_bytes=memory)]


def _blank(index, name):
    found = {"index": index, "name": name, "compute_capability": None, "memory_bytes": None}
    return dict(found, pci_bus_id=None, sm_count=None, gcn_arch=None)
