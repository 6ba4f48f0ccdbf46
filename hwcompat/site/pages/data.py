"""The data behind the pages: data/rows.csv, data/index.json, and data.html, which explains both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hwcompat import query
from hwcompat.model import Row
from hwcompat.site.shell import Shell
from hwcompat.site.values import Answer, CardPage, Said, Site


def outputs(site: Site, shell: Shell) -> Iterator[tuple[str, str]]:
    """The two files and the page."""
    yield "data/rows.csv", query.csv_text(site.rows)
    yield "data/index.json", json.dumps(_index(site), indent=1) + "\n"
    yield shell.page("data.html", "data.html", columns=Row._fields, rows=len(site.rows), cards=len(site.cards))


def _index(site: Site) -> dict[str, Any]:
    return {
        "schema": 1,
        "date": site.date,
        "licence": "CC0-1.0",
        "cards": [_card(page) for page in site.cards],
        "faults": [_fault(page.fault._asdict(), page.slug) for page in site.faults],
    }


def _card(page: CardPage) -> dict[str, Any]:
    subject = page.subject
    return {
        "name": subject.name,
        "page": f"gpu/{subject.slug}.html",
        "badge": f"badge/{subject.slug}.svg",
        "chips": subject.chips,
        "compute_capabilities": subject.compute_capabilities,
        "pci_ids": sorted({pci_id for card in subject.models for pci_id in card.pci_ids}),
        "systems": [_answer(answer) for answer in page.answers],
        "faults": [fault.id for fault in page.faults],
    }


def _answer(answer: Answer) -> dict[str, Any]:
    return {
        "os": answer.os,
        "arch": answer.arch,
        "torch": f"{answer.torch}+{answer.tag}" if answer.torch else None,
        "refused": answer.refused or None,
        "settings": {name: value for name, value, _ in answer.settings},
        "capabilities": {one.capability: _said(one) for one in answer.said},
    }


def _said(one: Said) -> dict[str, Any]:
    return {
        "rows_say": one.word or None,
        "assumed": one.assumed or None,
        "observations": one.observations,
        "measured": one.measured,
        "voices": one.voices,
        "oldest": one.oldest or None,
        "newest": one.newest or None,
    }


def _fault(fault: dict[str, Any], slug: str) -> dict[str, Any]:
    return {"page": f"fault/{slug}.html", **{name: value for name, value in fault.items() if value}}
