"""Small figures as SVG, and pages of them: what reports show without a plotting library."""

from __future__ import annotations

import html
from collections.abc import Sequence

_COLORS = ("#3b6fb6", "#d1722e", "#4f9d57", "#b2484d", "#7c62a9", "#6b6b6b")
_STYLE = (
    "body{font:14px sans-serif;max-width:70em;margin:2em auto}table{border-collapse:collapse}"
    "td,th{padding:.2em .7em;border-bottom:1px solid #ccc;text-align:right}"
    "td:first-child,th:first-child{text-align:left}"
)


def bars(title: str, labels: Sequence[str], series: dict[str, Sequence[float]], width: int = 640) -> str:
    """Groups of bars, one for each label, of a number of each series; below zero downwards."""
    height, top, left = 240, 40, 50
    values = [value for numbers in series.values() for value in numbers] + [0.0]
    high, low = max(values), min(values)
    scale = (height - top - 30) / ((high - low) or 1)
    y = lambda value: top + (high - value) * scale  # noqa: E731
    step = (width - left) / max(len(labels), 1)
    each = 0.8 * step / max(len(series), 1)
    parts = [f'<text x="{left}" y="16" font-weight="bold">{html.escape(title)}</text>']
    for i, (name, numbers) in enumerate(series.items()):
        color = _COLORS[i % len(_COLORS)]
        parts.append(f'<text x="{left + 120 * i}" y="32" fill="{color}">{html.escape(name)}</text>')
        for j, value in enumerate(numbers):
            x, y0, y1 = left + j * step + i * each, min(y(value), y(0)), abs(y(value) - y(0))
            parts.append(
                f'<rect x="{x:.1f}" y="{y0:.1f}" width="{each:.1f}" height="{y1:.1f}" fill="{color}">'
                f"<title>{html.escape(f'{name}, {labels[j]}: {value:.4g}')}</title></rect>"
            )
    for j, label in enumerate(labels):
        parts.append(f'<text x="{left + j * step:.1f}" y="{height - 8}" font-size="11">{html.escape(label)}</text>')
    for value in dict.fromkeys((high, 0.0, low)):
        parts.append(f'<text x="0" y="{y(value) + 4:.1f}" font-size="11">{value:.3g}</text>')
        parts.append(f'<path d="M{left} {y(value):.1f}H{width}" stroke="#bbb" stroke-width="0.5"/>')
    return f'<svg width="{width}" height="{height}" font-family="sans-serif" font-size="13">{"".join(parts)}</svg>'


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An HTML table of text."""

    def line(cells, tag):
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    return f"<table>{line(header, 'th')}{''.join(line(row, 'td') for row in rows)}</table>"


def page(title: str, parts: Sequence[str]) -> str:
    """A document by itself, of HTML parts."""
    head = f"<meta charset=utf-8><title>{html.escape(title)}</title><style>{_STYLE}</style>"
    return f"<!doctype html>{head}<h1>{html.escape(title)}</h1>{''.join(parts)}"


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of columns, the first to the left."""
    widths = [max(map(len, column)) for column in zip(header, *rows)]
    line = lambda row: "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])  # noqa: E731
    return [line(row).rstrip() for row in (header, *rows)]
