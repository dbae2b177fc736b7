"""The judge: what counts as a score, and that nothing else ever does."""

import io
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from llamaduo.component import Component
from llamaduo.judge.paper import AT_ONCE, PaperJudge, judgement, read_score, why_unreadable
from llamaduo.progress import Progress
from llamaduo.records import Answer, Example, Judgement, Message, Outcome, Reply, Request, Score

PROMPT = 'Grade {answer} to {instruction} by {target}, as {"similarity": 1, "precision": 1}.'


class Nobody(Component):
    """A service that is never reached: the judge is given a caller."""

    name: str = "nobody"
    simulated: bool = False
    concurrency: int = 1
    attempts: int = 1
    backoff: float = 0.0

    def faults(self) -> list[str]:
        return []

    def upper_bound_usd(self, request: Request) -> float:
        return 0.0

    async def attempt(self, request: Request, seed: int) -> tuple[Reply, bool]:
        raise AssertionError("a stage reaches no service")


class Scripted:
    """A caller that gives the same replies in turn, for ever, and keeps what it was asked."""

    name = "scripted"
    spend = "$0"

    def __init__(self, *replies: str | Reply) -> None:
        self.replies = replies
        self.asked: list[Request] = []
        self.batches: list[int] = []

    def ask(
        self, requests: Sequence[Request], reads: Callable[[str], str] = lambda text: ""
    ) -> list[Reply]:
        given = []
        for request in requests:
            said = self.replies[len(self.asked) % len(self.replies)]
            self.asked.append(request)
            given.append(read_by(reads, said) if isinstance(said, str) else said)
        self.batches.append(len(requests))
        return given


def read_by(reads: Callable[[str], str], text: str) -> Reply:
    """Return a reply as the desk does: unreadable where the reader says so."""
    why = reads(text)
    return Reply(outcome=Outcome.UNREADABLE if why else Outcome.OK, cause=why, text=text)


def judge(repeats: int = 1, prompt: str = PROMPT) -> PaperJudge:
    return PaperJudge(
        service=Nobody(), prompt=prompt, repeats=repeats, max_tokens=9, temperature=0.5
    )


def answer(text: str = "Here.", name: str = "a", sample: int = 0) -> Answer:
    row = Example(id=name, messages=(Message(role="user", content="Where?"),), target="There.")
    return Answer(example=row, text=text, sample=sample)


def grade(caller: Scripted, *answers: Answer, repeats: int = 1) -> list[Judgement]:
    return list(judge(repeats).grade(answers, caller, progress=Progress(io.StringIO())))


def marks(similarity: Any, precision: Any) -> str:
    return json.dumps({"similarity": similarity, "precision": precision})


def test_a_judgement_is_the_mean_over_the_repeats() -> None:
    caller = Scripted(marks(80, 60), marks(90, 70), marks(85, 20))
    [found] = grade(caller, answer(), repeats=3)
    assert found.score == Score(similarity=85, precision=50)
    assert (found.replies, found.why) == (3, ())


@pytest.mark.parametrize(
    "reply",
    [
        marks(80, 60),
        marks(80.0, "60"),
        marks("80", " 60.0 "),
        marks({"score": 80, "reason": "near"}, {"reason": "{half} right", "score": "60"}),
        f"```json\n{marks(80, 60)}\n```",
        f"Let me think: {{it}} is near. {marks(80, 60)} I hope {{this}} helps.",
        f'{{"note": "first"}} {marks(80, 60)}',
        marks(80, 60).replace("}", ', "note": "more"}'),
    ],
)
def test_a_score_is_read_through_prose_fences_and_number_strings(reply: str) -> None:
    assert read_score(reply) == Score(similarity=80, precision=60)
    assert why_unreadable(reply) == ""


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("", "no JSON object"),
        ("I cannot judge this.", "no JSON object"),
        ("similarity: 80, precision: 60", "no JSON object"),
        ("[80, 60]", "no JSON object"),
        ('{"score": 80}', "no JSON object"),
        ('{"similarity": 80, "precision": 60', "no JSON object"),
        ('{"similarity": NaN, "precision": 60}', "no JSON object"),
        ('{"similarity": 80, "precision": Infinity}', "no JSON object"),
        (f"{marks(80, 60)} or rather {marks(70, 50)}", "2 JSON objects"),
        (f"{marks(80, 60)} {marks(80, 60)}", "2 JSON objects"),
        ('{"similarity": 80} {"precision": 60}', "2 JSON objects"),
        ('{"similarity": 80}', "`precision`"),
        ('{"precision": 80}', "`similarity`"),
        ('{"similarity": 1e999, "precision": 60}', "no JSON object"),
        (marks(101, 60), "`similarity`"),
        (marks(80, -0.1), "`precision`"),
        (marks("nan", 60), "`similarity`"),
        (marks("inf", 60), "`similarity`"),
        (marks("80/100", 60), "`similarity`"),
        (marks("high", 60), "`similarity`"),
        (marks(None, 60), "`similarity`"),
        (marks(True, 60), "`similarity`"),
        (marks([80], 60), "`similarity`"),
        (marks({"value": 80}, 60), "`similarity`"),
        (marks({"score": {"score": 80}}, 60), "`similarity`"),
        (marks(80, 10**400), "`precision`"),
    ],
)
def test_a_reply_that_is_not_one_score_gives_none_but_a_reason(reply: str, why: str) -> None:
    assert why in str(read_score(reply))
    [found] = grade(Scripted(reply), answer())
    assert (found.score, found.replies) == (None, 0)
    assert [why in cause for cause in found.why] == [True]
    assert found.why[0].startswith("unreadable: ")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda below: (
        st.lists(below, max_size=2)
        | st.dictionaries(st.sampled_from(["score", "similarity", "precision", "x"]), below)
    ),
    max_leaves=6,
)
PIECES = st.one_of(
    st.dictionaries(st.sampled_from(["similarity", "precision", "x"]), VALUES).map(json.dumps),
    st.text(alphabet='{}[]":,\\ `0123456789.eE+-naNsimilarityprecision\ud800\n', max_size=30),
    st.builds(marks, st.floats(-10, 110) | st.integers(-5, 105), VALUES),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=3).map("".join))
def test_no_reply_raises_and_no_score_leaves_0_to_100(reply: str) -> None:
    found = read_score(reply)
    if isinstance(found, Score):
        assert 0 <= found.similarity <= 100
        assert 0 <= found.precision <= 100
        assert why_unreadable(reply) == ""
    else:
        assert why_unreadable(reply) == found != ""


@given(st.floats(0, 100), st.floats(0, 100))
def test_every_pair_of_marks_within_range_is_read_as_it_stands(one: float, other: float) -> None:
    assert read_score(marks(one, other)) == Score(similarity=one, precision=other)


def test_a_reply_nested_beyond_reading_is_unreadable() -> None:
    assert "no JSON object" in str(read_score('{"similarity":' * 5000))


def test_a_reply_that_is_not_a_score_is_left_out_of_the_mean() -> None:
    [found] = grade(Scripted(marks(80, 60), "I cannot judge this."), answer(), repeats=2)
    assert (found.score, found.replies) == (Score(similarity=80, precision=60), 1)
    assert len(found.why) == 1


def test_an_answer_whose_replies_are_all_unreadable_is_unjudged_and_not_zero() -> None:
    [found] = grade(Scripted("No.", marks(800, 1)), answer(), repeats=4)
    assert (found.score, found.replies, len(found.why)) == (None, 0, 4)


@pytest.mark.parametrize(
    "outcome", [Outcome.FILTERED, Outcome.REFUSED, Outcome.TRUNCATED, Outcome.FAILED]
)
def test_a_reply_that_did_not_end_well_is_counted_even_where_it_holds_a_score(
    outcome: Outcome,
) -> None:
    bad = Reply(outcome=outcome, cause="policy", text=marks(99, 99))
    [found] = grade(Scripted(bad, marks(40, 20)), answer(), repeats=2)
    assert found.score == Score(similarity=40, precision=20)
    assert (found.replies, found.why) == (1, (f"{outcome}: policy",))
    assert judgement(answer(), [Reply(outcome=outcome)]).why == (str(outcome),)


def test_the_repeats_of_an_answer_are_distinct_samples_of_one_request() -> None:
    caller = Scripted(marks(80, 60))
    grade(caller, answer(), repeats=3)
    assert [request.sample for request in caller.asked] == [0, 1, 2]
    assert len({request.model_copy(update={"sample": 0}) for request in caller.asked}) == 1


def test_equal_answers_to_one_prompt_are_the_same_calls_and_unequal_ones_are_not() -> None:
    caller = Scripted(marks(80, 60))
    grade(caller, answer("A", sample=0), answer("A", sample=1), answer("B", sample=2), repeats=2)
    assert caller.asked[0:2] == caller.asked[2:4] != caller.asked[4:6]


def test_the_judge_sees_prompt_target_and_answer_and_what_they_say_fills_no_hole() -> None:
    caller = Scripted(marks(80, 60))
    grade(caller, answer("{target} {instruction}"))
    [request] = caller.asked
    [message] = request.messages
    assert message.content == (
        'Grade {target} {instruction} to Where? by There., as {"similarity": 1, "precision": 1}.'
    )
    assert (request.max_tokens, request.temperature, request.row) == (9, 0.5, "a")


def test_answers_are_judged_in_order_over_many_batches() -> None:
    answers = [answer(str(i), name=str(i)) for i in range(2 * AT_ONCE // 100 + 3)]
    caller = Scripted(*(marks(i % 100, 0) for i in range(100)))
    found = grade(caller, *answers, repeats=100)
    assert [one.answer for one in found] == answers
    assert {one.replies for one in found} == {100}
    assert len(caller.batches) > 1
    assert max(caller.batches) <= AT_ONCE
    assert grade(Scripted("never asked")) == []


def test_more_repeats_than_are_asked_at_once_stay_together() -> None:
    [found] = grade(Scripted(marks(80, 60)), answer(), repeats=AT_ONCE + 1)
    assert found.replies == AT_ONCE + 1


@pytest.mark.parametrize("hole", ["{instruction}", "{target}", "{answer}"])
def test_a_prompt_that_does_not_show_what_is_judged_is_refused(hole: str) -> None:
    with pytest.raises(ValidationError, match=f"would not see .*{hole}"):
        judge(prompt=PROMPT.replace(hole, ""))


def test_repeats_and_prompt_are_part_of_the_key() -> None:
    assert judge(1).key() != judge(2).key()
    assert judge(1).key() != judge(1, PROMPT + " ").key()
