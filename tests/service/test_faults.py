"""What every fault of a provider comes to, by every way to reach it; `docs/calls.md` has it all.

LLAMADUO_WRITE_DOCS=1 writes the tables of that page anew.
"""

import os
import re
from pathlib import Path

import pytest
from faults import FAULTS, FREE
from weathering import BIG, FATAL, RETRY_AFTER, TRIES, WAYS, Ended, Weathered, weathered

PAGE = Path(__file__).parents[2] / "docs/calls.md"

SAID = {
    "429 in seconds": "429 with `Retry-After` in seconds",
    "429 by date": "429 with `Retry-After` as a date",
    "429": "429 without it",
    "500": "500",
    "502": "502, with a proxy's page",
    "504": "504, a gateway that waited no longer",
    "529": "529, overloaded",
    "reset before a byte": "a reset before the first byte",
    "hang": "no byte until the time is up",
    "stall": "half a reply, and nothing more",
    "drip": "a reply byte by byte, too slow",
    "reset": "a reset in the middle of a reply",
    "short body": "fewer bytes than announced",
    "cut chunks": "chunks without a last one",
    "half a JSON": "half a JSON as a whole body",
    "HTML": "200 with a page of HTML",
    "no choices": "a reply without choices",
    "no text": "a reply without text",
    "refusal": "a refusal",
    "filtered": "a reply that its filter stopped",
    "policy": "400, content policy",
    "cut": "a reply cut at `max_tokens`",
    "10 MB": "a reply of 10 MB",
    "no usage": "a reply that does not say its tokens",
    "another model": "a reply by another model",
    "bad request": "400, a bad request",
    "no quota": "429, no credit left",
    "redirect": "307, to another address",
    "401": "401",
    "404": "404, no such model",
}
"""How the page calls what is in the table; a key in an error is another test's."""


@pytest.fixture(scope="module")
def met(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Weathered]:
    return weathered(tmp_path_factory.mktemp("weather"))


def all_ends(met: dict[str, Weathered]) -> list[tuple[str, str, Ended]]:
    return [
        (way, fault, end)
        for way, found in met.items()
        for ends in (found.once, found.stays)
        for fault, end in ends.items()
    ]


def test_every_fault_is_on_the_page() -> None:
    assert SAID.keys() == FAULTS.keys() - {"500 with the key"}


def test_no_request_is_sent_but_by_a_try_that_is_on_record(met: dict[str, Weathered]) -> None:
    for way, fault, end in all_ends(met):
        assert end.requests == end.tries, (way, fault)


def test_nothing_is_billed_that_is_neither_counted_nor_called_unproven(
    met: dict[str, Weathered],
) -> None:
    for way, fault, end in all_ends(met):
        assert end.billed <= end.usd + end.unproven + 1e-9, (way, fault)
        assert (end.billed > 0) or fault in FREE, (way, fault)
        if fault in FREE:
            assert end.unproven == 0, (way, fault)


def test_what_was_sent_is_kept_as_it_came(met: dict[str, Weathered]) -> None:
    for way, fault, end in all_ends(met):
        if fault != "drip" and "key" not in fault and fault != "401":
            assert end.raw == end.sent, (way, fault)


def test_the_time_that_a_provider_asks_for_is_waited(met: dict[str, Weathered]) -> None:
    for way, found in met.items():
        for fault in ("429 in seconds", "429 by date"):
            assert min(found.stays[fault].waited) >= RETRY_AFTER, way
            assert len(found.stays[fault].waited) == TRIES - 1


def test_where_no_call_can_succeed_the_first_stops_the_stage(met: dict[str, Weathered]) -> None:
    for way, found in met.items():
        for fault in FATAL:
            assert "paid cannot be used: " in found.once[fault].stopped, (way, fault)
            assert found.once[fault].requests == 1
        assert "HTTP 307" in found.once["redirect"].stopped, f"{way}: nobody else gets the key"


def test_calls_beside_the_others_and_after_them_are_good(met: dict[str, Weathered]) -> None:
    for way, found in met.items():
        assert len(found.good) > len(FATAL)
        for end in found.good:
            assert (end.outcome, end.usd, end.unproven) == ("ok", 0.001, 0), way


def test_a_reply_of_10_mb_is_kept_whole(met: dict[str, Weathered]) -> None:
    for found in met.values():
        [raw] = found.once[BIG].raw
        assert len(raw) > 10_000_000


def test_the_page_has_what_happened(met: dict[str, Weathered]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    wanted = page
    for name, lines in (("faults", table(met)), ("differences", differences(met))):
        mark = f"<!-- written by tests/service/test_faults.py: {name} -->"
        assert mark in page
        between = re.compile(f"{re.escape(mark)}\n.*?<!-- end -->", re.DOTALL)
        text = "\n".join([mark, *lines, "<!-- end -->"])
        wanted = between.sub(lambda _, text=text: text, wanted)  # type: ignore[misc]
    if os.environ.get("LLAMADUO_WRITE_DOCS"):
        PAGE.write_text(wanted, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == wanted, (
        "docs/calls.md says otherwise; look at what is new, and write it with LLAMADUO_WRITE_DOCS=1"
    )


def table(met: dict[str, Weathered]) -> list[str]:
    """What became of each fault, by the first way."""
    found = met[next(iter(WAYS))]
    heads = ("what comes back", "met once", "tries", "in the ledger", "unproven", "billed")
    rows = [f"| {' | '.join((*heads, 'if it goes on'))} |", "|---|---|---|---|---|---|---|"]
    for fault, said in SAID.items():
        once, stays = found.once[fault], found.stays[fault]
        dollars = " | ".join(usd(n) for n in (once.usd, once.unproven, once.billed))
        on = "the same" if once.tries == 1 else f"{how(stays)}, {stays.tries} tries"
        rows.append(f"| {said} | {how(once)} | {once.tries} | {dollars} | {on} |")
    return rows


def differences(met: dict[str, Weathered]) -> list[str]:
    """Where another way came to another end, or another price."""
    first, *others = WAYS
    rows = [f"| what comes back | {first} | elsewhere |", "|---|---|---|"]
    for fault, said in SAID.items():
        same = met[first]
        for way in others:
            here = met[way]
            for mine, theirs in ((same.once, here.once), (same.stays, here.stays)):
                if sum_of(mine[fault]) != sum_of(theirs[fault]):
                    rows.append(f"| {said} | {how(mine[fault])} | {way}: {how(theirs[fault])} |")
    return list(dict.fromkeys(rows))


def sum_of(end: Ended) -> tuple[object, ...]:
    return how(end), end.tries, usd(end.usd), usd(end.unproven), usd(end.billed)


def how(end: Ended) -> str:
    return "the run stops" if end.stopped else f"`{end.outcome}`"


def usd(dollars: float) -> str:
    return f"${dollars:.3f}" if dollars else "0"
