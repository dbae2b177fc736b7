"""Numbers that are known, and numbers of which only a range is."""

import math
from collections.abc import Callable, Mapping
from typing import Annotated

from pydantic import PlainSerializer, PlainValidator, model_validator

from llamaduo.component import Component

ENDS = {"low", "likely", "high"}


class Range(Component):
    """A number of which two ends and the likeliest value are known: a triangular distribution.

    In YAML `[low, high]`, whose likeliest value is the middle, or `{low:, likely:, high:}`.
    """

    low: float
    """Nothing below it is expected."""
    likely: float
    """What counts wherever one number is needed."""
    high: float
    """Nothing above it is expected."""

    @model_validator(mode="after")
    def _rising(self) -> "Range":
        if not self.low <= self.likely <= self.high:
            raise ValueError(
                f"low, likely and high of a range rise; got {self.low:g}, {self.likely:g}, "
                f"{self.high:g}"
            )
        return self


def likely(amount: float | Range) -> float:
    """Return the one number that counts where no range can."""
    return amount.likely if isinstance(amount, Range) else amount


def ends(amount: float | Range) -> tuple[float, float]:
    """Return the lowest and the highest that `amount` can be."""
    return (amount.low, amount.high) if isinstance(amount, Range) else (amount, amount)


def within(least: float, most: float) -> Callable[[object], float | Range]:
    """Return a check that takes a number or a range, both ends in `least`..`most`."""

    def checked(value: object) -> float | Range:
        found = _read(value)
        low, high = ends(found)
        if not (math.isfinite(low) and math.isfinite(high) and least <= low and high <= most):
            limit = f"from {least:g} on" if most == math.inf else f"in {least:g}..{most:g}"
            raise ValueError(f"has to be a finite number {limit}, or a range of such")
        return found

    return checked


def _read(value: object) -> float | Range:
    if isinstance(value, Range):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, list | tuple) and len(value) == 2 and all(map(_is_number, value)):
        return _range(value[0], (value[0] + value[1]) / 2, value[1])
    if isinstance(value, Mapping) and set(value) == ENDS and all(map(_is_number, value.values())):
        return _range(value["low"], value["likely"], value["high"])
    raise ValueError("has to be a number, [low, high], or {low:, likely:, high:}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _range(low: float, middle: float, high: float) -> float | Range:
    """Build a range; its fault is said in one line, as that of the key it stands at.

    One without a width is a number like any other.
    """
    if low == middle == high:
        return float(low)
    if not low <= middle <= high:
        raise ValueError(f"a range rises: low {low:g}, likely {middle:g}, high {high:g} do not")
    return Range(low=low, likely=middle, high=high)


def _written(amount: float | Range) -> float | dict[str, float]:
    return amount.model_dump() if isinstance(amount, Range) else amount


WRITTEN = PlainSerializer(_written)
"""A range is written as it is read, by its three names."""

Amount = Annotated[float | Range, PlainValidator(within(0, math.inf)), WRITTEN]
"""A quantity that can be nothing, but neither negative nor endless."""
Share = Annotated[float | Range, PlainValidator(within(0, 1)), WRITTEN]
"""A part of a whole, 0..1."""
Growth = Annotated[float | Range, PlainValidator(within(-1, 1)), WRITTEN]
"""By what share something changes: -1 is to nothing, 1 is twice as much."""
Least1 = Annotated[float | Range, PlainValidator(within(1, math.inf)), WRITTEN]
"""A number from 1 on."""
Days = Annotated[float | Range, PlainValidator(within(0, 31)), WRITTEN]
"""Days of a month."""
Hours = Annotated[float | Range, PlainValidator(within(0, 744)), WRITTEN]
"""Hours of a month."""
