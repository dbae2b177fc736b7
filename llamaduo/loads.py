"""What a load test measured, rate by rate, and the files it is kept in.

home/.llamaduo/loads/NAME-NUMBER-TIME.json    one measurement
home/.llamaduo/loads/NAME-NUMBER-TIME.png     its picture
"""

from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from llamaduo.errors import UsageError
from llamaduo.records import Record

FOLDER = "loads"
"""Below `.llamaduo` of a home."""
ERRORS = 0.01
"""Share of requests that may fail at a rate that is kept up with."""
LATER = 0.1
"""Seconds that an answer may come later for each second that its request does, surely: from there
on requests pile up, and p95 says how long the test was."""
TIMES = 2.0
"""Without an objective: how often the p95 of the lowest rate is still kept up with."""

Arrivals = Literal["poisson", "constant"]


class Latency(Record):
    """What 95 of 100 answers came in, and how that is known."""

    p95_ms: float | None
    """None: it was looked for, and `but` says why there is none to go by."""
    n: int
    """Answers that were timed."""
    source: str
    """For people: who timed them, where, when, at what rate."""
    but: str = ""
    """Why there is no p95 to go by; "" where there is one."""


class Times(Record):
    """Milliseconds of a number of answers. The percentile q is the ceil(q n)-th smallest."""

    n: int
    p50: float
    p95: float
    p99: float


class AtRate(Record):
    """What was seen while requests came in at one rate. The warm-up is not counted."""

    rate: float
    """Requests a second that were meant to arrive."""
    arrived: float
    """That did: at random, few of them come faster or slower than they should."""
    seconds: float
    """From the first arrival to the last answer."""
    sent: int
    answered: int
    failed: dict[str, int]
    """Requests without an answer, by kind."""
    prompt_tokens: int
    """Of the answered; 0 where the server does not count them."""
    output_tokens: int
    counted_by: Literal["server", "pieces"]
    """Who counted the tokens written: the server, or the client, one for each piece of a stream."""
    in_flight: float
    """Requests under way at once, on average."""
    first: Times | None
    """Until the first token. None: nothing was answered; so below."""
    between: Times | None
    """Between two tokens, the mean of each answer. None too where no answer has two."""
    whole: Times | None
    """Until the last token, from when the request was due to be sent."""
    lag_p95_ms: float
    """By how much the client itself sent late; it is within `whole`."""
    later: float
    """Seconds by which an answer comes later for each second that its request does, at least: the
    slope of `whole` over time less two standard errors, 0 at least. 1 of 2 answered in time: 1."""

    @property
    def keeps_pace(self) -> bool:
        """Whether answers come as fast as requests do, as far as can be shown."""
        return self.later <= LATER

    @property
    def counting(self) -> float:
        """Seconds in which the tokens were written.

        Where answers keep pace, those in which the requests came: what is waited for after the
        last one would count as time in which a server could do no more. Where they do not, until
        the last answer: until then it was busy.
        """
        return self.sent / self.arrived if self.keeps_pace and self.arrived else self.seconds

    @property
    def output_tokens_per_s(self) -> float:
        """Tokens a second that were written."""
        return self.output_tokens / self.counting if self.counting else 0.0

    @property
    def prompt_tokens_per_s(self) -> float:
        """Tokens a second that were read."""
        return self.prompt_tokens / self.counting if self.counting else 0.0

    @property
    def failures(self) -> float:
        """Share of the requests that failed, 0..1."""
        return 1 - self.answered / self.sent if self.sent else 1.0


class Load(Record):
    """One measurement."""

    schema_number: Literal[1] = 1
    """Of the file's shape; another is refused."""
    model: str
    number: str
    """Of the version."""
    adapter: str
    """Content digest of the adapter it is of."""
    called: str
    """What the requests named."""
    engine: str
    url: str
    at: str
    """When it ended, UTC."""
    tool: str
    arrivals: Arrivals
    seconds: float
    """Of each rate, after the warm-up."""
    seed: int
    prompts: int
    """Different ones; each rate begins with the first."""
    max_new_tokens: int
    temperature: float
    objective_ms: float | None
    """p95 that was to be kept. None: twice that of the lowest rate."""
    rates: tuple[AtRate, ...]
    """Rising; at least one."""

    @property
    def limit_ms(self) -> float | None:
        """Return the p95 that had to be kept; None where there is none to be had.

        Without an objective one rate says nothing: it would be held to itself.
        """
        if self.objective_ms is not None:
            return self.objective_ms
        if len(self.rates) == 1:
            return None
        lowest = self.rates[0].whole
        return None if lowest is None else TIMES * lowest.p95

    @property
    def knee(self) -> AtRate | None:
        """The highest rate kept up with, all lower ones too. None: not even the lowest is."""
        found = None
        for one in self.rates:
            if not kept(one, self.limit_ms):
                break
            found = one
        return found

    @property
    def beyond(self) -> bool:
        """Whether a rate was tried that was not kept up with, so that the knee is one."""
        return any(not kept(one, self.limit_ms) for one in self.rates)

    def at_rate(self, wanted: float | None) -> AtRate | None:
        """Return the lowest rate that is no lower than `wanted`; None: none is that high.

        Args:
            wanted: requests a second. None: the lowest rate.
        """
        if wanted is None:
            return self.rates[0]
        return next((one for one in self.rates if one.rate >= wanted), None)

    def said(self) -> str:
        """Say what it is of, in a line."""
        return (
            f"load test of {self.model} version {self.number} at {self.url} ({self.engine}), "
            f"{self.at[:10]}"
        )


def kept(one: AtRate, limit_ms: float | None) -> bool:
    """Whether a rate is kept up with: p95 within the limit, failures below `ERRORS`, in pace.

    The last counts for itself: where the limit is taken from the lowest rate, and that one is too
    much already, its p95 is within it whatever it is.
    """
    if one.whole is None or limit_ms is None:
        return False
    return one.whole.p95 <= limit_ms and one.failures < ERRORS and one.keeps_pace


def read(path: Path) -> Load:
    """Read a measurement.

    Raises:
        UsageError: if `path` is none.
    """
    try:
        return Load.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        words = " ".join(str(error).split())[:200]
        raise UsageError(f"{path} is no file of `llamaduo load`: {words}") from None


def newest(folder: Path, adapter: str) -> Load | None:
    """Return the last measurement of what an adapter makes; None: there is none.

    Args:
        folder: `loads` of a home; it need not be there.
        adapter: its content digest.

    Raises:
        UsageError: if a file there is none of a load test.
    """
    found = (read(path) for path in sorted(folder.glob("*.json")))
    of_it = (one for one in found if one.adapter == adapter)
    return max(of_it, key=lambda one: one.at, default=None)
