"""A page a card: gpu/<slug>.html."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hwcompat.site.answers import command_for
from hwcompat.site.observed import newest
from hwcompat.site.shell import Shell
from hwcompat.site.values import Answer, CardPage, Said, Site

MOST_CELLS = 200
"""Verdicts in the grids of one page; the page of the chip has all of them."""


def outputs(site: Site, shell: Shell) -> Iterator[tuple[str, str]]:
    """Every card of the tables and of the rows."""
    fault_slugs = {one.fault.id: one.slug for one in site.faults}
    chip_slugs = {one.chip: one.slug for one in site.chips}
    for page in site.cards:
        yield shell.page(
            "gpu.html",
            f"gpu/{page.subject.slug}.html",
            page=page,
            subject=page.subject,
            memory=memory(page),
            warnings=tuple(dict.fromkeys(text for answer in page.answers for text in answer.warnings)),
            verdicts=verdicts(page.answers),
            contradictions=[one for chip in page.chips for one in chip.contradictions],
            commands=[command_for(page.subject, answer) for answer in page.answers],
            fault_slugs=fault_slugs,
            chip_slugs=chip_slugs,
            anchored={one.anchor for one in page.evidence},
            **_of_chips(page, shell),
        )


def _of_chips(page: CardPage, shell: Shell) -> dict[str, object]:
    """The parts that all cards of the same chips share."""
    key = tuple(chip.chip for chip in page.chips)
    grids = [grid for chip in page.chips for grid in chip.grids]
    shown = newest(grids, MOST_CELLS)
    versions = [one for chip in page.chips for one in chip.versions]
    return {
        "grids": shell.part("grids.html", key, grids=shown) if grids else "",
        "cut": sum(len(grid.cells) for grid in shown) < sum(len(grid.cells) for grid in grids),
        "versions": shell.part("versions.html", key, versions=versions) if versions else "",
    }


def memory(page: CardPage) -> str:
    """ "6", "4 or 8"; "" if no table knows."""
    return " or ".join(f"{size:g}" for size in sorted({size for card in page.subject.models for size in card.vram_gb}))


def verdicts(answers: Sequence[Answer]) -> list[tuple[str, tuple[Said, ...]]]:
    """(systems and builds, verdicts), systems of which the same is said together."""
    found: list[tuple[str, tuple[Said, ...]]] = []
    for answer in answers:
        name = f"{answer.system}, torch {answer.torch}+{answer.tag}" if answer.torch else answer.system
        if found and found[-1][1] == answer.said:
            found[-1] = (f"{found[-1][0]}; {name}", answer.said)
        elif answer.said:
            found.append((name, answer.said))
    return found
