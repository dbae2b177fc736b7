"""Coverage over rows: its points, the curve through them, and what a goal would take."""

from llamaduo.records import Record


class Point(Record):
    """One model on the curve of coverage over rows."""

    rows: int
    """Tuned on, 1 or more."""
    hits: int
    """Prompts covered."""
    n: int
    """Prompts judged."""
    usd: float
    """Service dollars that it had cost to come here."""


class Curve(Record):
    """Coverage over rows, fitted: the log odds are a straight line over the doublings."""

    points: tuple[Point, ...]
    centre: float
    """Doublings from one row, log2, at which `level` is told."""
    level: float
    """Log odds of coverage at `centre`."""
    slope: float
    """What a doubling of the rows adds to the log odds."""
    slope_low: float
    slope_high: float
    """95 % interval of the slope."""
    variance: tuple[float, float, float]
    """Of the level, of both together, of the slope; times the dispersion."""
    dispersion: float
    """How much more the points vary than prompts alone would have them, 1 or more."""
    usd_per_row: float | None
    """What a further row cost among these points; None where rows cost nothing."""


class Reach(Record):
    """What a goal would take, by a `Curve`."""

    goal: float
    """Coverage in %."""
    rows: int | None
    """None: by this curve no number of rows reaches it."""
    rows_low: int | None
    rows_high: int | None
    """95 % interval; None where no practical number of rows is that end."""
    usd: float | None
    """Dollars on top of what the largest volume cost; None: not known."""
    usd_low: float | None
    usd_high: float | None
    says: tuple[str, ...]
    """The same in words, with what it rests on."""
