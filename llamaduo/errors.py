"""What a user can put right. Anything else is a bug and keeps its traceback."""

from collections.abc import Sequence
from typing import ClassVar


class LlamaDuoError(Exception):
    """Base of the errors shown as one message, without a traceback."""

    exit_code: ClassVar[int] = 1


class UsageError(LlamaDuoError):
    """The command line asks for something there is not."""

    exit_code = 2


class ConfigError(LlamaDuoError):
    """The config asks for something that cannot be built; every fault is in the message."""

    exit_code = 2

    def __init__(self, head: str, faults: Sequence[str] = ()) -> None:
        """Say what cannot be, and below it each fault."""
        super().__init__("\n  ".join([head, *faults]))
        self.faults = tuple(faults)


class DataError(LlamaDuoError):
    """Rows of the user's cannot be read; the message names file, row and key."""

    exit_code = 2


class ModelError(LlamaDuoError):
    """A local model is not there, or cannot be tuned or served as asked."""


class CannotLearn(ModelError):
    """These settings cannot be learned with: the loss diverges, or no row fits in them."""


class ServiceError(LlamaDuoError):
    """The service LLM cannot be used at all: no key, no such model, no price."""


class TrackerError(LlamaDuoError):
    """Runs cannot be shown where they should be: no server, no permission, no such database."""

    exit_code = 2


class OverBudget(LlamaDuoError):
    """The next call could cost more than what is left of the budget."""

    exit_code = 3
