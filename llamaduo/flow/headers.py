"""What a provider's response says about when to ask again. Pure: nothing is looked at but that.

Read, with the pages they are on (as of November 2026):

- `retry-after-ms`, milliseconds. Azure OpenAI: learn.microsoft.com/azure/ai-services/openai/
  how-to/quota; the clients of OpenAI read it first.
- `retry-after`, seconds or an HTTP date. RFC 9110, 10.2.3. Anthropic:
  platform.claude.com/docs/en/api/rate-limits; Groq: console.groq.com/docs/rate-limits; Azure.
- `x-ratelimit-remaining-*` and `x-ratelimit-reset-*`, durations such as `1s`, `6m0s`, `20ms`,
  `2m59.56s`. OpenAI: platform.openai.com/docs/guides/rate-limits; Groq, where `requests` are those
  of a day; Azure, in bare seconds.
- `anthropic-ratelimit-*-remaining` and `-reset`, RFC 3339 times. Anthropic, also on AWS:
  docs.aws.amazon.com/claude-platform/latest/userguide/rate-limits.html.
- `ratelimit-remaining` and `ratelimit-reset`, seconds: drafts of the IETF, gateways.
- `RetryInfo.retryDelay` in the body, such as `22s`. Gemini, which sends no header:
  ai.google.dev/gemini-api/docs/rate-limits, google.rpc.RetryInfo.

Vertex AI and Bedrock (`ThrottlingException`) say nothing and ask for growing waits, which the desk
has anyway: docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/api-errors,
aws.amazon.com/blogs/machine-learning/optimize-your-applications-for-scale-and-reliability-on-
amazon-bedrock.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST = 600.0
"""Seconds that a provider is waited for, at most. OpenAI's own example is six minutes. What asks
for longer is the quota of a day or a month: a run that tries again after ten minutes ends with
what the provider says, and a run that slept until tomorrow would look like one that hangs."""

BELIEVED = 32 * 86_400.0
"""Seconds from which on a wait is taken for a mistake (a date given as a number) and ignored: no
quota is of more than a month."""

_DURATION = re.compile(
    r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?",
    re.ASCII,
)
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_NAMED = re.compile(
    r"((?:x-)?ratelimit)-remaining(-[a-z0-9_-]+)?|(anthropic-ratelimit-[a-z0-9-]+)-remaining"
)
_DELAY = re.compile(r'"retryDelay"\s*:\s*"([0-9.]{1,20}s)"', re.ASCII)


@dataclass(frozen=True)
class Empty:
    """A limit that a provider says is used up."""

    what: str
    """`requests`, `tokens`, or another of its names."""
    wait: float
    """Seconds until it is not."""


def wait_of(status: int, headers: Mapping[str, str], now: float, body: str = "") -> float | None:
    """Return how many seconds the provider asks to be left alone; None where it does not ask.

    A limit's reset is the wait only after a 429 without any other word: of the limits that are
    used up, the last one's; where none is, the first reset of all, since it does not say which
    limit it was. If that was too soon, the next wait is longer by itself.

    Args:
        status: HTTP status. What was answered asks for no wait, see `room_of`.
        headers: of the response, names in lower case.
        now: unix time.
        body: of the response, where it is a failure.

    Returns:
        0 to `LONGEST`. Values that are negative, not finite, beyond belief or not what the
        provider's page says are ignored.
    """
    if status < 400:
        return None
    for found in (
        _seconds(headers.get("retry-after-ms", ""), 0.001),
        _after(headers.get("retry-after", ""), now),
        _duration(match[1]) if (match := _DELAY.search(body)) else None,
    ):
        if found is not None:
            return min(found, LONGEST)
    if status != 429:
        return None
    if (empty := room_of(headers, now)) is not None:
        return empty.wait
    resets = [reset for _, _, reset in _limits(headers, now) if reset is not None]
    return min(min(resets), LONGEST) if resets else None


def room_of(headers: Mapping[str, str], now: float) -> Empty | None:
    """Return which limit is used up, the one that stays so longest; None where there is room.

    It also comes with the last reply that had room, so that the next try need not be refused.
    """
    empty = [
        Empty(what, min(reset, LONGEST))
        for what, remaining, reset in _limits(headers, now)
        if remaining == 0 and reset is not None
    ]
    return max(empty, key=lambda one: one.wait, default=None)


def _limits(
    headers: Mapping[str, str], now: float
) -> Iterator[tuple[str, float | None, float | None]]:
    """Yield each limit's name, what remains of it, and the seconds until it resets."""
    for name, value in headers.items():
        if (match := _NAMED.fullmatch(name)) is None:
            continue
        common, of, anthropic = match.groups()
        reset = f"{anthropic}-reset" if anthropic else f"{common}-reset{of or ''}"
        said = headers.get(reset, "")
        if anthropic:
            what, seconds = anthropic.removeprefix("anthropic-ratelimit-"), _until(said, now)
        else:
            what, seconds = (of or "-requests")[1:], _duration(said)
        yield what, _seconds(value, 1.0), seconds


def _after(said: str, now: float) -> float | None:
    """Read Retry-After: seconds, or a date, of which one that has passed asks for nothing."""
    if (seconds := _seconds(said, 1.0)) is not None:
        return seconds
    try:
        when = parsedate_to_datetime(said)
    except (ValueError, TypeError, IndexError):
        return None
    return _left(when, now)


def _until(said: str, now: float) -> float | None:
    """Read a time of RFC 3339."""
    try:
        return _left(datetime.fromisoformat(said), now)
    except ValueError:
        return None


def _left(when: datetime, now: float) -> float | None:
    """Return the seconds until `when`, which is in UTC unless it says otherwise."""
    try:
        left = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - now
    except (OverflowError, ValueError):
        return None
    return left if 0 <= left < BELIEVED else None


def _duration(said: str) -> float | None:
    """Read `1s`, `6m0s`, `20ms`, `1h2m3.5s`, or bare seconds."""
    said = said.strip()
    if (seconds := _seconds(said, 1.0)) is not None:
        return seconds
    match = _DURATION.fullmatch(said)
    if not said or match is None:
        return None
    units = zip(match.groups(), (3600.0, 60.0, 1.0, 0.001), strict=True)
    total = sum(float(number) * unit for number, unit in units if number)
    return total if total < BELIEVED else None


def _seconds(said: str, unit: float) -> float | None:
    """Read a bare number, of so many seconds each."""
    if _NUMBER.fullmatch(said.strip()) is None:
        return None
    seconds = float(said) * unit
    return seconds if math.isfinite(seconds) and seconds < BELIEVED else None
