"""Judgements in, an assessment out: what counts, what does not, and how sure one can be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llamaduo.findings import Assessment, Measure
from llamaduo.metrics import assess, covered, passed, prompt_scores, share, wilson
from llamaduo.records import Answer, Example, Judgement, Message, Score
from llamaduo.task import Check
from llamaduo.task.checks import Exact, OneOf


def judged(
    prompt: str,
    marks: tuple[float, float] | None,
    *,
    sample: int = 0,
    text: str = "yes",
    cut: bool = False,
) -> Judgement:
    row = Example(id=prompt, messages=(Message(role="user", content=prompt),), target="yes")
    return Judgement(
        answer=Answer(example=row, text=text, sample=sample, finish="length" if cut else "stop"),
        score=Score(similarity=marks[0], precision=marks[1]) if marks else None,
        replies=10 if marks else 0,
    )


def assessed(*judgements: Judgement) -> Assessment:
    checks: dict[str, Check] = {"exact": Exact(), "label": OneOf(values=("yes", "no"))}
    return assess("it", judgements, similarity=90, precision=80, checks=checks, steps=7)


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        (16, 16, 0.8064, 1.0),
        (35, 35, 0.9011, 1.0),
        (0, 10, 0.0, 0.2775),
        (8, 10, 0.4902, 0.9433),
        (50, 100, 0.4038, 0.5962),
        (1, 1, 0.2065, 1.0),
    ],
)
def test_the_interval_is_wilsons(hits: int, n: int, low: float, high: float) -> None:
    assert wilson(hits, n) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share_and_stays_within_0_and_1(counts: tuple[int, int]) -> None:
    hits, n = counts
    low, high = wilson(hits, n)
    assert 0 <= low <= hits / n + 1e-12
    assert hits / n - 1e-12 <= high <= 1
    assert low < high
    mirrored = wilson(n - hits, n)
    assert (1 - high, 1 - low) == pytest.approx(mirrored, abs=1e-9)


@given(st.integers(0, 50), st.integers(51, 100))
def test_more_prompts_with_the_same_share_narrow_the_interval(hits: int, n: int) -> None:
    low, high = wilson(hits, n)
    narrower = wilson(4 * hits, 4 * n)
    assert narrower[1] - narrower[0] < high - low


def test_the_answers_to_one_prompt_are_one_observation() -> None:
    found = assessed(
        judged("a", (100, 90), sample=0),
        judged("a", (82, 71), sample=1),
        judged("b", (40, 50), sample=0),
        judged("b", (20, 10), sample=1),
    )
    assert (found.prompts, found.answers, found.coverage.n) == (2, 4, 2)
    assert found.coverage.value == 50
    assert (found.similarity, found.precision) == ((91 + 30) / 2, (80.5 + 30) / 2)


def test_a_prompts_mean_decides_and_not_its_best_answer() -> None:
    found = assessed(judged("a", (100, 100), sample=0), judged("a", (60, 60), sample=1))
    assert found.coverage.value == 0


def test_a_prompt_without_a_score_is_counted_apart_and_not_as_zero() -> None:
    found = assessed(judged("a", (95, 95)), judged("b", None), judged("c", None))
    assert (found.prompts, found.coverage.n, found.unjudged) == (3, 1, 2)
    assert (found.coverage.value, found.similarity, found.precision) == (100, 95, 95)


def test_a_prompt_keeps_the_answers_of_it_that_have_a_score() -> None:
    rows = [judged("a", (90, 80), sample=0), judged("a", None, sample=1)]
    assert prompt_scores(rows) == {"a": Score(similarity=90, precision=80)}
    found = assessed(*rows)
    assert (found.coverage.n, found.coverage.value, found.unjudged) == (1, 100, 1)


@pytest.mark.parametrize(
    ("marks", "expected"),
    [((90, 80), True), ((89.9, 80), False), ((90, 79.9), False), ((100, 0), False)],
)
def test_both_thresholds_have_to_be_reached_and_reaching_is_enough(
    marks: tuple[float, float], expected: bool
) -> None:
    assert covered(Score(similarity=marks[0], precision=marks[1]), 90, 80) is expected
    assert assessed(judged("a", marks)).coverage.value == (100 if expected else 0)


def test_checks_and_cuts_are_counted_over_all_answers_judged_or_not() -> None:
    found = assessed(
        judged("a", (95, 95), text=" yes\n"),
        judged("b", None, text="no"),
        judged("c", None, text="perha", cut=True),
        judged("d", (1, 1), text="yes"),
    )
    assert found.checks == {"exact": 50, "label": 75}
    assert (found.cut, found.steps, found.name) == (1, 7, "it")


def test_with_nothing_judged_there_is_no_figure() -> None:
    nothing = Measure(name="coverage %", value=None, low=None, high=None, n=0)
    found = assessed(judged("a", None))
    assert (found.coverage, found.similarity, found.precision) == (nothing, None, None)
    assert share("coverage %", 0, 0) == nothing
    assert passed({"exact": Exact()}, []) == {}


def test_a_share_is_in_percent_with_its_interval() -> None:
    found = share("coverage %", 8, 10)
    assert (found.value, found.n) == (80, 10)
    assert (found.low, found.high) == pytest.approx((49.02, 94.33), abs=0.01)
