"""Jinja2 with escaping always on, and what the templates may call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwcompat.errors import MachineError
from hwcompat.model import CAPABILITIES

from . import texts

if TYPE_CHECKING:
    from markupsafe import Markup

    from .values import Evidence

_HERE = Path(__file__).parent
LONG = 140
"""Characters of a cell that are shown at once; the whole text opens."""


class Shell:
    """Renders templates: every value that a template prints is made visible and escaped, whoever wrote it."""

    def __init__(self, date: str) -> None:
        try:
            import jinja2
        except ImportError as error:
            hint = 'python -m pip install "Jinja2>=3.1" (the extra "site" of hwcompat)'
            raise MachineError("the site is written with Jinja2, which is not installed", hint) from error
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            finalize=_visible,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.globals.update(_functions(), date=date)
        self._environment.filters.update(verbatim=_verbatim)
        self._environment.globals["evidence_row"] = self._row
        self._parts: dict[tuple[object, ...], Markup] = {}

    def page(self, template: str, path: str, **values: Any) -> tuple[str, str]:
        """(path, text) of the page at `path`, from which every link is relative."""
        root = "../" * path.count("/")
        return path, self._environment.get_template(template).render(root=root, path=path, **values) + "\n"

    def part(self, template: str, key: tuple[object, ...], **values: Any) -> Markup:
        """A piece of a page that several pages share: rendered once for each `key`."""
        from markupsafe import Markup

        name = (template, *key)
        if name not in self._parts:
            text = self._environment.get_template(template).render(**values)
            self._parts[name] = Markup(text)  # noqa: S704  # escaped by the template
        return self._parts[name]

    def _row(self, one: Evidence, show_card: bool) -> Markup:
        return self.part("row.html", (one.anchor, one.own, show_card), one=one, show_card=show_card)


def _visible(value: Any) -> Any:
    return texts.visible(value) if type(value) is str else value


def _verbatim(text: str) -> Markup:
    """Text of our own with its line ends, escaped."""
    from markupsafe import Markup, escape

    return Markup("\n").join(escape(texts.visible(line)) for line in text.split("\n"))


def _functions() -> dict[str, Any]:
    from . import charts
    from .observed import tag_order
    from .values import SYSTEM_WORDS

    return {
        "capabilities": CAPABILITIES,
        "web_address": texts.web_address,
        "drawing": charts.drawing,
        "number": charts.number,
        "chart_summary": charts.summary,
        "long": LONG,
        "systems": SYSTEM_WORDS,
        "tag_order": tag_order,
    }
