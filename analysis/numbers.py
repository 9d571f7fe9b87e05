"""Numbers as text. Halves are rounded away from zero, and only all is 100 %, only none 0 %."""

import math
from decimal import ROUND_HALF_UP, Decimal


def rounded(value: float, places: int = 0) -> str:
    """Return a number with so many decimal places; no sign where it rounds to nothing."""
    # Twelve digits first: 100 * 0.145 is 14.499999999999998, and means 14.5.
    text = str(Decimal(f"{value:.12g}").quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP))
    return text.lstrip("-") if float(text) == 0 else text


def number(value: float, digits: int = 3) -> str:
    """Return a number with so many significant digits: "-" where undefined, "inf" where infinite."""
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if -5 <= exponent < max(digits, 6):
        text = rounded(value, max(0, digits - 1 - exponent))
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.{digits - 1}e}".replace("e-0", "e-").replace("e+0", "e+")


def steps(value: float) -> str:
    """Return a number of steps: whole, or a half between two; "never" where infinite."""
    if math.isinf(value):
        return "never"
    return "-" if math.isnan(value) else rounded(value, 0 if value == round(value) else 1)


def percent(fraction: float) -> str:
    """Return a fraction as whole percent; what is nearly none or nearly all says so."""
    return f"{_whole(fraction)} %"


def percent_range(low: float, high: float) -> str:
    """Return "24-41"; 0 and 100 for the ends alone."""
    return f"{_whole(low)}-{_whole(high)}"


def _whole(fraction: float) -> str:
    text = rounded(100 * fraction)
    if text == "0" and fraction > 0:
        return "<1"
    return ">99" if text == "100" and fraction < 1 else text


def points(difference: float) -> str:
    """Return a difference of fractions in percentage points, signed; below one point with a decimal."""
    text = rounded(100 * difference, 0 if abs(difference) >= 0.01 else 1)
    text = "0" if float(text) == 0 else text
    if text == "100" and difference < 1:
        return ">+99"
    if text == "-100" and difference > -1:
        return "<-99"
    return text if text == "0" or text.startswith("-") else f"+{text}"


def p_value(p: float) -> str:
    """Return a p value as "= 0.012" or "< 0.001"."""
    if p < 0.001:
        return "< 0.001"
    return "= 1" if p >= 0.9995 else f"= {number(p, 2)}"
