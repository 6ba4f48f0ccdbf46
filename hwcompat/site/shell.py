"""Jinja2 with escaping always on, and what the templates may call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwcompat.errors import MachineError

from . import texts

if TYPE_CHECKING:
    from markupsafe import Markup

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

    def page(self, template: str, path: str, **values: Any) -> tuple[str, str]:
        """(path, text) of the page at `path`, from which every link is relative."""
        root = "../" * path.count("/")
        return path, self._environment.get_template(template).render(root=root, path=path, **values) + "\n"


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
        "web_address": texts.web_address,
        "drawing": charts.drawing,
        "number": charts.number,
        "chart_summary": charts.summary,
        "long": LONG,
        "systems": SYSTEM_WORDS,
        "tag_order": tag_order,
    }
