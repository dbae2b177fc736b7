"""What providers say about when to ask again, as their pages have it; and what is no such thing."""

import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llamaduo.flow.headers import BELIEVED, LONGEST, Empty, room_of, wait_of

NOW = 1_795_500_000.0
"""A day in November 2026."""


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(NOW, UTC) + timedelta(seconds=seconds)


OPENAI = {
    "x-ratelimit-limit-requests": "60",
    "x-ratelimit-remaining-requests": "59",
    "x-ratelimit-reset-requests": "1s",
    "x-ratelimit-limit-tokens": "150000",
    "x-ratelimit-remaining-tokens": "0",
    "x-ratelimit-reset-tokens": "6m0s",
}
ANTHROPIC = {
    "anthropic-ratelimit-requests-limit": "50",
    "anthropic-ratelimit-requests-remaining": "0",
    "anthropic-ratelimit-requests-reset": at(12).isoformat().replace("+00:00", "Z"),
    "anthropic-ratelimit-input-tokens-remaining": "0",
    "anthropic-ratelimit-input-tokens-reset": at(40).isoformat().replace("+00:00", "Z"),
    "anthropic-ratelimit-output-tokens-remaining": "8000",
    "anthropic-ratelimit-output-tokens-reset": at(50).isoformat().replace("+00:00", "Z"),
}


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after": "20"}, 20),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": format_datetime(at(30), usegmt=True)}, 30),
        ({"retry-after-ms": "1250"}, 1.25),
        ({"retry-after-ms": "1250", "retry-after": "2"}, 1.25),
        ({"retry-after-ms": "soon", "retry-after": "2"}, 2),
        (OPENAI | {"retry-after": "3"}, 3),
        (OPENAI, 360),
        (ANTHROPIC, 40),
        ({"x-ratelimit-remaining-requests": "5", "x-ratelimit-reset-requests": "2m59.56s"}, 179.56),
        (OPENAI | {"x-ratelimit-remaining-tokens": "9"}, 1),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "20ms"}, 0.02),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1h2m3.5s"}, LONGEST),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "26"}, 26),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "7"}, 7),
    ],
)
def test_a_refused_call_waits_as_long_as_the_provider_says(
    headers: dict[str, str], wait: float
) -> None:
    assert wait_of(429, headers, NOW) == pytest.approx(wait)


@pytest.mark.parametrize("status", [500, 503, 529])
def test_an_overloaded_server_is_obeyed_and_its_limits_are_no_wait(status: int) -> None:
    assert wait_of(status, OPENAI | {"retry-after": "9"}, NOW) == 9
    assert wait_of(status, OPENAI, NOW) is None


@pytest.mark.parametrize("status", [0, 200])
def test_what_was_answered_or_never_reached_a_server_asks_for_no_wait(status: int) -> None:
    assert wait_of(status, {"retry-after": "9"}, NOW) is None


def test_gemini_says_it_in_the_body() -> None:
    body = (
        '{"error": {"code": 429, "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo"'
    )
    assert wait_of(429, {}, NOW, body + ', "retryDelay": "22s"}]}}') == 22
    assert wait_of(429, {}, NOW, body + ', "retryDelay": "0.5s"}]}}') == 0.5
    assert wait_of(429, {}, NOW, body + ', "retryDelay": "soon"}]}}') is None


@pytest.mark.parametrize(
    "said",
    [
        "",
        "-5",
        "nan",
        "inf",
        "1e9",
        "9" * 400,
        "٣",
        "soon",
        "1 s",
        "5s",
        str(BELIEVED),
        "1795500000",
    ],
)
def test_what_is_no_number_of_seconds_is_ignored(said: str) -> None:
    assert wait_of(429, {"retry-after": said}, NOW) is None


@pytest.mark.parametrize(
    "said", ["", "-1s", "nans", "s", "m", "1s2m", "9" * 400 + "s", "1795500000000", "1x", "1.s"]
)
def test_what_is_no_duration_is_ignored(said: str) -> None:
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": said}
    assert wait_of(429, headers, NOW) is None
    assert room_of(headers, NOW) is None


@pytest.mark.parametrize(
    "said",
    [
        format_datetime(at(-30), usegmt=True),
        "Tue, 99 Nov 2026 03:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Mon, 01 Jan 0001 00:00:00 +2359",
    ],
)
def test_a_date_that_has_passed_or_is_none_is_ignored(said: str) -> None:
    assert wait_of(429, {"retry-after": said}, NOW) is None


def test_a_quota_of_a_day_is_not_slept_through() -> None:
    assert wait_of(429, {"retry-after": "86400"}, NOW) == LONGEST


def test_room_is_gone_where_nothing_remains_until_the_last_of_them_resets() -> None:
    assert room_of(OPENAI, NOW) == Empty("tokens", 360)
    assert room_of(OPENAI | {"x-ratelimit-remaining-tokens": "1"}, NOW) is None
    empty = room_of(ANTHROPIC, NOW)
    assert empty is not None
    assert empty.what == "input-tokens"
    assert empty.wait == pytest.approx(40)
    assert room_of({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "4"}, NOW) == Empty(
        "requests", 4
    )


@pytest.mark.parametrize("remaining", ["-1", "", "none", "0x0", "1"])
def test_room_is_not_gone_where_no_zero_is_said(remaining: str) -> None:
    headers = {"x-ratelimit-remaining-tokens": remaining, "x-ratelimit-reset-tokens": "6s"}
    assert room_of(headers, NOW) is None


NAMES = st.sampled_from(
    [
        *("retry-after", "retry-after-ms", "x-ratelimit-remaining-requests"),
        *("x-ratelimit-reset-requests", "anthropic-ratelimit-tokens-remaining"),
        *("anthropic-ratelimit-tokens-reset", "ratelimit-remaining", "ratelimit-reset"),
    ]
)
VALUES = (
    st.text(max_size=30)
    | st.text("0123456789.-+:TZhms eE", max_size=30)
    | st.floats().map(str)
    | st.just("0")
    | st.datetimes().map(lambda when: when.isoformat() + "Z")
    | st.datetimes(timezones=st.just(UTC)).map(lambda when: format_datetime(when, usegmt=True))
)


@given(st.integers(0, 599), st.dictionaries(NAMES, VALUES), VALUES)
def test_no_header_makes_a_wait_that_is_negative_or_too_long_or_an_error(
    status: int, headers: dict[str, str], body: str
) -> None:
    wait = wait_of(status, headers, NOW, f'"retryDelay": "{body}"')
    assert wait is None or 0 <= wait <= LONGEST
    empty = room_of(headers, NOW)
    assert empty is None or (0 <= empty.wait <= LONGEST and empty.what)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_a_duration_is_the_sum_of_its_parts(h: int, m: int, s: int, ms: int) -> None:
    headers = {
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": f"{h}h{m}m{s}s{ms}ms",
    }
    empty = room_of(headers, NOW)
    assert empty is not None
    assert math.isclose(empty.wait, min(3600 * h + 60 * m + s + ms / 1000, LONGEST))
