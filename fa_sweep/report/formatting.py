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


def estimate(value: float, low: float, high: float, digits: int = 3, between: str = " to ", *, signed: bool = False) -> str:
    """Return "0.15 (0.09 to 0.21)", as exact as the interval allows; without the interval where there is none."""
    if math.isnan(value) or math.isnan(low) or math.isnan(high) or not low < high or math.isinf(high - low):
        whole = (
            number(value, digits)
            if math.isnan(low) or math.isnan(high)
            else (f"{number(value, digits)} ({number(low, digits)}{between}{number(high, digits)})")
        )
        return f"+{whole}" if signed and value > 0 else whole
    exponent = math.floor(math.log10(high - low))
    if exponent < -5 or max(abs(low), abs(high)) >= 1e7:
        texts = [f"{one:.{digits}g}" for one in (value, low, high)]
    else:
        texts = [rounded(one, max(0, 1 - exponent)) for one in (value, low, high)]
    middle, *ends = (f"+{text}" if signed and not text.startswith("-") and float(text) else text for text in texts)
    return f"{middle} ({between.join(ends)})"


def median_steps(value: float, low: float, high: float) -> str:
    """Return a median time with its interval, which may have no upper end."""
    text = "not reached" if math.isinf(value) else steps(value)
    if math.isnan(low) or math.isinf(low):
        return text
    return f"{text} ({steps(low)} to {steps(high)})" if math.isfinite(high) else f"{text} ({steps(low)} or more)"


def percent(fraction: float) -> str:
    """Return a fraction as whole percent; what is nearly none or nearly all gets decimals."""
    return f"{_hundredths(fraction)} %"


def percent_range(low: float, high: float) -> str:
    """Return "24-41"; 0 and 100 for the ends alone."""
    return f"{_hundredths(low)}-{_hundredths(high)}"


def _hundredths(fraction: float, fewest: int = 0) -> str:
    size = abs(fraction)
    for places in range(fewest, 4):
        text = rounded(100 * size, places)
        if (float(text) > 0 or size == 0) and (float(text) < 100 or size == 1):
            return text
    return "below 0.001" if size < 0.5 else "above 99.999"


def points(difference: float) -> str:
    """Return a difference of fractions in percentage points, signed; below one point with decimals."""
    text = _hundredths(difference, 0 if abs(difference) >= 0.01 else 1)
    return "0" if difference == 0 else f"{'-' if difference < 0 else '+'}{text}"


def p_value(p: float) -> str:
    """Return a p value as "= 0.012" or "< 0.001"."""
    if p < 0.001:
        return "< 0.001"
    return "= 1" if p >= 0.9995 else f"= {number(p, 2)}"


def counted(n: int, one: str, many: str = "") -> str:
    """Return "1 run" or "2 runs"."""
    return f"{n} {one}" if n == 1 else f"{n} {many or f'{one}s'}"
