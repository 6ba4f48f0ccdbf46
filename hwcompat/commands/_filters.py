"""The options that choose rows of the matrix, for every subcommand that takes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from hwcompat.query import Filter

_T = TypeVar("_T", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--gpu", help="Part of the card's name, its chip or PCI id."),
    click.option("--chip", help="The chip: TU116."),
    click.option("--torch", metavar="VERSION", help='A version or its beginning (2.6), or a range (">=2.5,<2.7").'),
    click.option("--cuda", metavar="TAG", help="A tag or its beginning (cu126, cpu, rocm), or a version (12.6)."),
    click.option("--capability", multiple=True, help="With a verdict on fp16, bf16 ...; or kernels for 7.5, gfx90a."),
    click.option("--verdict", multiple=True, help="fp16=faulty, or faulty for any capability; repeat to ask for all."),
    click.option("--source", type=click.Choice(["measured", "reported"])),
    click.option("--os", type=click.Choice(["linux", "windows", "macos", "wsl"])),
    click.option("--since", metavar="DAY", help="Of this day or later: 2026, 2026-04 or 2026-04-30."),
)


def filter_options(command: _T) -> _T:
    """Give a command the options; their values arrive under the names of `query.Filter`'s fields."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def chosen_filter(values: Mapping[str, Any]) -> Filter:
    """The filter that the options ask for."""
    from hwcompat.query import Filter

    return Filter(**{name: value for name, value in values.items() if value})
