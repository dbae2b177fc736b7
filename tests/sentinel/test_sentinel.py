"""A pinned set asked of those who drift and of those who do not."""

import io
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llamaduo.errors import LlamaDuoError, UsageError
from llamaduo.ledger import Ledger
from llamaduo.progress import Progress
from llamaduo.promotion.references import Reference
from llamaduo.records import Message, Outcome, Reply, Request
from llamaduo.sentinel.changed import ALPHA, Look, fisher, needed
from llamaduo.sentinel.pinned import LOOKS, PINNED, Pinned, pinned
from llamaduo.sentinel.watch import Side, table, watch

ROWS = [
    Reference(
        id=f"t-{number}",
        messages=(Message(role="user", content=f"Where is parcel {number}?"),),
        text="{}",
        finish="stop",
    )
    for number in range(90)
]


@dataclass
class Caller:
    """Says what a function of the prompt gives."""

    says: Callable[[str], str | None]
    name: str = "who"
    spend: str = ""
    at_once: int = 256
    asked: list[Request] = field(default_factory=list)

    def ask(
        self, requests: Sequence[Request], reads: Callable[[Request, str], str] = lambda r, t: ""
    ) -> list[Reply]:
        self.asked += requests
        said = [self.says(request.messages[0].content) for request in requests]
        return [
            Reply(outcome=Outcome.FAILED, cause="busy")
            if text is None
            else Reply(outcome=Outcome.OK, text=text)
            for text in said
        ]


def steady(prompt: str) -> str:
    return f"About {prompt}"


def drifted(prompt: str) -> str:
    return f"Regarding {prompt}" if int(prompt.strip("?").split()[-1]) % 2 else steady(prompt)


def looked(folder: Path, *, service: Caller, served: Caller, n: int | None = 40) -> list[Look]:
    folder.mkdir(exist_ok=True)
    what = pinned(folder, ROWS, n, 40)
    sides = [Side("served", "tgi at x", served, 16), Side("service", "gpt", service, 32)]
    ledger = Ledger(folder / "ledger.sqlite")
    found = watch(sides, ROWS, what, folder, Progress(io.StringIO()), ledger=ledger)
    ledger.close()
    return found


def test_who_says_the_same_is_unchanged_and_who_drifts_is_named(tmp_path: Path) -> None:
    first = looked(tmp_path, service=Caller(steady), served=Caller(steady))
    assert [one.changed for one in first] == [False, False]
    again = looked(tmp_path, service=Caller(steady), served=Caller(steady))
    assert [(one.side, one.changed, one.differ) for one in again] == [
        ("served", False, 0),
        ("service", False, 0),
    ]
    [served, service] = looked(tmp_path, service=Caller(drifted), served=Caller(steady))
    assert (served.changed, service.changed) == (False, True)
    [served, service] = looked(tmp_path, service=Caller(steady), served=Caller(drifted))
    assert (served.changed, service.changed) == (True, False)
    lines = (tmp_path / LOOKS).read_text().splitlines()
    assert [Look.model_validate_json(line).changed for line in lines] == [
        *[False] * 4,
        *[False, True],
        *[True, False],
    ]
    assert table([served, service])[1].endswith("has changed")


def test_one_that_wavers_has_not_changed_by_wavering(tmp_path: Path) -> None:
    dice = random.Random(3)

    def wavers(prompt: str) -> str:
        return steady(prompt) if dice.random() < 0.6 else f"{dice.random()}"

    for _ in range(20):
        [_, service] = looked(tmp_path, service=Caller(wavers), served=Caller(steady))
        assert not service.changed
    assert service.wavered > 10


def test_the_baseline_asks_twice_and_a_look_once_greedily_and_never_from_memory(
    tmp_path: Path,
) -> None:
    service, served = Caller(steady), Caller(steady)
    looked(tmp_path, service=service, served=served)
    assert len(service.asked) == len(served.asked) == 80
    looked(tmp_path, service=service, served=served)
    assert len(service.asked) == 120
    assert {one.temperature for one in service.asked} == {0}
    assert len({one.sample for one in service.asked}) == 3
    assert {one.max_tokens for one in service.asked} == {32}


def test_the_set_is_the_same_everywhere_and_holds_no_text(tmp_path: Path) -> None:
    looked(tmp_path / "a", service=Caller(steady), served=Caller(steady))
    looked(tmp_path / "b", service=Caller(steady), served=Caller(drifted))
    one, two = (
        Pinned.model_validate_json((tmp_path / name / PINNED).read_bytes()) for name in "ab"
    )
    assert one.ids == two.ids != tuple(row.id for row in ROWS[:40])
    assert b"parcel" not in (tmp_path / "a" / PINNED).read_bytes()


def test_another_number_is_refused_and_a_broken_file_is_said(tmp_path: Path) -> None:
    looked(tmp_path, service=Caller(steady), served=Caller(steady), n=None)
    with pytest.raises(UsageError, match=r"--n 20: 40 prompts are pinned in .*remove it"):
        pinned(tmp_path, ROWS, 20, 40)
    (tmp_path / PINNED).write_text("{")
    with pytest.raises(LlamaDuoError, match="without it the next look is the first"):
        pinned(tmp_path, ROWS, None, 40)


def test_a_forgotten_prompt_is_left_out_and_one_without_an_answer_counts_as_another(
    tmp_path: Path,
) -> None:
    looked(tmp_path, service=Caller(steady), served=Caller(steady))
    what = pinned(tmp_path, ROWS, None, 40)
    silent = next(row for row in ROWS if row.id == what.ids[1]).messages[0].content

    def some(prompt: str) -> str | None:
        return None if prompt == silent else steady(prompt)

    ledger = Ledger(tmp_path / "ledger.sqlite")
    left = [row for row in ROWS if row.id != what.ids[0]]
    side = Side("service", "gpt", Caller(some), 32)
    [one] = watch([side], left, what, tmp_path, Progress(io.StringIO()), ledger=ledger)
    ledger.close()
    assert (one.n, one.differ, one.unanswered, one.changed) == (39, 1, 1, False)
    assert one.words == "unchanged; 1 not answered"


def test_who_refuses_all_that_was_answered_has_changed(tmp_path: Path) -> None:
    looked(tmp_path, service=Caller(steady), served=Caller(steady))
    [served, service] = looked(tmp_path, service=Caller(lambda prompt: None), served=Caller(steady))
    assert (served.changed, service.changed) == (False, True)
    assert (service.differ, service.words) == (40, "has changed; 40 not answered")


def test_silence_is_no_baseline_and_the_next_look_is_the_first(tmp_path: Path) -> None:
    def now_and_then(prompt: str) -> str | None:
        return steady(prompt) if int(prompt.strip("?").split()[-1]) % 5 else None

    [served, service] = looked(
        tmp_path, service=Caller(lambda prompt: None), served=Caller(now_and_then)
    )
    assert (service.words, service.baseline) == (
        "no baseline: 40 of 40 not answered both times",
        False,
    )
    assert not served.baseline
    assert 4 < served.unanswered < 40
    assert not (tmp_path / PINNED).exists()
    again = Caller(steady)
    [served, service] = looked(tmp_path, service=again, served=Caller(steady))
    assert (served.baseline, service.baseline, len(again.asked)) == (True, True, 80)


def test_a_few_without_an_answer_are_left_out_of_a_baseline(tmp_path: Path) -> None:
    ids = pinned(tmp_path, ROWS, None, 40).ids[:4]
    silent = {row.messages[0].content for row in ROWS if row.id in ids}
    some = Caller(lambda prompt: None if prompt in silent else steady(prompt))
    [served, _] = looked(tmp_path, service=Caller(steady), served=some)
    assert (served.baseline, served.n, served.unanswered) == (True, 36, 0)


def test_a_look_at_another_server_in_between_takes_no_baseline_away(tmp_path: Path) -> None:
    found = []
    for who, says in (("tgi at a", steady), ("tgi at b", steady), ("tgi at a", drifted)):
        what = pinned(tmp_path, ROWS, None, 40)
        ledger = Ledger(tmp_path / "ledger.sqlite")
        side = Side("served", who, Caller(says), 16)
        found += watch([side], ROWS, what, tmp_path, Progress(io.StringIO()), ledger=ledger)
        ledger.close()
    assert [one.changed for one in found] == [False, False, True]


def test_another_service_has_a_baseline_of_its_own(tmp_path: Path) -> None:
    looked(tmp_path, service=Caller(steady), served=Caller(steady))
    what = pinned(tmp_path, ROWS, None, 40)
    ledger = Ledger(tmp_path / "ledger.sqlite")
    side = Side("service", "claude", Caller(drifted), 32)
    [one] = watch([side], ROWS, what, tmp_path, Progress(io.StringIO()), ledger=ledger)
    ledger.close()
    assert (one.who, one.changed) == ("claude", False)


def test_seven_of_forty_are_a_change_where_nothing_wavers() -> None:
    assert needed(40) == 7
    assert needed(4) is None
    assert needed(40, 40) is None


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), *[st.integers(0, n)] * 2)))
def test_more_that_differ_are_never_less_of_a_change(drawn: tuple[int, int, int]) -> None:
    n, differ, wavered = drawn
    assert fisher(n, wavered, n) <= fisher(differ, wavered, n) <= 1
    if differ <= wavered:
        assert fisher(differ, wavered, n) > ALPHA
