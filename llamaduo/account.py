"""What one run came to in calls and stages, whichever way it ended."""

from dataclasses import dataclass


@dataclass
class Account:
    """Filled in when a run ends, by an error too."""

    spent_now: float = 0.0
    """Service dollars that this process has paid for the run."""
    calls_now: int = 0
    """Tries that this process has sent."""
    made_now: int = 0
    """Stages that it made, rather than found."""
    recipes: tuple[str, ...] = ()
    """The stage results that the run rests on, found or made."""
