"""What a run is expected to ask and pay: four figures of each kind, by stage and service."""

from llamaduo.records import Record


class Range(Record):
    """One figure four ways; each is at least the one before."""

    least: float
    """The goal is met in the first round, repeats are spared, all answers to a prompt are equal,
    and texts are short."""
    low: float
    """The lower end of what is likely."""
    high: float
    """The upper end: every round is run, and few answers are equal."""
    most: float
    """All rounds, all repeats, no two answers equal, every text as long as it may be."""

    def __add__(self, other: "Range") -> "Range":
        return Range(
            least=self.least + other.least,
            low=self.low + other.low,
            high=self.high + other.high,
            most=self.most + other.most,
        )

    def times(self, other: "Range") -> "Range":
        """Return the product, end by end."""
        return Range(
            least=self.least * other.least,
            low=self.low * other.low,
            high=self.high * other.high,
            most=self.most * other.most,
        )

    def divided(self, by: float) -> "Range":
        """Return a share of it."""
        return self.times(same(1 / by))

    def perhaps(self) -> "Range":
        """Return the figure of what may not come about at all."""
        return self.model_copy(update={"least": 0.0, "low": 0.0})


def same(value: float) -> Range:
    """Return a figure that is known."""
    return Range(least=value, low=value, high=value, most=value)


NOTHING = same(0.0)


class Line(Record):
    """What one stage asks of one service."""

    stage: str
    """As the ledger calls it: judgements, synthetic, asked, audit, proof."""
    name: str
    """In words."""
    service: str
    round: int | None = None
    """Number of the round it belongs to, from 0; None: it stands after the rounds, or before."""
    sure: bool = True
    """Whether every run comes to it that is not broken off; not: the rounds after the first."""
    batch: bool = False
    """Whether calls are handed in many at once, to be answered within a day."""
    calls: Range
    prompt_tokens: Range
    completion_tokens: Range
    usd: Range
    seconds: tuple[float, float] | None = None
    """How long the calls take, side by side, by what is likely; None where nobody timed any."""
    largest: tuple[int, int] = (0, 0)
    """Tokens that its largest call counts as in a limit of tokens a minute: with texts as long as
    is likely at least, and at most."""

    def counted(self) -> "Line":
        """Return what it adds to the sum of a run: perhaps nothing, where it is not sure."""
        if self.sure:
            return self
        kinds = ("calls", "prompt_tokens", "completion_tokens", "usd")
        figures: dict[str, object] = {kind: getattr(self, kind).perhaps() for kind in kinds}
        if self.seconds is not None:
            figures["seconds"] = (0.0, self.seconds[1])
        return self.model_copy(update=figures)


class Price(Record):
    """Whom calls are paid to, and for how much."""

    service: str
    says: str
    """What a million tokens cost, since when, and where that was read."""
    simulated: bool


class Forecast(Record):
    """What a whole run is expected to ask and pay."""

    run: str
    """Fingerprint of the run."""
    lines: tuple[Line, ...]
    """In the order of the loop; those of rounds that may not come are as if they came."""
    prices: tuple[Price, ...]
    assumed: tuple[str, ...]
    """What lengths rest on, in words: measured here, or assumed."""
    spent: float
    """Dollars that this run has paid so far, in the ledger of its home."""
    unproven: float
    """Dollars that it may have paid beyond, unseen; they count against its budget."""
    bought: int
    """Calls that it has paid for."""
    ended: bool
    """Whether it came to its end once."""
    held: tuple[str, ...]
    """What budget, daily caps and limits come to, in words."""

    def total(self) -> Line:
        """Return the sum of all lines, the unsure ones as perhaps nothing."""
        return summed([line.counted() for line in self.lines], "in all")


def summed(lines: "list[Line]", name: str) -> Line:
    """Return one line for several; they are done one after the other."""
    timed = [line.seconds for line in lines if line.seconds is not None]
    all_timed = len(timed) == len(lines) and lines
    services = list(dict.fromkeys(line.service for line in lines))
    return Line(
        stage=lines[0].stage if lines else "",
        name=name,
        service=", ".join(services),
        sure=any(line.sure for line in lines),
        calls=sum((line.calls for line in lines), NOTHING),
        prompt_tokens=sum((line.prompt_tokens for line in lines), NOTHING),
        completion_tokens=sum((line.completion_tokens for line in lines), NOTHING),
        usd=sum((line.usd for line in lines), NOTHING),
        seconds=(sum(one for one, _ in timed), sum(two for _, two in timed)) if all_timed else None,
    )
