"""How a run was started: what was typed, and the sweep it is a job of."""

from llamaduo.records import Record


class Sweep(Record):
    """Jobs that one command started."""

    id: str
    """16 hex digits; the same command under the same home is the same sweep."""
    name: str
    """The command's overrides, for people."""


class Started(Record):
    """What started a run."""

    overrides: tuple[str, ...]
    """As they were typed, of a job those of that job."""
    sweep: Sweep | None = None
    """None: it stands for itself."""
