"""Write numbers as text.

Halves are rounded away from zero. A percentage is written as 100 % or 0 % only if it is exactly that.
"""

import math
from decimal import ROUND_HALF_UP, Decimal


def rounded(value: float, places: int = 0) -> str:
    """Return a number with `places` decimal places, and without a minus sign if it rounds to zero."""
    # Twelve significant digits first, because 100 * 0.145 is 14.499999999999998 and has to be rounded as 14.5.
    text = str(Decimal(f"{value:.12g}").quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP))
    return text.lstrip("-") if float(text) == 0 else text


def number(value: float, digits: int = 3) -> str:
    """Return a number with `digits` significant digits, or with all its integer digits below a million; "-" if it is NaN."""
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
    """Return a number of steps, with one decimal place if it is not whole; "never" if it is infinite, "-" if it is NaN."""
    if math.isinf(value):
        return "never"
    return "-" if math.isnan(value) else rounded(value, 0 if value == round(value) else 1)


def estimate(value: float, low: float, high: float, digits: int = 3, between: str = " to ", *, signed: bool = False) -> str:
    """Return an estimate with its interval, such as "0.15 (0.09 to 0.21)", or the value alone if there is no interval.

    Args:
        value: The estimate.
        low: The lower end of its interval; NaN if there is none.
        high: The upper end.
        digits: Significant digits where the width of the interval does not decide. Otherwise all three numbers have as many
            decimal places as show the width with two significant digits.
        between: What stands between the ends of the interval.
        signed: Write "+" before positive numbers.
    """
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
    """Return a median time with its interval in steps; an infinite median is "not reached", an infinite upper end "or more"."""
    text = "not reached" if math.isinf(value) else steps(value)
    if math.isnan(low) or math.isinf(low):
        return text
    return f"{text} ({steps(low)} to {steps(high)})" if math.isfinite(high) else f"{text} ({steps(low)} or more)"


def percent(fraction: float) -> str:
    """Return a fraction in whole percent, with decimal places if it is close to 0 or 100 %."""
    return f"{_hundredths(fraction)} %"


def percent_range(low: float, high: float) -> str:
    """Return an interval of fractions in percent, such as "24-41"; an end is written as 0 or 100 only if it is exactly that."""
    return f"{_hundredths(low)}-{_hundredths(high)}"


def _hundredths(fraction: float, fewest: int = 0) -> str:
    size = abs(fraction)
    for places in range(fewest, 4):
        text = rounded(100 * size, places)
        if (float(text) > 0 or size == 0) and (float(text) < 100 or size == 1):
            return text
    return "below 0.001" if size < 0.5 else "above 99.999"


def points(difference: float) -> str:
    """Return a difference of fractions in percentage points with its sign, and with decimal places if it is below one point."""
    text = _hundredths(difference, 0 if abs(difference) >= 0.01 else 1)
    return "0" if difference == 0 else f"{'-' if difference < 0 else '+'}{text}"


def p_value(p: float) -> str:
    """Return a p value as "= 0.012" or "< 0.001"."""
    if p < 0.001:
        return "< 0.001"
    return "= 1" if p >= 0.9995 else f"= {number(p, 2)}"


def counted(n: int, one: str, many: str = "") -> str:
    """Return a number with its noun, such as "1 run" or "2 runs"; `many` is the plural if it is not `one` with an "s"."""
    return f"{n} {one}" if n == 1 else f"{n} {many or f'{one}s'}"
