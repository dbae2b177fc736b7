"""The judge: what counts as a score, and that nothing else ever does."""

import json

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judge_world import PROMPT, TAG, Scripted, answer, grade, judge, marks, request
from pydantic import ValidationError

from llamaduo.judge.marks import FORM, Given, fence, read_score, reads
from llamaduo.judge.marks import given as come_to
from llamaduo.records import Message, Outcome, Reply, Score


def test_a_judgement_is_the_mean_over_the_repeats_and_keeps_the_marks_of_each() -> None:
    caller = Scripted(marks(80, 60), marks(90, 70), marks(85, 20))
    [found] = grade(caller, answer(), repeats=3)
    assert found.score == Score(similarity=85, precision=50)
    assert [(m.similarity, m.precision, m.by) for m in found.marks] == [
        (80, 60, ""),
        (90, 70, ""),
        (85, 20, ""),
    ]
    assert (found.why, found.spared) == ((), 0)


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
        f"{marks(80, 60)} as I said: {marks(80.0, '60')}",
        f"{marks(1, 1, tag='another')} is what it says. {marks(80, 60)} {marks(99, 99, tag='')}",
        f'The tag is {TAG}. {{"similarity": 99, "precision": 99}} {marks(80, 60)}',
        f'{{"similarity": 80, "precision": {{"why": "{{}}", "score": 60}}, "tag": "{TAG}"}}',
        f'{{"similarity": 99, "precision": 99, "x": {marks(80, 60)}',
        f'{{"similarity": 99, "precision": 99, "x": {marks(80, 60)}}}',
    ],
)
def test_a_score_is_read_through_prose_fences_and_number_strings(reply: str) -> None:
    assert read_score(reply, TAG) == Score(similarity=80, precision=60)
    assert reads(request(), reply) == ""


NO_TAG = "no JSON object that repeats the tag"


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("", NO_TAG),
        ("I cannot judge this.", NO_TAG),
        ("similarity: 80, precision: 60", NO_TAG),
        (f"{TAG}: 80, 60", NO_TAG),
        (f'["{TAG}", 80, 60]', NO_TAG),
        ('{"similarity": 80, "precision": 60}', NO_TAG),
        (marks(80, 60, tag="another"), NO_TAG),
        (marks(80, 60, tag=f"{TAG}0"), NO_TAG),
        (f'{{"similarity": 80, "precision": 60}} {TAG}', NO_TAG),
        (f'{{"x": {{"tag": "{TAG}"}}, "similarity": 80, "precision": 60}}', "`similarity`"),
        (marks(80, 60)[:-1], NO_TAG),
        (f'{{"tag": "{TAG}", "similarity": NaN, "precision": 60}}', NO_TAG),
        (f'{{"tag": "{TAG}", "similarity": 80, "precision": Infinity}}', NO_TAG),
        (f'{{"tag": "{TAG}", "similarity": 1e999, "precision": 60}}', NO_TAG),
        (f'{{"tag": "{TAG}", "similarity": 8, "precision": 6, "similarity": 9}}', NO_TAG),
        (f"{marks(80, 60)} or rather {marks(70, 50)}", "2 JSON objects"),
        (f"{marks(80, 60)} {marks(80, 'high')}", "2 JSON objects"),
        (f'{{"tag": "{TAG}", "similarity": 80}}', "`precision`"),
        (f'{{"tag": "{TAG}", "precision": 80}}', "`similarity`"),
        (f'{{"tag": "{TAG}", "score": 80}}', "`similarity`"),
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
    assert why in str(read_score(reply, TAG))
    [found] = grade(Scripted(reply), answer())
    assert (found.score, found.marks) == (None, ())
    assert [why in cause for cause in found.why] == [True]
    assert found.why[0].startswith("unreadable: ")


def test_without_a_tag_nothing_is_read() -> None:
    assert read_score(marks(80, 60, tag=""), "") == NO_TAG


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda below: (
        st.lists(below, max_size=2)
        | st.dictionaries(st.sampled_from(["score", "similarity", "tag", "x"]), below)
    ),
    max_leaves=6,
)
PIECES = st.one_of(
    st.dictionaries(st.sampled_from(["similarity", "precision", "x"]), VALUES).map(
        lambda found: json.dumps({"tag": TAG, **found})
    ),
    st.text(alphabet='{}[]":,\\ `0123456789.eE+-naNsimilarityprecision\ud800\n', max_size=30),
    st.just(TAG),
    st.builds(marks, st.floats(-10, 110) | st.integers(-5, 105), VALUES),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=3).map("".join))
def test_no_reply_raises_and_no_score_leaves_0_to_100(reply: str) -> None:
    found = read_score(reply, TAG)
    if isinstance(found, Score):
        assert 0 <= found.similarity <= 100
        assert 0 <= found.precision <= 100
        assert reads(request(), reply) == ""
    else:
        assert reads(request(), reply) == found != ""


@given(st.floats(0, 100), st.floats(0, 100))
def test_every_pair_of_marks_within_range_is_read_as_it_stands(one: float, other: float) -> None:
    assert read_score(marks(one, other), TAG) == Score(similarity=one, precision=other)


@pytest.mark.parametrize("piece", ['{"similarity":', '{"similarity":[', f'{{"tag": "{TAG}", "x":'])
def test_a_reply_nested_beyond_reading_is_unreadable(piece: str) -> None:
    assert read_score(piece * 5000 + TAG, TAG) == NO_TAG


def test_a_reply_that_is_not_a_score_is_left_out_of_the_mean() -> None:
    [found] = grade(Scripted(marks(80, 60), "I cannot judge this."), answer(), repeats=2)
    assert (found.score, len(found.marks)) == (Score(similarity=80, precision=60), 1)
    assert len(found.why) == 1


def test_an_answer_whose_replies_are_all_unreadable_is_unjudged_and_not_zero() -> None:
    [found] = grade(Scripted("No.", marks(800, 1)), answer(), repeats=4)
    assert (found.score, found.marks, len(found.why)) == (None, (), 4)


@pytest.mark.parametrize(
    "outcome", [Outcome.FILTERED, Outcome.REFUSED, Outcome.TRUNCATED, Outcome.FAILED]
)
def test_a_reply_that_did_not_end_well_is_counted_even_where_it_holds_a_score(
    outcome: Outcome,
) -> None:
    bad = Reply(outcome=outcome, cause="policy", text=marks(99, 99))
    [found] = grade(Scripted(bad, marks(40, 20)), answer(), repeats=2)
    assert found.score == Score(similarity=40, precision=20)
    assert (len(found.marks), found.why) == (1, (f"{outcome}: policy",))
    assert come_to(request(), Reply(outcome=outcome), "") == Given(None, str(outcome))


def test_the_repeats_of_an_answer_are_distinct_samples_of_one_request() -> None:
    caller = Scripted(marks(80, 60))
    grade(caller, answer(), repeats=3)
    assert [request.sample for request in caller.asked] == [0, 1, 2]
    first, *others = [request.model_copy(update={"sample": 0}) for request in caller.asked]
    assert all(other == first for other in others)


def test_equal_answers_to_one_prompt_are_the_same_calls_and_unequal_ones_are_not() -> None:
    caller = Scripted(marks(80, 60))
    grade(caller, answer("A", sample=0), answer("A", sample=1), answer("B", sample=2), repeats=2)
    assert caller.asked[0:2] == caller.asked[2:4] != caller.asked[4:6]


def test_the_judge_sees_prompt_target_and_answer_and_what_they_say_fills_no_hole() -> None:
    caller = Scripted(marks(80, 60))
    grade(caller, answer("{target} {instruction} {tag}"))
    [request] = caller.asked
    [message] = request.messages
    tag = request.tag
    assert message.content == (
        f"Grade <candidate-{tag}>\n{{target}} {{instruction}} {{tag}}\n</candidate-{tag}>"
        f" to <instruction-{tag}>\nWhere?\n</instruction-{tag}>"
        f" by <reference-{tag}>\nThere.\n</reference-{tag}>,"
        f' as {{"tag": "{tag}", "similarity": <n>, "precision": <n>}}.'
    )
    assert (request.max_tokens, request.temperature, request.row) == (9, 0.5, "a")


def test_the_tag_is_another_for_every_text_and_the_same_for_the_same() -> None:
    texts = ["", "A", "A ", "a", "A\x00", "\ud800"]
    row = answer().example
    others = [
        answer().model_copy(update={"example": row.model_copy(update={"target": "Here."})}),
        answer().model_copy(
            update={
                "example": row.model_copy(update={"messages": (Message(role="user", content=""),)})
            }
        ),
    ]
    asked = [*(answer(text) for text in texts), answer(), *others]
    tags = [judge().request(one, 0).tag for one in asked]
    assert len(set(tags)) == len(asked)
    assert all(len(tag) == 16 for tag in tags)
    assert [judge().request(one, 1).tag for one in asked] == tags


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, with\ttab,\nbreaks\r\nand \N{ZERO WIDTH JOINER} \u00e9", None),
        ("a\x00b\x1b[2J\x7f\x9b", "a\\u0000b\\u001b[2J\\u007f\\u009b"),
        ("over\rwritten", "over\\u000dwritten"),
        ("a\u200bb\u2060c\ufeff", "a\\u200bb\\u2060c\\ufeff"),
        ("\u202eback\u2066\u200f\u061c", "\\u202eback\\u2066\\u200f\\u061c"),
        ("one\u2028two\u2029", "one\\u2028two\\u2029"),
        ("half \ud83d", "half \\ud83d"),
        ("\U000e0041\U000e01ef", "\\U000e0041\\U000e01ef"),
    ],
)
def test_what_nobody_would_see_in_a_text_is_written_out(text: str, shown: str | None) -> None:
    assert fence("candidate", TAG, text) == (
        f"<candidate-{TAG}>\n{text if shown is None else shown}\n</candidate-{TAG}>"
    )


def test_answers_are_judged_in_order_over_many_batches() -> None:
    answers = [answer(str(i), name=str(i)) for i in range(2 * Scripted.at_once // 100 + 3)]
    caller = Scripted(*(marks(i % 100, 0) for i in range(100)))
    found = grade(caller, *answers, repeats=100)
    assert [one.answer for one in found] == answers
    assert {len(one.marks) for one in found} == {100}
    assert len(caller.batches) > 1
    assert max(caller.batches) <= Scripted.at_once
    assert grade(Scripted("never asked")) == []


def test_more_repeats_than_are_asked_at_once_stay_together() -> None:
    [found] = grade(Scripted(marks(80, 60)), answer(), repeats=Scripted.at_once + 1)
    assert len(found.marks) == Scripted.at_once + 1


@pytest.mark.parametrize("hole", ["{instruction}", "{target}", "{answer}", "{tag}"])
def test_a_prompt_that_does_not_show_what_is_judged_is_refused(hole: str) -> None:
    with pytest.raises(ValidationError, match=f"would not see .*{hole}"):
        judge(prompt=PROMPT.replace(hole, ""))


def test_a_prompt_whose_own_example_would_pass_for_a_verdict_is_refused() -> None:
    example = '{"tag": "{tag}", "similarity": 1, "precision": 1}'
    with pytest.raises(ValidationError, match="its example would pass for a verdict"):
        judge(prompt=f"{PROMPT} For example: {example}")
    assert judge(prompt=f"{PROMPT} For example: {example.replace('{tag}', 'your tag')}")


def test_an_answer_that_never_came_is_not_sent_and_is_unjudged_with_its_cause() -> None:
    gone = answer("", sample=1).model_copy(update={"finish": "none", "why": "refused: policy"})
    caller = Scripted(marks(80, 60))
    found = grade(caller, answer(), gone, answer("B"), repeats=2)
    assert [one.score is None for one in found] == [False, True, False]
    assert (found[1].why, found[1].marks, found[1].spared) == (("refused: policy",), (), 0)
    assert len(caller.asked) == 4


def test_repeats_and_prompt_are_part_of_the_key() -> None:
    assert judge(1).key() != judge(2).key()
    assert judge(1).key() != judge(1, PROMPT + " ").key()


def test_what_keeps_to_the_form_is_read_and_the_form_is_one_for_all_answers() -> None:
    caller = Scripted(marks(80, 60))
    grade(caller, answer("A"), answer("B"), repeats=2)
    assert all(request.form == FORM for request in caller.asked)
    mark = {"reason": "near", "score": 80}
    said = {"tag": TAG, "similarity": mark, "precision": {**mark, "score": 60}}
    jsonschema.validate(said, FORM)
    assert read_score(json.dumps(said), TAG) == Score(similarity=80, precision=60)
    for less in ({**said, "tag": 1}, {**said, "similarity": 80}, {"tag": TAG}, {**said, "x": 1}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(less, FORM)
