"""Which kernels a library of torch holds, read from its bytes as they stream past: nothing is loaded or executed.

Two places say it. The string behind `torch.cuda.get_arch_list()` ("sm_50 sm_60 compute_90", or gfx names for ROCm)
stands in torch_python between two NUL bytes: cmake hands it to torch/csrc/cuda/Module.cpp as CUDA_ARCH_FLAGS. And every
kernel image stands in a fat binary, whose header names kind (cubin or PTX) and capability; the layout is the one of
https://github.com/n-eiling/cuda-fatbin-decompression.
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Iterator
from typing import IO

CHUNK = 1 << 20
LONGEST_LIST = 400  # bytes; the longest known list (ROCm 7.2) has 120
_TARGET = rb"(?:(?:sm|compute)_[1-9][0-9]{1,2}[a-z]?|gfx[1-9][0-9]{1,2}[0-9a-f]{1,2})"
_LIST = re.compile(rb"(?<=\x00)(" + _TARGET + rb"(?: " + _TARGET + rb"){0,40})(?=\x00)")
_FATBIN = struct.pack("<IHH", 0xBA55ED50, 1, 16)  # magic, version, size of this header; a size of 8 bytes follows
_ENTRY = 32  # bytes of an image's header that are read
_PTX, _CUBIN = 1, 2


def chunks(stream: IO[bytes]) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK):
        yield chunk


def arch_strings(stream: IO[bytes]) -> list[str]:
    """Every list of targets that stands alone between two NUL bytes, each once, in order of appearance."""
    found: dict[str, None] = {}
    tail = b"\x00"
    for chunk in chunks(stream):
        window = tail + chunk
        found.update((hit[1].decode("ascii"), None) for hit in _LIST.finditer(window))
        tail = window[-LONGEST_LIST:]
    return list(found)


class _Forward:
    """A stream read once from front to back, with a window of a few chunks."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._window = b""
        self._start = 0  # offset of the window in the stream

    def at(self, offset: int, length: int) -> bytes:
        """`length` bytes from `offset`, which never lies before an earlier one; fewer at the end."""
        while self._start + len(self._window) < offset + length:
            chunk = self._stream.read(CHUNK)
            if not chunk:
                break
            kept = self._window[max(0, offset - self._start) :]
            self._start += len(self._window) - len(kept)
            self._window = kept + chunk
        begin = max(0, offset - self._start)
        return self._window[begin : begin + length]

    def find(self, pattern: bytes, offset: int) -> int:
        """Offset of `pattern` at or after `offset`; -1 if it does not come."""
        while True:
            self.at(offset, len(pattern))
            hit = self._window.find(pattern, max(0, offset - self._start))
            if hit >= 0:
                return self._start + hit
            offset = max(offset, self._start + len(self._window) - len(pattern) + 1)
            if len(self.at(offset, len(pattern))) < len(pattern):
                return -1


def fatbin_images(stream: IO[bytes]) -> Counter[str]:
    """How often each image occurs in the fat binaries of a library: {"sm_80": 912, "compute_120": 3}."""
    images: Counter[str] = Counter()
    source, offset = _Forward(stream), 0
    while (offset := source.find(_FATBIN, offset)) >= 0:
        header = source.at(offset, 16)
        size = int.from_bytes(header[8:16], "little")
        offset = _walk(source, offset + 16, offset + 16 + size, images)
    return images


def _walk(source: _Forward, offset: int, end: int, images: Counter[str]) -> int:
    """Count the images up to `end`; returns the offset behind the last one that makes sense."""
    while offset + _ENTRY <= end:
        entry = source.at(offset, _ENTRY)
        if len(entry) < _ENTRY:
            break
        kind, header_size, size = struct.unpack_from("<HxxIQ", entry)
        arch = struct.unpack_from("<I", entry, 28)[0]
        if kind not in (_PTX, _CUBIN) or not 64 <= header_size <= 4096 or not 20 <= arch < 1000 or not size:
            break
        images[f"{'compute' if kind == _PTX else 'sm'}_{arch}"] += 1
        offset += header_size + size
    return offset


def target_key(target: str) -> tuple[str, int, str]:
    """Order of targets of one maker: sm_90 before sm_90a before sm_100; gfx90a before gfx1030."""
    digits = re.sub(r"^[a-z]+_?", "", target)
    if target.startswith("gfx"):
        return "gfx", int(digits, 16), digits
    return target.partition("_")[0], int(re.sub(r"\D", "", digits)), digits
