"""Repeats by turns: what is spared, what is asked again, and that a kill loses no call."""

import io
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from judge_world import Scripted, answer, graded, judge, marks
from small_world import MARK, BrokenError, Diary, answered_twice
from small_world import Scripted as Marker

from llamaduo.desk import Desk
from llamaduo.judge import Ends, Stop
from llamaduo.judge.paper import PaperJudge
from llamaduo.ledger import Ledger
from llamaduo.progress import Progress
from llamaduo.records import Answer, Judgement, Outcome, Reply, Score

Same = Callable[[Sequence[Ends]], bool]


def never(ends: Sequence[Ends]) -> bool:
    return False


def at_once(ends: Sequence[Ends]) -> bool:
    return True


def stop(same: Same) -> Stop:
    return Stop(similarity=50, precision=50, same=same)


def times(found: list[Judgement]) -> list[int]:
    return [len(one.marks) for one in found]


def test_judging_ends_after_two_repeats_where_the_verdict_is_the_same() -> None:
    caller = Scripted(marks(50, 50))
    answers = [answer("A"), answer("B", name="b")]
    found = graded(judge(10), answers, caller, stop=stop(at_once))
    assert [one.answer for one in found] == answers
    assert (times(found), [one.spared for one in found]) == ([2, 2], [8, 8])
    assert [request.sample for request in caller.asked] == [0, 1, 0, 1]


def test_asked_again_is_only_what_is_open() -> None:
    near, far = marks(50, 50), marks(90, 90)
    caller = Scripted(near, near, far, far, near)
    found = graded(judge(5), [answer("A"), answer("B", name="b")], caller, stop=stop(never))
    assert (times(found), [one.spared for one in found]) == ([5, 2], [0, 3])
    asked = Counter(request.row for request in caller.asked)
    assert asked == {"a": 5, "b": 2}
    assert [r.sample for r in caller.asked if r.row == "a"] == [0, 1, 2, 3, 4]
    assert found[1].score == Score(similarity=90, precision=90)


def test_judging_ends_at_the_turn_after_which_the_verdict_is_the_same() -> None:
    seen: list[tuple[int, int, int]] = []

    def third(ends: Sequence[Ends]) -> bool:
        seen.extend(ends)
        return len(seen) == 3

    found = graded(judge(9), [answer()], Scripted(marks(50, 50)), stop=stop(third))
    assert (times(found), found[0].spared) == ([4], 5)
    assert seen == [(0, 1, 1)] * 3


def test_all_answers_of_an_open_prompt_are_asked_again() -> None:
    caller = Scripted(marks(50, 50))
    answers = [answer("A"), answer("B", sample=1), answer("C", name="b")]
    found = graded(judge(3), answers, caller, stop=stop(never))
    assert times(found) == [3, 3, 3]
    assert [len(batch) for batch in (caller.asked[:6], caller.asked[6:])] == [6, 3]


def test_a_prompt_without_any_mark_stays_open() -> None:
    caller = Scripted("I would rather not.")
    [found] = graded(judge(4), [answer()], caller, stop=stop(never))
    assert (found.score, len(found.why), found.spared, len(caller.asked)) == (None, 4, 0, 4)


def test_an_answer_that_never_came_is_not_sent_by_turns_either() -> None:
    gone = answer("", name="b").model_copy(update={"finish": "none", "why": "refused: policy"})
    caller = Scripted(marks(50, 50))
    found = graded(judge(4), [gone, answer()], caller, stop=stop(never))
    assert (found[0].score, found[0].why, found[0].spared) == (None, ("refused: policy",), 0)
    assert {request.row for request in caller.asked} == {"a"}
    assert times(found) == [0, 4]


@pytest.mark.parametrize(
    ("by", "rule"),
    [(judge(4), None), (judge(4, early_stop=False), stop(at_once)), (judge(2), stop(at_once))],
    ids=["no rule", "not wanted", "nothing to spare"],
)
def test_every_repeat_is_asked_for_where_none_may_be_spared(
    by: PaperJudge, rule: Stop | None
) -> None:
    [found] = graded(by, [answer()], Scripted(marks(50, 50)), stop=rule)
    assert (len(found.marks), found.spared) == (by.repeats, 0)


def test_turns_give_the_marks_that_asking_all_at_once_gives() -> None:
    """The first repeats are the same calls, whoever asks; so raising repeats keeps them."""
    answers = [answer(str(i), name=f"r{i}") for i in range(Scripted.at_once // 2 + 3)]
    whole, turns = Scripted(marks(50, 50)), Scripted(marks(50, 50))
    graded(judge(3), answers, whole)
    found = graded(judge(3), answers, turns, stop=stop(never))
    assert [one.answer for one in found] == answers
    assert sorted(turns.asked, key=str) == sorted(whole.asked, key=str)
    assert max(turns.batches) <= Scripted.at_once


def by_the_ledger(folder: Path, diary: Diary, answers: list[Answer]) -> list[Judgement]:
    marker = Marker(diary=diary)
    by = PaperJudge(service=marker, prompt=MARK, repeats=5, max_tokens=99, temperature=1)
    ledger = Ledger(folder / "ledger.sqlite")
    try:
        desk = Desk(
            ledger=ledger, service=marker, recipe="judgements/1", run="r", seed=1, budget=None
        )
        rule = Stop(similarity=10, precision=10, same=never)
        quiet = Progress(io.StringIO())
        return list(by.grade(answers, {"": desk}, stop=rule, progress=quiet))
    finally:
        assert answered_twice(ledger) == 0
        ledger.close()


def test_turns_cut_by_a_stop_go_on_from_the_ledger(tmp_path: Path) -> None:
    answers = [answer(f"No {i}.", name=f"r{i}") for i in range(4)]
    diary = Diary()
    diary.breaks = {"mark": 11}
    with pytest.raises(BrokenError):
        by_the_ledger(tmp_path, diary, answers)
    assert len(diary.asked) == 11
    diary.breaks = {}
    found = by_the_ledger(tmp_path, diary, answers)
    assert times(found) == [5] * 4
    assert len(diary.asked) == 20
    assert by_the_ledger(tmp_path, diary, answers) == found
    assert len(diary.asked) == 20


def test_a_reply_that_did_not_end_well_counts_as_a_turn() -> None:
    bad = Reply(outcome=Outcome.REFUSED, cause="policy")
    [found] = graded(judge(4), [answer()], Scripted(bad, marks(50, 50)), stop=stop(at_once))
    assert (len(found.marks), found.why, found.spared) == (1, ("refused: policy",), 2)
