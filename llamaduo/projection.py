"""What money over months comes to: lines, break-evens, and what they hang on."""

from llamaduo.records import Record


class Line(Record):
    """What one way of answering has cost so far, by month, at the likely value of every input."""

    name: str
    usd: tuple[float, ...]
    """Cumulative, one entry a month in the projection's `months`."""
    path: tuple[tuple[float, float], ...]
    """Corners of the line: months since the purchase, dollars so far. Upright where
    something is paid at once."""


class ServiceLine(Line):
    """A service, paid by the token."""

    tokens_usd: float
    """Of the first month."""
    price: str
    """Dollars per million tokens, for people."""
    source: str
    """Where the price is from, and of what day."""


class LocalLine(Line):
    """A local model, paid by what it takes to run it."""

    tuning_usd: float
    """Of one tuning."""
    migration_usd: float
    """Service calls of the migration, once."""
    hardware_usd: float
    """Servers bought before the first answer."""
    servers: tuple[int, int]
    """In the first month and in the last."""
    kwh: float
    """Of the first month."""
    electricity_usd: float
    """Of the first month."""
    rent_usd: float
    """Of the first month."""
    escalated_usd: float
    """Of the first month: tokens that the service still answers."""
    retunings: int
    """By the last month."""

    @property
    def once_usd(self) -> float:
        """Dollars laid out before the first answer."""
        return self.tuning_usd + self.migration_usd + self.hardware_usd


class Spread(Record):
    """What a number comes to over draws of all inputs that were given as ranges."""

    draws: int
    low: float | None
    """5 % of draws are below. None: it does not come within the months."""
    high: float | None
    """5 % of draws are above. None: in more than 5 % of them it does not come."""
    never: float
    """Share of draws in which it does not come within the months, 0..1."""


class Pair(Record):
    """One local model against one service."""

    local: str
    service: str
    break_even_month: float | None
    """From here on the local model has cost less. None: it does not pay for itself."""
    break_even_usd: float | None
    """What both have cost by then; None too where it lies past the last month."""
    saved_usd: float
    """By the last month; negative where the local model has cost more."""
    break_even: Spread | None = None
    """None where no input of the two is a range."""
    saved: Spread | None = None


class Swing(Record):
    """What the saving of the first pair becomes if one input is at an end of its range."""

    key: str
    low: float
    high: float
    saved_at_low: float
    saved_at_high: float


class Projection(Record):
    """Money over months: services against models of one's own."""

    months: tuple[int, ...]
    services: tuple[ServiceLine, ...]
    """The workload's own first."""
    locals: tuple[LocalLine, ...]
    pairs: tuple[Pair, ...]
    """Every local model against every service; the two first come first."""
    tornado: tuple[Swing, ...] = ()
    """Each input given as a range, the one that moves the saving most first."""

    @property
    def service_usd(self) -> tuple[float, ...]:
        """What the workload's service has cost by each month."""
        return self.services[0].usd

    @property
    def local_usd(self) -> tuple[float, ...]:
        """What the workload's local model has cost by each month."""
        return self.locals[0].usd

    @property
    def break_even_month(self) -> float | None:
        """Where these two cross for good; None where the local model never pays for itself."""
        return self.pairs[0].break_even_month
