"""What a service asks for tokens: given with date and source, or by litellm's name of it."""

from datetime import date, timedelta
from typing import Any

from pydantic import model_validator

from llamaduo.component import Component
from llamaduo.errors import UsageError
from llamaduo.records import Record
from llamaduo.workload.ranges import Amount, Range, likely


class Rates(Record):
    """Dollars per million tokens, all known, and where they come from."""

    input: float | Range
    output: float | Range
    cached_input: float | Range | None
    """Of prompt tokens that the service has in its cache. None: it has no such price."""
    batch_input: float | Range | None
    """Of a prompt that is answered within a day. None: it has no such price."""
    batch_output: float | Range | None
    source: str
    """Where they were read and of what day they are, for people."""


class Asked(Component):
    """A service's price. Either the dollars, with day and source, or `litellm`."""

    litellm: str | None = None
    """The model's name in litellm's price map, which is looked up when the price is used.
    None: the dollars stand here."""
    input: Amount | None = None
    """Dollars per million prompt tokens."""
    output: Amount | None = None
    """Dollars per million completion tokens."""
    cached_input: Amount | None = None
    """Dollars per million prompt tokens read from the service's cache; None: no such price."""
    batch_input: Amount | None = None
    """Dollars per million prompt tokens of its batch API; None: no such price."""
    batch_output: Amount | None = None
    """Dollars per million completion tokens of its batch API."""
    as_of: date | None = None
    """The day the price was read; printed wherever the price is used."""
    source: str | None = None
    """Where it was read."""

    @model_validator(mode="after")
    def _whole(self) -> "Asked":
        stated = {name: value for name, value in self if name != "litellm"}
        if self.litellm is not None:
            given = [name for name, value in stated.items() if value is not None]
            if given:
                from llamaduo.service.prices import why_unknown

                unknown = why_unknown(self.litellm)
                raise ValueError(
                    f"a price is looked up (litellm) or given, not both; with litellm, set to "
                    f"null: {', '.join(given)}" + (f"; and {unknown}" if unknown else "")
                )
            return self
        needed = ("input", "output", "as_of", "source")
        missing = [name for name in needed if stated[name] is None]
        if missing:
            raise ValueError(f"a price needs litellm, or {', '.join(missing)}")
        if (self.batch_input is None) != (self.batch_output is None):
            raise ValueError("batch_input and batch_output go together: give both or neither")
        return self._cached_is_no_dearer()

    def _cached_is_no_dearer(self) -> "Asked":
        if self.input is not None and self.cached_input is not None:
            fresh, cached = likely(self.input), likely(self.cached_input)
            if cached > fresh:
                raise ValueError(
                    f"cached_input is {cached:g} and above input, which is {fresh:g}: a cached "
                    "token costs less; change both together, or set cached_input to null"
                )
        return self

    def key(self) -> dict[str, Any]:
        """Leave the price out: no result of a run hangs on it."""
        return {}

    def rates(self) -> Rates:
        """Return the dollars, looked up where they are not given.

        Raises:
            UsageError: litellm's map has no such model, or no price of its tokens; or the day
                the price was read is still to come.
        """
        if self.litellm is not None:
            from llamaduo.service.prices import listed

            found = listed(self.litellm)
            return Rates(
                input=found.input,
                output=found.output,
                cached_input=found.cached_input,
                batch_input=found.batch_input,
                batch_output=found.batch_output,
                source=f"{self.litellm} in {found.source}",
            )
        assert self.input is not None and self.output is not None and self.as_of is not None
        if self.as_of > date.today() + timedelta(days=1):  # a day for the zones of the earth
            raise UsageError(
                f"as_of is {self.as_of}, which is still to come: give the day on which the price "
                "was read"
            )
        return Rates(
            input=self.input,
            output=self.output,
            cached_input=self.cached_input,
            batch_input=self.batch_input,
            batch_output=self.batch_output,
            source=f"as of {self.as_of}, from {self.source}",
        )
