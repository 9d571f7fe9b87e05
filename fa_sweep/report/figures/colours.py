"""Choose the colours, line styles and markers of figures: one colour per feedback mode, the same in every figure and sweep.

Lightness and hue are those of OKLab (Ottosson, 2020), in which equal distances look about equally different.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fa_sweep.sweeping.jobs import Job
from fa_sweep.sweeping.references import MODE_FACTORS

DASHES: list[Any] = ["-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (3, 1, 1, 1, 1, 1)), (0, (8, 2))]
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*"]

# The colours were found by a search that made the least distance between any two as large as possible, for normal vision and
# for simulated deuteranopia and protanopia. Greens and reds are left to outcomes. Fourteen colours cannot all look different to
# every reader, so each mode has a line style and a marker, too.
INK, PAPER, QUIET, GRID = "#1c2330", "#ffffff", "#767676", "#e5e5e5"
DARK_PAPER = "#14181f"  # of a dark page, as in the template of the report
OUTCOMES = {"converged": "#2f9e44", "not converged": "#f0b429", "diverged": "#c92a2a", "missing": "#d0d0d0"}
OUTCOME_MARKERS = {"converged": "o", "not converged": "X", "diverged": "^"}
NEAREST = 0.1  # the least distance in OKLab between the colour of a mode that is not shipped and any other fixed colour


@dataclass(frozen=True)
class Look:
    """The colour, line style and marker of one group. Groups can thus be told apart without colour too."""

    color: str
    dashes: Any
    marker: str


SHIPPED = {
    "symmetric": Look("#3a3f47", DASHES[0], "o"),
    "random": Look("#1b6ec2", DASHES[1], "s"),
    "rerandom": Look("#ec6c0d", DASHES[2], "^"),
    "shallow": Look("#9a947b", DASHES[3], "D"),
    "direct": Look("#077a62", DASHES[4], "v"),
    "sign_direct": Look("#746201", DASHES[5], "P"),
    "target_projection": Look("#832100", DASHES[0], "X"),
    "fixed_sign": Look("#58006e", DASHES[1], "<"),
    "batch_sign": Look("#a35f92", DASHES[2], ">"),
    "uniform_sign": Look("#e169c2", DASHES[3], "p"),
    "kolen_pollack": Look("#111a9d", DASHES[4], "h"),
    "weight_mirror": Look("#887bff", DASHES[5], "*"),
    "product": Look("#5134ba", DASHES[0], "d"),
    "partial": Look("#90277e", DASHES[1], "8"),
}

_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def oklab(color: str) -> np.ndarray:
    """Return the coordinates (lightness, green to red, blue to yellow) in OKLab of a colour such as "#1b6ec2"."""
    levels = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    found: np.ndarray = _TO_LAB @ np.cbrt(_TO_CONES @ linear)
    return found


def from_oklab(lightness: float, a: float, b: float) -> str:
    """Return the colour with these coordinates in OKLab, less saturated if the screen could not show it otherwise."""
    for saturation in np.linspace(1, 0, 21):
        cones = np.linalg.solve(_TO_LAB, np.array([lightness, a * saturation, b * saturation])) ** 3
        linear = np.linalg.solve(_TO_CONES, cones)
        if (linear > -1e-4).all() and (linear < 1.0001).all():
            break
    linear = np.clip(linear, 0, 1)
    levels = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return "#" + "".join(f"{round(255 * float(level)):02x}" for level in levels)


def distance(one: str, other: str) -> float:
    """Return how different two colours look: their distance in OKLab, 1 for black and white."""
    return float(np.linalg.norm(oklab(one) - oklab(other)))


def on_dark(color: str) -> str:
    """Return the counterpart of a colour on a dark page: the same hue, and as far from the page as it was from white."""
    if color == PAPER:
        return DARK_PAPER
    lightness, a, b = oklab(color)
    if math.hypot(a, b) < 0.012:  # a grey: the nearer to white, the nearer to the dark page
        return from_oklab(0.93 - 0.72 * lightness, 0.0, -0.01)
    return from_oklab(0.86 - (min(max(lightness, 0.3), 0.78) - 0.3) * 0.5, a, b)


def mode_look(mode: str) -> Look:
    """Return the look of a feedback mode. A mode that is not shipped gets one that depends on its name alone."""
    if mode in SHIPPED:
        return SHIPPED[mode]
    taken = [*(look.color for look in SHIPPED.values()), *OUTCOMES.values()]
    numbers = _numbers(mode)
    dashes, marker = DASHES[next(numbers) % len(DASHES)], MARKERS[next(numbers) % len(MARKERS)]
    candidates = [_candidate(next(numbers)) for _ in range(64)]
    far = (color for color in candidates if min(distance(color, other) for other in taken) >= NEAREST)
    return Look(next(far, candidates[0]), dashes, marker)


def _numbers(name: str) -> Iterator[int]:
    """Yield whole numbers that depend on a name alone; Python's own hash of a text differs from process to process."""
    count = 0
    while True:
        yield int.from_bytes(hashlib.sha256(f"{count}:{name}".encode()).digest()[:4])
        count += 1


def _candidate(number: int) -> str:
    hue, lightness = math.radians(number % 360), 0.42 + 0.22 * ((number // 360) % 64) / 63
    return from_oklab(lightness, 0.17 * math.cos(hue), 0.17 * math.sin(hue))


def sequential(count: int) -> list[str]:
    """Return colours for the increasing levels of a number, from a light green-blue to a dark violet."""
    colors = []
    for place in np.linspace(0, 1, count) if count > 1 else [0.5]:
        hue, chroma = math.radians(195 + 110 * place), 0.1 + 0.06 * place
        colors.append(from_oklab(0.72 - 0.4 * place, chroma * math.cos(hue), chroma * math.sin(hue)))
    return colors


def shades(color: str, count: int) -> list[str]:
    """Return `count` shades of a colour, from light to dark; the colour itself if there is only one."""
    if count == 1:
        return [color]
    _, a, b = oklab(color)
    return [from_oklab(float(lightness), a, b) for lightness in np.linspace(0.74, 0.36, count)]


def looks_of(jobs: Mapping[str, Job], *, shaded: bool = True) -> dict[str, Look]:
    """Return a look for each group.

    Groups of different modes have the colours of their modes. Groups of one mode are shades of its colour, with other line
    styles. If all groups have one mode and differ in one number, their colours run from light to dark with that number.

    Args:
        jobs: A job of each group, by the group's name.
        shaded: Whether groups of one mode get shades. If their rows are named anyway, the mode's own colour is enough.
    """
    modes = {group: job.run.feedback.mode for group, job in jobs.items()}
    variants = {group: _variant(job) for group, job in jobs.items()}
    order = _ordered(list(dict.fromkeys(variants.values())))
    if len(set(modes.values())) == 1 < len(jobs) and _one_number(order):
        colors = sequential(len(order))
        return {group: _variation(colors, order.index(variants[group]), MARKERS) for group in jobs}
    found = {}
    for group, mode in modes.items():
        of_mode = [variant for variant in order if variant in {variants[g] for g in jobs if modes[g] == mode}]
        base = mode_look(mode)
        if len(of_mode) == 1 or not shaded:
            found[group] = base
        else:
            place = order.index(variants[group])
            found[group] = replace(base, color=shades(base.color, len(order))[place], dashes=DASHES[place % len(DASHES)])
    return found


def looks(names: Sequence[str]) -> dict[str, Look]:
    """Return a look for each name of a study's lines: feedback modes, levels of a number such as "train.lr=0.1", or others."""
    modes = [name for name in names if name.split(", ")[0] in SHIPPED]
    if len(modes) == len(names):
        by_mode: dict[str, list[str]] = {}
        for name in names:
            by_mode.setdefault(name.split(", ")[0], []).append(name)
        found = {}
        for mode, members in by_mode.items():
            for place, color in enumerate(shades(SHIPPED[mode].color, len(members))):
                dashes = DASHES[place % len(DASHES)] if len(members) > 1 else SHIPPED[mode].dashes
                found[members[place]] = Look(color, dashes, SHIPPED[mode].marker)
        return {name: found[name] for name in names}
    colors = sequential(len(names)) if all(_is_number(name.rpartition("=")[2]) for name in names) else None
    return {name: _variation(colors or _OTHERS, place, MARKERS) for place, name in enumerate(names)}


_OTHERS = [SHIPPED[mode].color for mode in ("random", "rerandom", "direct", "partial", "shallow", "kolen_pollack")]


def _variation(colors: Sequence[str], place: int, markers: Sequence[str]) -> Look:
    return Look(colors[place % len(colors)], DASHES[place % len(DASHES)], markers[place % len(markers)])


def _variant(job: Job) -> tuple[tuple[str, Any], ...]:
    """Return what distinguishes a group from other groups of its mode."""
    levels = [
        (name, value) for name, value in job.factors.items() if name not in MODE_FACTORS or value != job.run.feedback.mode
    ]
    return tuple((name, value if isinstance(value, (int, float)) else str(value)) for name, value in levels)


def _one_number(variants: Sequence[tuple[tuple[str, Any], ...]]) -> bool:
    return all(len(v) == 1 and isinstance(v[0][1], (int, float)) and not isinstance(v[0][1], bool) for v in variants)


def _ordered(variants: list[tuple[tuple[str, Any], ...]]) -> list[tuple[tuple[str, Any], ...]]:
    return sorted(variants, key=lambda v: float(v[0][1])) if _one_number(variants) else variants


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
