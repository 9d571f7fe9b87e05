"""Turn matplotlib's SVG files into elements of a web page, whose colours follow the light or dark mode of the page.

Each colour of lines, areas and text becomes a CSS variable, and `dark_colours` gives the variables their values on a dark page.
Images inside a figure, such as the cells of a phase diagram, keep their colours, and so does the text on them.
"""

import re
from collections.abc import Iterable
from html import escape

from fa_sweep.report.figures.colours import on_dark
from fa_sweep.report.figures.factors import ON_DARK, ON_LIGHT

_COLOR = re.compile(r"(fill|stroke): (#[0-9a-f]{6})")
_COORDINATES = re.compile(r' (d|x|y)="([^"]*)"')
_LONG = re.compile(r"(-?\d+\.\d{2})\d+")
_SIZE = re.compile(r'<svg [^>]*?viewBox="0 0 ([\d.]+) ([\d.]+)"')


def inline(svg: str, name: str, alt: str) -> str:
    """Return an SVG file of matplotlib's as an element to be put into HTML.

    Args:
        svg: The content of the file.
        name: A name that no other figure on the page has. It makes the ids in the figure unique.
        alt: What the figure shows, in words, for readers who cannot see it.
    """
    size = _SIZE.search(svg)
    assert size, "not an SVG file of matplotlib's"
    width, height = size.groups()
    body = svg[svg.index(">", size.start()) + 1 : svg.rindex("</svg>")]
    # Comments repeat the text of the figure, the metadata says which program drew it, and the style would hold for the whole
    # page, whose own style has the same rule.
    body = re.sub(r"<!--.*?-->\n?|<(metadata|style)\b.*?</\1>\n?", "", body, flags=re.DOTALL).replace("xlink:href", "href")
    used = set(re.findall(r"(?:href=\"|url\()#([^\")]+)", body))
    body = re.sub(r' id="([^"]*)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", body)
    body = re.sub(r"(href=\"|url\()#", rf"\1#{name}-", body)
    body = _COLOR.sub(_variable, body)
    body = _COORDINATES.sub(lambda m: f' {m[1]}="{_LONG.sub(_shorter, m[2])}"', body)  # hundredths of a point are fine enough
    return f'<svg role="img" aria-label="{escape(alt)}" viewBox="0 0 {width} {height}">{body}</svg>'


def _variable(found: re.Match[str]) -> str:
    what, color = found.groups()
    return found[0] if color in (ON_LIGHT, ON_DARK) else f"{what}: var(--c{color[1:]}, {color})"


def _shorter(found: re.Match[str]) -> str:
    return found[1].rstrip("0").rstrip(".")


def dark_colours(elements: Iterable[str]) -> str:
    """Return the CSS declarations that give all colours of some figures their values on a dark page."""
    colors = sorted({color for element in elements for color in re.findall(r"var\(--c([0-9a-f]{6}),", element)})
    return " ".join(f"--c{color}: {on_dark('#' + color)};" for color in colors)
