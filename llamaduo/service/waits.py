"""How long a provider asks to wait, by whatever it says it with."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

TOLD = ("ratelimit", "retry-after")
"""Parts of the names of headers about limits."""
ID = re.compile(r"(^|-)request-?id$|^x-amzn-requestid$|^x-goog-request-id$")
"""Names of the header that tells one request from all others, which a provider's support asks
for."""
LEFT = re.compile(r"^(.*ratelimit)-(?:remaining-(\w+)|(\w+)-remaining|remaining)$")
"""OpenAI's `x-ratelimit-remaining-requests`, Anthropic's `anthropic-ratelimit-tokens-remaining`."""
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def kept(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers about limits and the request's id."""
    return {
        name: said
        for name, said in headers.items()
        if any(part in name for part in TOLD) or ID.search(name)
    }


def asked(headers: Mapping[str, str], body: str = "") -> float | None:
    """Return the seconds to wait; None where nothing says it.

    `Retry-After` counts first, in seconds or as a date; then Google's `RetryInfo` in the body;
    then when a limit comes back that is used up.
    """
    if (said := _number(headers.get("retry-after-ms"))) is not None:
        return said / 1000
    if (later := headers.get("retry-after")) is not None:
        seconds = _number(later)
        return seconds if seconds is not None else _until(later)
    if (delay := re.search(r'"retryDelay"\s*:\s*"(\d+(?:\.\d+)?)s"', body)) is not None:
        return float(delay[1])
    return _reset(headers)


def _reset(headers: Mapping[str, str]) -> float | None:
    """Return when the last of the limits that are used up comes back."""
    found = []
    for name, left in headers.items():
        match = LEFT.match(name)
        if match is None or _number(left) != 0:
            continue
        begin, what = match[1], match[2] or match[3]
        names = [f"{begin}-reset-{what}", f"{begin}-{what}-reset"] if what else [f"{begin}-reset"]
        for reset in names:
            if (seconds := seconds_of(headers.get(reset))) is not None:
                found.append(seconds)
    return max(found, default=None)


def seconds_of(said: str | None) -> float | None:
    """Read `6m0s`, `20ms`, `12` or an RFC 3339 time as seconds from now; None: it is none."""
    if said is None:
        return None
    if (plain := _number(said)) is not None:
        return plain
    parts = _PART.findall(said)
    if parts and "".join(a + b for a, b in parts) == said.strip():
        return float(sum(float(number) * _SECONDS[unit] for number, unit in parts))
    try:
        return max(0.0, (datetime.fromisoformat(said) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _number(said: str | None) -> float | None:
    try:
        number = float(said) if said is not None else -1.0
    except ValueError:
        return None
    return number if 0 <= number < 1e6 else None


def _until(said: str) -> float | None:
    try:
        moment = parsedate_to_datetime(said)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
