"""Checks that need no judge."""

import json
import re

from pydantic import field_validator

from llamaduo.component import Component
from llamaduo.records import Example


class Exact(Component):
    """The answer is the target, but for space around it."""

    def passes(self, answer: str, example: Example) -> bool:
        """Whether the two are the same."""
        return answer.strip() == example.target.strip()


class JsonKeys(Component):
    """The answer is one JSON object with just these keys."""

    keys: tuple[str, ...]

    def passes(self, answer: str, example: Example) -> bool:
        """Whether the whole answer parses, and to those keys."""
        try:
            value = json.loads(answer)
        except (ValueError, RecursionError):  # the latter for `[[[[...` without end
            return False
        return isinstance(value, dict) and set(value) == set(self.keys)


class OneOf(Component):
    """The answer, but for space around it, is one of a set of labels."""

    values: tuple[str, ...]

    def passes(self, answer: str, example: Example) -> bool:
        """Whether it is one of them."""
        return answer.strip() in self.values


class Matches(Component):
    """The whole answer, but for space around it, matches a regular expression."""

    pattern: str

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return pattern

    def passes(self, answer: str, example: Example) -> bool:
        """Whether it matches; a dot matches line ends too."""
        return re.fullmatch(self.pattern, answer.strip(), re.DOTALL) is not None
