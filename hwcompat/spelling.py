"""How one graphics card's name is written in many ways: what stays the same when spaces, brands and sizes differ."""

from __future__ import annotations

import re

_BRANDS = ["nvidia", "geforce", "tesla", "corporation", "amd", "radeon", "instinct", "apple"]
DROPPED = frozenset([*_BRANDS, "with", "design", "gpu"])
_FORM_FACTORS = frozenset(
    [
        *["pcie", "pci", "sxm", "sxm2", "sxm3", "sxm4", "sxm5", "fhhl", "dgxs", "hbm2", "hbm2e", "hbm3", "hbm3e"],
        *["blackwell", "workstation", "server", "edition"],
    ]
)
_MARKS = re.compile(r"\((?:r|tm)\)")
_SLICE = re.compile(r"\bmig (\d+g\.(\d+)gb)\b.*")
_WORD = re.compile(r"\d+ ?gb\b|[a-z0-9]+")
_SIZE = re.compile(r"(\d+) ?gb\b")


def spellings(name: str) -> tuple[str, str, str, str]:
    """The name without brand, spaces and dashes: full, without form factor, without memory size, without both.

    "Tesla V100-SXM2-16GB" -> ("v100sxm216gb", "v10016gb", "v100sxm2", "v100"). A laptop card stays one:
    "GTX 1650 Mobile" and "GTX 1650 Laptop GPU" are "gtx1650laptop", never "gtx1650".
    """
    whole = _SLICE.sub("", _MARKS.sub(" ", name.lower()))
    plain = whole.replace("generation", " ")  # seen inside "RTX6000AdaGeneration" too
    words = [word.replace(" ", "") for word in _WORD.findall(plain)]
    kept = ["laptop" if word == "mobile" else word for word in words if word not in DROPPED]
    no_form = [word for word in kept if word not in _FORM_FACTORS]
    return "".join(kept), "".join(no_form), _without_size(kept), _without_size(no_form)


def _without_size(words: list[str]) -> str:
    return "".join(word for word in words if not _SIZE.fullmatch(word))


def memory_gb(name: str) -> int | None:
    """The memory size in GiB that a name states ("Tesla P40 24GB", or of a MIG slice, "MIG 1g.5gb"), if any."""
    lower = name.lower()
    part = _SLICE.search(lower)
    found = _SIZE.search(lower)
    return int(part[2]) if part else int(found[1]) if found else None


def mig_profile(name: str) -> str | None:
    """ "1g.5gb" of "NVIDIA A100-SXM4-40GB MIG 1g.5gb"."""
    part = _SLICE.search(name.lower())
    return part[1] if part else None
