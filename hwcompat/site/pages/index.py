"""The first page: every card in one table, which the script filters; without a script it is a plain list."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from markupsafe import Markup

from hwcompat.model import CAPABILITIES, VERDICTS
from hwcompat.site.observed import tag_order
from hwcompat.site.shell import Shell
from hwcompat.site.values import Entry, Site
from hwcompat.spelling import DROPPED
from hwcompat.tablerows import version_key

_SHOWN = ("fp32", "fp16", "bf16", "amp_fp16", "amp_bf16")


def outputs(site: Site, shell: Shell) -> Iterator[tuple[str, str]]:
    """index.html."""
    yield shell.page(
        "index.html",
        "index.html",
        site=site,
        shown=_SHOWN,
        choices=_choices(site),
        data=in_script(_data(site)),
    )


def _choices(site: Site) -> dict[str, list[str]]:
    """The values that each filter offers."""
    keys = {key for found in site.groups.values() for key in found}
    return {
        "chip": sorted({chip for entry in site.entries for chip in entry.subject.chips}),
        "architecture": list(dict.fromkeys(_by_age(site.entries))),
        "torch": sorted({key[0] for key in keys if key[0]}, key=version_key, reverse=True),
        "cuda": sorted({key[1] for key in keys if key[1]}, key=tag_order),
        "capability": list(CAPABILITIES),
        "verdict": list(VERDICTS),
        "source": ["measured", "reported"],
    }


def _by_age(entries: Sequence[Entry]) -> Iterator[str]:
    """Architectures, the newest first."""
    models = {(card.compute_capability, card.architecture) for entry in entries for card in entry.subject.models}
    for _, architecture in sorted(models, key=lambda one: (version_key(one[0]), one[1]), reverse=True):
        yield architecture


def _data(site: Site) -> dict[str, Any]:
    """What the script searches: cards in the order of the table; rows by chip or name, texts by their number."""
    texts = _Numbers()
    groups = {name: n for n, name in enumerate(site.groups)}
    return {
        "dropped": sorted(DROPPED),
        "cards": [
            {
                "words": entry.words,
                "chips": entry.subject.chips,
                "architectures": entry.architectures,
                "assumed": " ".join(f"{name}={word}" for name, word in entry.verdicts.items()),
                "groups": [groups[name] for name in entry.groups],
            }
            for entry in site.entries
        ],
        "groups": [
            [
                [texts.of(torch), texts.of(cuda), texts.of(source), texts.of(" ".join(told))]
                for torch, cuda, source, told in keys
            ]
            for keys in site.groups.values()
        ],
        "texts": texts.known,
    }


class _Numbers:
    """Numbers for texts that repeat, in the order of their first use."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def of(self, text: str) -> int:
        return self._numbers.setdefault(text, len(self._numbers))

    @property
    def known(self) -> list[str]:
        return list(self._numbers)


def in_script(value: Any) -> Markup:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704
