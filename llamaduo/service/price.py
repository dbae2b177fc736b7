"""What tokens cost, by a price that was read on a day."""

import json
from datetime import date
from functools import lru_cache
from typing import Any

from pydantic import Field, field_validator

from llamaduo.component import Component
from llamaduo.records import Usage

UNPRICED = (
    "a model without a price is refused, since no budget could hold: give input and output in US "
    "dollars for a million tokens, with as_of and source (0 is a price too)"
)


class Price(Component):
    """US dollars for a million tokens, as listed on a day."""

    input: float = Field(ge=0)
    """Dollars per million prompt tokens."""
    output: float = Field(ge=0)
    """Dollars per million completion tokens, those that a model thinks with among them."""
    cached_input: float | None = Field(None, ge=0)
    """Dollars per million prompt tokens read from the provider's cache. None: as `input`."""
    cache_write: float | None = Field(None, ge=0)
    """Dollars per million prompt tokens written to it. None: as `input`."""
    batch: float | None = Field(None, gt=0, le=1)
    """Share of the price that the provider's batch API takes: 0.5. None: it has none."""
    as_of: date
    """The day the price was read; printed wherever the price is used."""
    source: str
    """Where it was read."""

    @field_validator("input", "output", mode="before")
    @classmethod
    def _is_given(cls, usd: object) -> object:
        if usd is None:
            raise ValueError(UNPRICED)
        return usd

    def key(self) -> dict[str, Any]:
        """Leave the price out: it changes what a reply costs, never what it says."""
        return {}

    def usd(
        self,
        prompt_tokens: int,
        completion_tokens: int,
        *,
        cached_tokens: int = 0,
        cache_write_tokens: int = 0,
    ) -> float:
        """Return what a call of so many tokens costs.

        Args:
            cached_tokens: of the prompt's, those read from the provider's cache.
            cache_write_tokens: of the prompt's, those written to it.
        """
        read = min(cached_tokens, prompt_tokens)
        written = min(cache_write_tokens, prompt_tokens - read)
        prompt = (prompt_tokens - read - written) * self.input
        prompt += read * self._or_input(self.cached_input)
        prompt += written * self._or_input(self.cache_write)
        return (prompt + completion_tokens * self.output) / 1e6

    def most(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Return what so many tokens cost at most, whatever the cache does."""
        dearest = max(self.input, *map(self._or_input, (self.cached_input, self.cache_write)))
        return (prompt_tokens * dearest + completion_tokens * self.output) / 1e6

    def counted(self, usage: Usage) -> Usage:
        """Return `usage` with its dollars."""
        usd = self.usd(
            usage.prompt_tokens,
            usage.completion_tokens,
            cached_tokens=usage.cached_tokens,
            cache_write_tokens=usage.cache_write_tokens,
        )
        return usage.model_copy(update={"usd": usd})

    def _or_input(self, usd: float | None) -> float:
        return self.input if usd is None else usd


@lru_cache(maxsize=64)
def snapshot(price: Price) -> str:
    """Return the price as canonical JSON, to be kept beside what it was counted for."""
    return json.dumps(price.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
