"""Write numbers as text.

Halves are rounded away from zero. A percentage is written as 100 % or 0 % only if it is exactly that.
"""

import math
from decimal import ROUND_HALF_UP, Decimal


def rounded(value: float, places: int = 0) -> str:
    """Write a number with `places` decimal places, and without a minus sign if it rounds to zero."""
    # Round to twelve significant digits first: 100 * 0.145 is 14.499999999999998, but has to be rounded as 14.5.
    text = str(Decimal(f"{value:.12g}").quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP))
    return text.lstrip("-") if float(text) == 0 else text


def number(value: float, digits: int = 3) -> str:
    """Write a number with `digits` significant digits, without trailing zeros after the point.

    Below a million, all digits before the point are kept. Larger numbers, and those below 0.00001, are in scientific notation.
    NaN is "-".
    """
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
    """Write a number of steps, with one decimal place if it is not whole; "never" if it is infinite, "-" if it is NaN."""
    if math.isinf(value):
        return "never"
    return "-" if math.isnan(value) else rounded(value, 0 if value == round(value) else 1)


def estimate(value: float, low: float, high: float, digits: int = 3, between: str = " to ", *, signed: bool = False) -> str:
    """Write an estimate with its interval, such as "0.15 (0.09 to 0.21)", or the value alone if there is no interval.

    The decimal places of all three numbers are chosen so that the width of the interval shows two significant digits.

    Args:
        value: The estimate.
        low: The lower end of its interval; NaN if there is none.
        high: The upper end.
        digits: Significant digits if the width cannot decide: the interval is missing, empty or infinite, its width is below
            0.00001, or an end is 10 million or more.
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
    """Write a median time with its interval in steps, such as "200 (180 to 230)".

    An infinite median is "not reached". If only the upper end is infinite, the interval is written as "180 or more".
    """
    text = "not reached" if math.isinf(value) else steps(value)
    if math.isnan(low) or math.isinf(low):
        return text
    return f"{text} ({steps(low)} to {steps(high)})" if math.isfinite(high) else f"{text} ({steps(low)} or more)"


def percent(fraction: float) -> str:
    """Write a fraction in whole percent, with decimal places if it would otherwise be rounded to 0 or 100 %."""
    return f"{_hundredths(fraction)} %"


def percent_range(low: float, high: float) -> str:
    """Write an interval of fractions in percent, such as "24-41". An end is written as 0 or 100 only if it is exactly that."""
    return f"{_hundredths(low)}-{_hundredths(high)}"


def _hundredths(fraction: float, fewest: int = 0) -> str:
    size = abs(fraction)
    for places in range(fewest, 4):
        text = rounded(100 * size, places)
        if (float(text) > 0 or size == 0) and (float(text) < 100 or size == 1):
            return text
    return "below 0.001" if size < 0.5 else "above 99.999"


def points(difference: float) -> str:
    """Write a difference of fractions in percentage points with its sign, and with decimal places if it is below one point."""
    text = _hundredths(difference, 0 if abs(difference) >= 0.01 else 1)
    return "0" if difference == 0 else f"{'-' if difference < 0 else '+'}{text}"


def p_value(p: float) -> str:
    """Write a p value in the form "= 0.012" or "< 0.001"."""
    if p < 0.001:
        return "< 0.001"
    return "= 1" if p >= 0.9995 else f"= {number(p, 2)}"


def counted(n: int, one: str, many: str = "") -> str:
    """Write a number with its noun, such as "1 run" or "2 runs". Without `many`, the plural is `one` with an "s"."""
    return f"{n} {one}" if n == 1 else f"{n} {many or f'{one}s'}"
