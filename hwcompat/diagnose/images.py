"""One image file: can it be read whole, and are its pixels what a loader expects? Needs Pillow (extra `data`)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from hwcompat.errors import DataError, MachineError

from .faults import Fault
from .reading import file_size

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm", ".mpo", ".jfif")
FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF", "PPM", "MPO")
"""Nothing that hands the file to another program, as EPS does."""
MOST_BYTES, MOST_PIXELS, FEWEST = 512 * 2**20, 100_000_000, 10
LARGE = 256.0
DECODE, HEADER, NO = "full", "header", "no"


class Looked(NamedTuple):
    size: tuple[int, int] | None
    faults: tuple[Fault, ...]


def require_pillow() -> None:
    """MachineError with the line that installs Pillow, where it is missing."""
    try:
        import PIL  # noqa: F401
    except ImportError:
        raise MachineError(
            "images are read with Pillow, which is not installed",
            'python -m pip install "pillow>=10.0" (the extra "data"), or leave the images out: --images no',
        ) from None


def look(path: Path, decode: bool) -> Looked:
    """Size and faults of an image. decode: read every pixel; else the header and the end of the file only."""
    from PIL import Image, UnidentifiedImageError

    try:
        if file_size(path) > MOST_BYTES:
            return Looked(None, (Fault("image.huge", str(path), None, "bytes", str(file_size(path))),))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=FORMATS) as image:
                return Looked(image.size, tuple(_faults(str(path), image, decode)))
    except Image.DecompressionBombError:
        return Looked(None, (Fault("image.huge", str(path), None, "", "a decompression bomb by Pillow's limit"),))
    except (UnidentifiedImageError, DataError, OSError, ValueError, SyntaxError, EOFError, MemoryError) as error:
        rule = "image.truncated" if "truncated" in str(error).lower() else "image.unreadable"
        return Looked(None, (Fault(rule, str(path), None, "", _reason(error, path)),))
    except Exception as error:  # decoders of hostile files raise anything
        return Looked(None, (Fault("image.unreadable", str(path), None, "", _reason(error, path)),))


def _reason(error: BaseException, path: Path) -> str:
    text = getattr(error, "message", "") or str(error) or type(error).__name__
    return text.replace(repr(str(path)), "it").replace(str(path), "it")[:100]


def _faults(file: str, image: Any, decode: bool) -> Iterator[Fault]:
    width, height = image.size
    if min(width, height) < FEWEST:
        yield Fault("image.small", file, None, "size", f"{width}x{height}")
    if width * height > MOST_PIXELS:
        yield Fault("image.huge", file, None, "size", f"{width}x{height}")
        return
    if image.format in ("JPEG", "MPO") and not _ends(Path(file)):
        yield Fault("image.truncated", file, None, "", "no end-of-image marker")
    if _deep(file, image):
        yield Fault("image.sixteen-bit", file, None, "mode", image.mode)
    if decode:
        yield from _pixels(file, image)


def _ends(path: Path) -> bool:
    """Whether the end-of-image marker stands near the end; cameras append a few bytes."""
    with path.open("rb") as handle:
        handle.seek(max(file_size(path) - 65536, 0))
        return b"\xff\xd9" in handle.read(65536)


def _deep(file: str, image: Any) -> bool:
    """More than 8 bits a channel; Pillow reads PNG of 16 bits and three channels as 8, so the header is asked."""
    if image.mode.startswith("I"):
        return True
    if image.format == "PNG":
        with Path(file).open("rb") as handle:
            head = handle.read(25)
        return len(head) == 25 and head[24] == 16
    bits = getattr(image, "tag_v2", {}).get(258) if image.format == "TIFF" else None
    return bool(bits) and max(bits if isinstance(bits, tuple) else (bits,)) == 16


def _pixels(file: str, image: Any) -> Iterator[Fault]:
    image.load()
    if image.mode == "F":
        yield from _floats(file, image)
        return
    bands = image.getextrema()
    bands = bands if isinstance(bands[0], tuple) else (bands,)
    colour = bands[:-1] if image.mode in ("RGBA", "LA", "PA") and len(bands) > 1 else bands
    if all(low == high for low, high in colour):
        yield Fault("image.constant", file, None, "value", " ".join(str(low) for low, _ in colour))


def _floats(file: str, image: Any) -> Iterator[Fault]:
    import numpy

    pixels = numpy.asarray(image)
    bad = int((~numpy.isfinite(pixels)).sum())
    if bad:
        yield Fault("image.nonfinite", file, None, "pixels", f"{bad} of {pixels.size}")
        return
    largest = float(abs(pixels).max())
    if float(pixels.min()) == float(pixels.max()):
        yield Fault("image.constant", file, None, "value", f"{largest:g}")
    elif largest > LARGE:
        yield Fault("image.large-values", file, None, "largest", f"{largest:g}")
