"""A requirements file for pip with the torch build alone: `python -m pip install -r requirements-torch.txt`.

--index-url          in a file replaces PyPI for the whole pip call, whatever the command line or pip.conf say, so
                     this file holds torch and its companions only; PyTorch's indexes also carry what those need
                     https://pip.pypa.io/en/stable/reference/requirements-file-format/
--extra-index-url    is not used: pip pools all indexes and takes the highest version, so any of them can supply any
                     name (https://pip.pypa.io/en/stable/cli/pip_install/, "dependency confusion"). 2.13.0+cu126 does
                     sort above PyPI's 2.13.0, but where the extra index cannot be read pip goes on with PyPI's, which
                     is another CUDA
==2.13.0             is met by every local build of 2.13.0, so pip keeps another one that is already there
encoding             pip looks for a coding declaration in a file's first two lines (pip/_internal/req/req_file.py),
                     so those are fixed words
"""

from __future__ import annotations

from collections.abc import Iterator

from hwcompat.model import Pin, Recommendation

from ._pins import chosen, index, requirements, told
from ._text import comments

PROOF = "launched"
FILE = "requirements-torch.txt"
PROVED = (
    "pip 23.2 and 26.3 resolved the file against indexes of empty wheels: the pinned builds and no others, beside a "
    "PyPI with newer ones; an extra index in its place was shown to fall back to PyPI's build. No wheel of torch was "
    "downloaded."
)


def emit(rec: Recommendation, version: str | None = None) -> str:
    """Pins without the local part and the index they come from; `version`, pip's, changes nothing.

    Raises MachineError where no build was chosen.
    """
    pin = chosen(rec)
    url = index(rec, pin)
    header = comments([f"Install with: python -m pip install -r {FILE}", _order(url), *told(rec, pin), *_notes(pin)])
    lines = [*([f"--index-url {url}"] if url else []), *requirements(pin)]
    return header + "\n".join(lines) + "\n"


def _order(url: str) -> str:
    if url:
        return "Install this file first, by itself: its index takes the place of PyPI for everything in one pip call."
    return "Install this file first, by itself."


def _notes(pin: Pin) -> Iterator[str]:
    if not pin.index_url:
        yield (
            "this build is on no index: the line is met where it is installed already, and anywhere else pip stops "
            "instead of putting another build in its place"
        )
        return
    yield "then the rest, from PyPI, with this torch kept: python -m pip install -r requirements.txt"
    if pin.installed:
        yield "this build is installed already: pip has nothing to do"
    else:
        yield (
            f"where another build of torch {pin.torch} is installed pip keeps it; "
            f"remove it first: python -m pip uninstall torch"
        )
