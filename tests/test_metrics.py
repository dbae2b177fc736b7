"""Judgements in, an assessment out: what counts, what does not, and how sure one can be."""

import pytest

from llamaduo.findings import Assessment, Measure
from llamaduo.metrics import assess, compare, covered, passed, prompt_scores, share
from llamaduo.records import Answer, Example, Judgement, Mark, Message, Score
from llamaduo.task import Check
from llamaduo.task.checks import Exact, OneOf


def judged(
    prompt: str,
    marks: tuple[float, float] | None,
    *,
    sample: int = 0,
    text: str = "yes",
    cut: bool = False,
    category: str = "",
) -> Judgement:
    asked = (Message(role="user", content=prompt),)
    row = Example(id=prompt, messages=asked, target="yes", category=category)
    return Judgement(
        answer=Answer(example=row, text=text, sample=sample, finish="length" if cut else "stop"),
        score=Score(similarity=marks[0], precision=marks[1]) if marks else None,
        marks=(Mark(similarity=marks[0], precision=marks[1]),) * 10 if marks else (),
    )


def assessed(*judgements: Judgement) -> Assessment:
    checks: dict[str, Check] = {"exact": Exact(), "label": OneOf(values=("yes", "no"))}
    return assess("it", judgements, similarity=90, precision=80, checks=checks, steps=7)


def test_the_answers_to_one_prompt_are_one_observation() -> None:
    found = assessed(
        judged("a", (100, 90), sample=0),
        judged("a", (82, 71), sample=1),
        judged("b", (40, 50), sample=0),
        judged("b", (20, 10), sample=1),
    )
    assert (found.prompts, found.answers, found.coverage.n) == (2, 4, 2)
    assert found.coverage.value == 50
    assert found.similarity.value == (91 + 30) / 2
    assert found.precision.value == (80.5 + 30) / 2
    assert (found.similarity.n, found.precision.n) == (2, 2)


def test_a_prompts_mean_decides_and_not_its_best_answer() -> None:
    found = assessed(judged("a", (100, 100), sample=0), judged("a", (60, 60), sample=1))
    assert found.coverage.value == 0


def test_a_prompt_without_a_score_is_counted_apart_and_not_as_zero() -> None:
    found = assessed(judged("a", (95, 95)), judged("b", None), judged("c", None))
    assert (found.prompts, found.coverage.n, found.unjudged) == (3, 1, 2)
    values = (found.coverage.value, found.similarity.value, found.precision.value)
    assert values == (100, 95, 95)


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
    assert {name: share.value for name, share in found.checks.items()} == {
        "exact": 50,
        "label": 75,
    }
    assert found.checks["label"].n == 4
    assert (found.cut, found.steps, found.name) == (1, 7, "it")


def test_with_nothing_judged_there_is_no_figure() -> None:
    nothing = Measure(name="coverage %", value=None, low=None, high=None, n=0)
    found = assessed(judged("a", None))
    assert found.coverage == nothing
    assert (found.similarity.value, found.precision.n) == (None, 0)
    assert share("coverage %", 0, 0) == nothing
    assert passed({"exact": Exact()}, []) == {}


def test_a_share_is_in_percent_with_its_interval() -> None:
    found = share("coverage %", 8, 10)
    assert (found.value, found.n) == (80, 10)
    assert (found.low, found.high) == pytest.approx((49.02, 94.33), abs=0.01)


def test_the_share_of_answers_that_pass_a_check_is_taken_prompt_by_prompt() -> None:
    texts = ["yes", "yes", "no", "yes"]
    one = passed({"exact": Exact()}, [judged("a", None, text=t).answer for t in texts])
    assert (one["exact"].value, one["exact"].n) == (75, 1)
    assert one["exact"].low is not None
    assert one["exact"].low < 10  # four answers to one prompt tell little of others


def test_each_category_has_its_coverage_at_a_level_that_all_of_them_share() -> None:
    rows = [judged(f"a{i}", (95, 95), category="a") for i in range(8)]
    rows += [judged(f"b{i}", (10, 10), category="b") for i in range(4)]
    rows += [judged("b4", None, category="b")]
    found = {one.name: one for one in assessed(*rows).categories}
    assert found["a"].coverage == share("coverage %", 8, 8, 0.975)
    assert found["b"].coverage == share("coverage %", 0, 4, 0.975)
    assert (found["a"].prompts, found["b"].prompts) == (8, 5)
    assert assessed(*rows[:8]).categories == ()


def test_a_prompt_of_which_an_answer_never_came_has_no_score() -> None:
    row = judged("a", (95, 95)).answer.example
    none = Judgement(
        answer=Answer(example=row, text="", sample=1, finish="none", why="refused"), score=None
    )
    found = assessed(judged("a", (95, 95)), none, judged("b", (95, 95)))
    assert (found.prompts, found.coverage.n, found.missing, found.unjudged) == (2, 1, 1, 1)


def test_pairs_are_counted_by_category_where_there_are_two() -> None:
    ours = [judged(name, (95, 95), category=name[0]) for name in ("a1", "a2", "b1")]
    theirs = [judged(name, (10, 10), category=name[0]) for name in ("a1", "b1")]
    found = compare("other", ours, theirs, similarity=90, precision=80)
    assert [(c.name, c.only_ours, c.only_theirs, c.n) for c in found.categories] == [
        ("a", 1, 0, 1),
        ("b", 1, 0, 1),
    ]
    assert compare("other", ours[:2], theirs[:1], similarity=90, precision=80).categories == ()


def test_two_models_are_compared_on_the_prompts_that_both_have_a_score_for() -> None:
    ours = [judged("a", (95, 90)), judged("b", (95, 80)), judged("c", (50, 50)), judged("d", None)]
    theirs = [judged(name, (90, 60)) for name in "acd"] + [judged("b", (20, 40))]
    found = compare("other", ours, theirs, similarity=90, precision=80)
    assert (found.name, found.coverage.n, found.similarity.n) == ("other", 3, 3)
    assert (found.only_ours, found.only_theirs) == (2, 0)
    assert found.coverage.value == pytest.approx(100 * 2 / 3)
    assert found.similarity.value == pytest.approx((5 + 75 - 40) / 3)
    assert found.precision.value == pytest.approx((30 + 40 - 10) / 3)
    assert found.match.value == pytest.approx(100 * (220 / 3) / (160 / 3))
    for measure in (found.coverage, found.similarity, found.precision, found.match):
        assert measure.low is not None
        assert measure.high is not None
        assert measure.value is not None
        assert measure.low < measure.value < measure.high


def test_a_model_beside_itself_differs_by_nothing() -> None:
    rows = [judged(f"p{i}", (60 + i, 90 - i)) for i in range(30)]
    found = compare("it", rows, rows, similarity=70, precision=70)
    assert (found.coverage.value, found.similarity.value, found.match.value) == (0, 0, 100)
    assert (found.only_ours, found.only_theirs) == (0, 0)


def test_models_without_a_prompt_in_common_cannot_be_compared() -> None:
    found = compare("it", [judged("a", (9, 9))], [judged("b", (9, 9))], similarity=1, precision=1)
    assert (found.coverage.value, found.match.value, found.coverage.n) == (None, None, 0)


def test_against_a_service_with_no_mark_over_zero_there_is_no_p_match() -> None:
    rows, zero = [judged("a", (50, 50))], [judged("a", (0, 0))]
    assert compare("it", rows, zero, similarity=1, precision=1).match.value is None
