"""The figures of a forecast: what they grow with, what they rest on, what they leave alone."""

from pathlib import Path
from typing import Any

import pytest
from forecast_world import PRICE, Billed, billed, expected, run
from hypothesis import given, settings
from hypothesis import strategies as st
from small_world import Diary, experiment

from llamaduo.component import Component
from llamaduo.experiment import Experiment
from llamaduo.forecast.answers import Different
from llamaduo.forecast.figures import Forecast, Line, Range
from llamaduo.forecast.lengths import by_form
from llamaduo.forecast.priced import price_of
from llamaduo.forecast.seen import FEWEST, Seen, bought, seen
from llamaduo.ledger import Ledger
from llamaduo.records import Example, Message, Request
from llamaduo.service.chat import Price

KINDS = ("calls", "prompt_tokens", "completion_tokens", "usd")
ENDS = ("least", "low", "high", "most")


def figures(found: Forecast) -> dict[tuple[str, int | None, str, str], float]:
    """Return every figure of every line and of the sum."""
    lines: list[Line] = [*found.lines, found.total()]
    return {
        (line.name, line.round, kind, end): getattr(getattr(line, kind), end)
        for line in lines
        for kind in KINDS
        for end in ENDS
    }


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("property")


def sized(home: Path, rounds: int, samples: int, repeats: int, audit: int) -> Experiment:
    return billed(
        home,
        rounds=rounds,
        samples=samples,
        judge={"repeats": repeats, "audit": audit},
        baselines=("untuned", "few_shot", "coverage", "equal_steps", "service"),
    )


@settings(max_examples=12, deadline=None)
@given(
    st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(0, 6)),
    st.integers(0, 3),
)
def test_more_rounds_samples_repeats_or_probes_lower_no_figure(
    home: Path, sizes: tuple[int, int, int, int], which: int
) -> None:
    more = tuple(size + (place == which) for place, size in enumerate(sizes))
    before, after = (figures(expected(sized(home, *of))) for of in (sizes, more))
    assert set(before) <= set(after)
    assert all(after[name] >= figure - 1e-9 for name, figure in before.items())


def test_in_every_line_each_end_is_at_least_the_one_before(home: Path) -> None:
    for line in expected(sized(home, 3, 3, 4, 5)).lines:
        for kind in KINDS:
            ends = [getattr(getattr(line, kind), end) for end in ENDS]
            assert ends == sorted(ends), (line.name, kind)


def test_stages_sum_to_the_total_and_rounds_that_may_not_come_weigh_nothing_at_its_lower_ends(
    home: Path,
) -> None:
    found = expected(sized(home, 3, 2, 3, 4))
    total = found.total()
    for kind in KINDS:
        for end in ENDS:
            counted = [
                getattr(getattr(line, kind), end)
                for line in found.lines
                if line.sure or end in ("high", "most")
            ]
            assert getattr(getattr(total, kind), end) == pytest.approx(sum(counted))
    assert [line.round for line in found.lines if not line.sure] == [0, 1, 1, 2, None, None]


def test_at_most_is_what_a_budget_reserves(tmp_path: Path) -> None:
    diary = Diary()
    exp = billed(tmp_path / "home", diary, rounds=2)
    [rows] = [line for line in expected(exp).lines if line.stage == "synthetic"]
    run(exp)
    written = [one for one in diary.asked if one.messages[0].content.startswith("write")]
    reserved = sum(exp.service.upper_bound_usd(request) for request in written)
    assert rows.usd.most == pytest.approx(reserved)


def test_a_look_asks_nobody_and_leaves_nothing(tmp_path: Path) -> None:
    diary = Diary()
    exp = billed(tmp_path / "home", diary, baselines=("service", "few_shot"))
    there = sorted(tmp_path.rglob("*"))
    expected(exp)
    assert (diary.asked, diary.answered, diary.tuned) == ([], [], [])
    assert sorted(tmp_path.rglob("*")) == there


def test_repeats_are_spared_at_the_lower_ends_where_the_judge_may_spare_them(home: Path) -> None:
    def dev(**judge: Any) -> Range:
        exp = billed(home, rounds=1, samples=1, judge={"repeats": 10, **judge})
        return expected(exp).lines[0].calls

    spared, asked = dev(), dev(early_stop=False)
    assert (spared.least, spared.low, spared.most) == (24, 24, 120)
    assert 24 <= spared.high < 120
    assert asked.least == asked.most == 120


def test_answers_are_taken_for_equal_only_where_targets_are_labels() -> None:
    def rows(targets: list[str]) -> list[Example]:
        asked = (Message(role="user", content="?"),)
        return [
            Example(id=str(i), messages=asked, target=target) for i, target in enumerate(targets)
        ]

    labels, texts = Different(rows(["a", "b"] * 50)), Different(rows([str(i) for i in range(100)]))
    first, free = labels.more(4), texts.more(4)
    assert (first.least, first.high, first.most) == (1, 2, 4), "there are two labels"
    assert first.low == pytest.approx(1, abs=0.05)
    assert (free.least, free.low, free.high) == (1, 4, 4)
    second = labels.more(4)
    assert second.least == 0
    assert second.low == pytest.approx(0.2, abs=0.05)
    assert labels.more(4, tuned=False).high == 4


def test_what_the_ledger_has_seen_takes_the_place_of_what_is_assumed(tmp_path: Path) -> None:
    exp = billed(tmp_path / "home", rounds=2)
    before = expected(exp)
    came = run(exp)
    ledger = Ledger(tmp_path / "home" / "ledger.sqlite")
    try:
        found = seen(ledger, "billed", "judgements")
        assert found is not None
        calls = came["judgements dev"].calls + came["judgements test"].calls
        assert found.calls == calls == bought(ledger, exp.fingerprint()) - came["synthetic"].calls
        assert found.bytes_per_token == pytest.approx(4, rel=0.03)
        assert seen(ledger, "billed", "synthetic") is None, f"{FEWEST} calls are the fewest"
        after = expected(exp, lambda service, stage: seen(ledger, service, stage))
    finally:
        ledger.close()
    assert [line.calls for line in before.lines] == [line.calls for line in after.lines]
    assert f"(measured here, n = {calls})" in after.assumed[0]
    assert "assumed" in before.assumed[0]
    wide, narrow = (of.lines[0].completion_tokens for of in (before, after))
    assert narrow.high / narrow.low < 1.3 < wide.high / wide.low
    paid = came["judgements dev"].usd
    usd = [line.counted().usd for line in after.lines if line.name == "dev judged"]
    assert sum(one.low for one in usd) <= paid <= sum(one.high for one in usd)


def test_a_reply_in_a_form_is_as_long_as_the_form_with_some_words_in_each_place_for_them() -> None:
    form = '{"why": "<reason>", "score": <1 to 100>}'
    message = Message(role="user", content=f'{{"an": "example"}}\nReply so:\n{form}')
    low, high = by_form(Request(messages=(message,), max_tokens=9, temperature=0))
    assert (low, high) == (len(form) / 4 + 5, len(form) / 4 + 40)


def test_a_batch_api_is_paid_at_its_share_and_the_upper_bound_stays(home: Path) -> None:
    class Batched(Billed):
        mode: str = "batch"

    class Halved(Price):
        batch: float | None = 0.5

    plain = Billed(diary=Diary())
    price = Halved.model_validate(PRICE.model_dump(exclude_none=True))
    half = Batched(diary=Diary(), price=price)
    whole, halved = (
        expected(billed(home, service=one, baselines=("service",))) for one in (plain, half)
    )
    assert not any("batches" in said for said in whole.held)
    assert any(said.startswith("4 to 8 stages are handed in") for said in halved.held)
    for one, other in zip(whole.lines, halved.lines, strict=True):
        assert other.usd.high == pytest.approx(one.usd.high / 2, rel=1e-3)
        assert other.usd.most == one.usd.most


def test_a_stage_of_fewer_calls_than_a_batch_is_worth_is_priced_live(home: Path) -> None:
    class Batched(Billed):
        mode: str = "batch"
        batch_least: int = 10

    class Halved(Price):
        batch: float | None = 0.5

    price = Halved.model_validate(PRICE.model_dump(exclude_none=True))
    live, half = Billed(diary=Diary()), Batched(diary=Diary(), price=price)
    whole, batched = (
        expected(billed(home, service=one, baselines=("service",))) for one in (live, half)
    )
    few = [line.calls.high < half.batch_least for line in whole.lines]
    assert 0 < sum(few) < len(few)
    for small, one, other in zip(few, whole.lines, batched.lines, strict=True):
        assert other.batch is not small
        share = 1 if small else 0.5
        assert other.usd.high == pytest.approx(share * one.usd.high, rel=1e-3)


def test_tokens_that_the_cache_is_seen_to_have_are_priced_as_such(home: Path) -> None:
    class Cheaper(Price):
        cached_input: float | None = 0.5

    def low(cached: float, price: Price) -> Range:
        found = Seen(calls=50, bytes_per_token=4, cached=cached, reply_tokens=0, seconds=1)
        exp = billed(home, service=Billed(diary=Diary(), price=price))
        return expected(exp, lambda service, stage: found).lines[0].usd

    cheaper = Cheaper.model_validate(PRICE.model_dump(exclude_none=True))
    plain, half = low(0.0, cheaper), low(0.5, cheaper)
    assert half.low == pytest.approx(plain.low * (0.5 * 2.0 + 0.5 * 0.5) / 2.0, rel=1e-3)
    assert half.most == plain.most
    assert low(0.5, PRICE) == plain, "where the price has nothing of a cache, it is the same"


def test_what_a_service_may_think_beyond_a_reply_counts_at_the_most(home: Path) -> None:
    class Thinks(Billed):
        thinking_tokens: int = 100

    plain, thinks = (
        expected(billed(home, service=one)).lines[0]
        for one in (Billed(diary=Diary()), Thinks(diary=Diary()))
    )
    more = thinks.completion_tokens.most - plain.completion_tokens.most
    assert more == 100 * plain.calls.most
    assert thinks.completion_tokens.high == plain.completion_tokens.high


def test_a_service_without_a_price_to_read_is_likely_to_cost_up_to_its_upper_bound(
    tmp_path: Path,
) -> None:
    exp = experiment(tmp_path / "home", Diary())
    found = expected(exp)
    assert price_of(exp.service) is None
    line = found.lines[0]
    assert (line.usd.low, line.usd.high) == (0, line.usd.most)
    assert line.usd.most == pytest.approx(0.01 * line.calls.most)
    assert "its price is not to be read" in found.prices[0].says


def test_nothing_is_asked_by_a_judge_that_asks_nobody(home: Path) -> None:
    exp = billed(home, rounds=1)

    class Knows(Component):
        """Marks by itself."""

        name: str = "knows"
        on: str = "dev"
        early_stop: bool = True
        audit: int = 3
        human: None = None
        services: dict[str, Any] = {}

        def with_repeats(self, repeats: int) -> "Knows":
            return self

        def grade(self, answers: Any, callers: Any, **given: Any) -> Any:
            return iter(())

    found = expected(exp.model_copy(update={"judge": Knows()}))
    assert found.lines == ()
    assert found.total().calls.most == 0
