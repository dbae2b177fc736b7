"""A space of settings: what each key may be, and a component with other values put in. Pure."""

import math
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, TypeVar

from pydantic import model_validator

from llamaduo.component import Component

Value = bool | int | float | str | None
"""A setting: what a YAML's scalar may be."""

C = TypeVar("C", bound=Component)


class Dimension(Component):
    """What one setting may be: one of some choices, or a number in a range."""

    choices: tuple[Value, ...] | None = None
    """Values without an order. Give these, or `low` and `high`."""
    low: int | float | None = None
    """Smallest value. Of two whole ends, all values are whole."""
    high: int | float | None = None
    """Largest value."""
    log: bool = False
    """Draw evenly over orders of magnitude: for rates and sizes. Not with `step`."""
    step: int | float | None = None
    """Distance between two values, from `low` on. None: 1 of whole numbers, else any."""

    @model_validator(mode="after")
    def _is_one_kind(self) -> "Dimension":
        if self.choices is not None:
            if (self.low, self.high, self.log, self.step) != (None, None, False, None):
                raise ValueError("give choices, or low and high, not both")
            if not self.choices or len(set(map(repr, self.choices))) < len(self.choices):
                raise ValueError("give one choice or more, each once")
            return self
        if self.low is None or self.high is None:
            raise ValueError("give choices, or low and high")
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"low has to be under high, and is {self.low:g} of {self.high:g}")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("log needs a low over 0 and no step")
        if self.step is not None and not 0 < self.step <= self.high - self.low:
            raise ValueError("step has to be over 0, and no more than from low to high")
        if self.step is not None and isinstance(self.step, float) and self.whole:
            raise ValueError("between whole ends, step has to be whole")
        return self

    @property
    def whole(self) -> bool:
        """Whether it is a range of whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def edges(self) -> tuple[Value, ...]:
        """Every choice, or both ends: what has to be valid for all of it to be."""
        return (self.low, self.high) if self.choices is None else self.choices

    @property
    def values(self) -> tuple[Value, ...] | None:
        """All values there are; None of a range of broken numbers."""
        if self.choices is not None:
            return self.choices
        assert self.low is not None and self.high is not None, "a range has ends"
        if self.whole:
            return tuple(range(int(self.low), int(self.high) + 1, int(self.step or 1)))
        if self.step is None:
            return None
        count = math.floor((self.high - self.low) / self.step + 1e-9)
        return tuple(self.low + i * self.step for i in range(count + 1))

    def holds(self, value: Value) -> bool:
        """Whether `value` is a point of it."""
        if self.choices is not None:
            return any(_same(value, choice) for choice in self.choices)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        values = self.values
        if values is not None:
            return any(math.isclose(value, float(one or 0)) for one in values)
        assert self.low is not None and self.high is not None, "a range has ends"
        return self.low <= value <= self.high

    def point(self, value: Value) -> Value:
        """Return `value` as this dimension writes it: 16.0 is 16 in a range of whole numbers."""
        if self.choices is not None:
            return next(choice for choice in self.choices if _same(value, choice))
        assert isinstance(value, int | float), "a point of a range is a number"
        return int(value) if self.whole else float(value)


def _same(value: Value, other: Value) -> bool:
    return isinstance(value, bool) == isinstance(other, bool) and value == other


def flat(space: Mapping[Any, Any], path: str = "") -> dict[str, Any]:
    """Return a space by dotted keys; in YAML it may stand in steps, so that one can be set."""
    found: dict[str, Any] = {}
    for key, below in space.items():
        name = f"{path}{key}"
        if isinstance(below, Mapping) and below and not set(below) & set(Dimension.model_fields):
            found |= flat(below, f"{name}.")
        else:
            found[name] = below
    return found


def points(space: Mapping[str, Dimension]) -> int | None:
    """Count the points of a space; None where one of its keys takes any number."""
    counts = [dimension.values for dimension in space.values()]
    return None if None in counts else math.prod(len(values or ()) for values in counts)


def grid(space: Mapping[str, Dimension]) -> Iterator[dict[str, Value]]:
    """Yield every point of a space that can be counted."""
    for values in product(*(dimension.values or () for dimension in space.values())):
        yield dict(zip(space, values, strict=True))


def with_values(component: C, values: Mapping[str, Any]) -> C:
    """Return the component with the values put in at their dotted keys, checked anew.

    Raises:
        ValidationError: if the component refuses one of them, or all of them together.
    """
    fields: dict[str, Any] = dict(component)
    below: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        head, _, rest = key.partition(".")
        if rest:
            below.setdefault(head, {})[rest] = value
        else:
            fields[head] = value
    for head, inner in below.items():
        fields[head] = with_values(fields[head], inner)
    return type(component).model_validate(fields)
