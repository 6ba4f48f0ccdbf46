"""Drawings as SVG: bars with their spread, and badges. Widths are computed: no font is needed to lay them out."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup, escape

from .values import Bar, Chart

_WIDTH, _LEFT, _RIGHT, _ROW, _TOP = 640, 96, 110, 30, 8


def drawing(chart: Chart, key: str) -> Markup:
    """`chart` as an SVG element; its numbers stand in a table beside it, so a screen reader gets title and summary."""
    most = max([bar.high for bar in chart.bars] + [chart.line or 0]) or 1.0
    height = _TOP + _ROW * len(chart.bars) + 6
    parts = [part for at, bar in enumerate(chart.bars) for part in _bar(bar, at, most)]
    if chart.line is not None:
        x = _x(chart.line, most)
        parts.append(Markup('<line class="chart-line" x1="{0}" x2="{0}" y1="2" y2="{1}"/>').format(x, height - 4))
    head = Markup(
        '<svg class="chart" role="img" viewBox="0 0 {0} {1}" width="{0}" height="{1}" aria-labelledby="{2}-title">'
        '<title id="{2}-title">{3}</title>'
    ).format(_WIDTH, height, key, summary(chart))
    return head + Markup("").join(parts) + Markup("</svg>")


def summary(chart: Chart) -> str:
    """The chart in a sentence."""
    told = (f"{bar.label} {number(bar.middle)} ({number(bar.low)} to {number(bar.high)})" for bar in chart.bars)
    return f"{chart.title} in {chart.unit}, median and spread: {', '.join(told)}"


def number(value: float) -> str:
    """Three significant digits, never in powers of ten."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}" if value >= 0.001 else f"{value:.3f}"


def _x(value: float, most: float) -> str:
    return f"{_LEFT + (_WIDTH - _LEFT - _RIGHT) * value / most:.1f}"


def _bar(bar: Bar, at: int, most: float) -> Iterator[Markup]:
    y = _TOP + _ROW * at
    wide = float(_x(bar.middle, most)) - _LEFT
    yield Markup('<text class="chart-label" x="{0}" y="{1}" text-anchor="end">{2}</text>').format(
        _LEFT - 8, y + 16, bar.label
    )
    yield Markup('<rect class="chart-bar" x="{0}" y="{1}" width="{2}" height="20"/>').format(
        _LEFT, y + 1, f"{wide:.1f}"
    )
    yield Markup('<line class="chart-spread" x1="{0}" x2="{1}" y1="{2}" y2="{2}"/>').format(
        _x(bar.low, most), _x(bar.high, most), y + 11
    )
    yield Markup('<text class="chart-value" x="{0}" y="{1}">{2}</text>').format(
        f"{float(_x(bar.high, most)) + 8:.1f}", y + 16, f"{number(bar.middle)} ({bar.rows}x)"
    )


# --- badges -----------------------------------------------------------------------------------------------------------

COLOURS = {
    "ok": "#1a7f37",
    "slow": "#9a6700",
    "emulated": "#9a6700",
    "suspected": "#bc4c00",
    "faulty": "#c0262d",
    "unsupported": "#57606a",
    "unknown": "#57606a",
}
"""White text on each has a contrast of at least 4.5 to 1."""

_NARROW, _BROAD = frozenset("fijlrtI.,:;'|()[]! "), frozenset("mwMW@%")


def badge(label: str, message: str, verdict: str) -> str:
    """A badge as a whole SVG file: `label` on grey, `message` on the verdict's colour."""
    left, right = text_width(label) + 12, text_width(message) + 12
    return str(
        Markup(
            '<svg xmlns="http://www.w3.org/2000/svg" width="{all}" height="20" viewBox="0 0 {all} 20" role="img" '
            'aria-label="{label}: {message}"><title>{label}: {message}</title>'
            '<rect width="{left}" height="20" fill="#424a53"/>'
            '<rect x="{left}" width="{right}" height="20" fill="{colour}"/>'
            '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
            '<text x="6" y="14" textLength="{a}">{label}</text>'
            '<text x="{x}" y="14" textLength="{b}">{message}</text></g></svg>\n'
        ).format(
            all=left + right, left=left, right=right, colour=COLOURS.get(verdict, COLOURS["unknown"]),
            a=left - 12, b=right - 12, x=left + 6, label=escape(label), message=escape(message),
        )
    )  # fmt: skip


def text_width(text: str) -> int:
    """Pixels of `text` in Verdana of 11 pixels, near enough; the drawn text is fitted to it."""
    return round(sum(4.2 if sign in _NARROW else 10.6 if sign in _BROAD else 7.0 for sign in text))
