"""A panel: the mean over its members, each named beside what it gave and what it did not."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from judge_world import PROMPT, Nobody, Scripted, answer, graded, judge, marks
from pydantic import ValidationError
from small_world import MARK, Diary
from small_world import Scripted as Marker

from llamaduo.component import digest
from llamaduo.desk import Desk
from llamaduo.judge import Judge, Stop
from llamaduo.judge.marks import MarksJudge
from llamaduo.judge.panel import PanelJudge
from llamaduo.ledger import Ledger
from llamaduo.progress import Progress
from llamaduo.records import Outcome, Reply, Score


def members(*names: str) -> dict[str, Nobody]:
    return {name: Nobody(name=f"service-{name}", kind=name) for name in names}


def panel(of: Mapping[str, Any], repeats: int = 1) -> PanelJudge:
    return PanelJudge.model_validate(
        {
            "members": of,
            "prompt": PROMPT,
            "repeats": repeats,
            "max_tokens": 9,
            "temperature": 0.5,
        }
    )


TWO = members("one", "two")


def test_a_judgement_is_the_mean_over_the_members_of_each_ones_mean() -> None:
    one, two = Scripted(marks(80, 60), marks(60, 40)), Scripted(marks(10, 10), marks(20, 20))
    [found] = graded(panel(TWO, repeats=2), [answer()], one, two)
    assert found.score == Score(similarity=42.5, precision=32.5)
    assert [(mark.similarity, mark.by) for mark in found.marks] == [
        (80, "one"),
        (10, "two"),
        (60, "one"),
        (20, "two"),
    ]


def test_a_member_with_marks_missing_counts_as_much_as_the_others_and_is_named() -> None:
    refused = Reply(outcome=Outcome.REFUSED, cause="policy")
    one, two = Scripted(marks(80, 80)), Scripted(refused, marks(20, 20), "No.")
    [found] = graded(panel(TWO, repeats=3), [answer()], one, two)
    assert found.score == Score(similarity=50, precision=50)
    assert [mark.by for mark in found.marks].count("two") == 1
    assert found.why == (
        "two: refused: policy",
        "two: unreadable: no JSON object that repeats the tag",
    )


def test_without_a_mark_of_one_member_the_others_decide_and_without_any_nobody_does() -> None:
    silent = Scripted("No.")
    [found] = graded(panel(TWO), [answer()], Scripted(marks(80, 60)), silent)
    assert found.score == Score(similarity=80, precision=60)
    [found] = graded(panel(TWO), [answer()], silent, silent)
    assert found.score is None
    assert [cause.partition(":")[0] for cause in found.why] == ["one", "two"]


def test_all_members_are_asked_the_same_and_as_one_judge_would_ask() -> None:
    one, two, alone = (Scripted(marks(50, 50)) for _ in range(3))
    answers = [answer(str(i), name=str(i)) for i in range(Scripted.at_once)]
    found = graded(panel(TWO, repeats=2), answers, one, two)
    graded(judge(2), answers, alone)
    assert one.asked == two.asked == alone.asked
    assert max(one.batches) <= Scripted.at_once // 2
    assert [row.answer for row in found] == answers


def test_what_a_panel_paid_for_is_not_paid_again_by_a_member_alone(tmp_path: Path) -> None:
    diary = Diary()
    of = {name: Marker(diary=diary, name=name) for name in ("one", "two")}
    ledger = Ledger(tmp_path / "ledger.sqlite")

    def asks(by: MarksJudge, repeats: int) -> int:
        by = by.model_copy(update={"repeats": repeats, "prompt": MARK})
        desks = {
            name: Desk(ledger=ledger, service=one, recipe="j/1", run="r", seed=1, budget=None)
            for name, one in by.services.items()
        }
        before = len(diary.asked)
        list(by.grade([answer()], desks, stop=None, progress=Progress(io.StringIO())))
        return len(diary.asked) - before

    alone = judge().model_copy(update={"service": of["two"]})
    assert asks(panel(of), 3) == 6
    assert [asks(alone, repeats) for repeats in (3, 5)] == [0, 2]
    ledger.close()


def test_turns_end_by_the_marks_of_all_members_together() -> None:
    near, far = Scripted(marks(50, 50)), Scripted(marks(90, 90))
    rule = Stop(similarity=70, precision=70, same=lambda ends: False)
    [found] = graded(panel(TWO, repeats=5), [answer()], near, far, stop=rule)
    assert (len(found.marks), found.spared) == (10, 0)
    rule = Stop(similarity=70, precision=70, same=lambda ends: True)
    [found] = graded(panel(TWO, repeats=5), [answer()], near, far, stop=rule)
    assert (len(found.marks), found.spared) == (4, 6)


def test_a_panel_of_three_is_not_settled_before_its_marks_are() -> None:
    three = members("one", "two", "three")
    callers = [Scripted(marks(50, 50)) for _ in three]
    rule = Stop(similarity=50, precision=50, same=lambda ends: False)
    [found] = graded(panel(three, repeats=4), [answer()], *callers, stop=rule)
    assert (len(found.marks), found.spared) == (12, 0)


def test_its_name_says_all_and_its_services_are_its_members() -> None:
    found = panel(TWO)
    assert isinstance(found, Judge)
    assert found.name == "service-one + service-two"
    assert list(found.services) == ["one", "two"]


def test_who_sits_on_it_and_under_what_name_is_part_of_its_key() -> None:
    keys = [panel(members(*names)).key() for names in (("one", "two"), ("one", "six"))]
    renamed = panel({"one": TWO["one"], "2": TWO["two"]}).key()
    assert len({digest(key) for key in (*keys, renamed)}) == 3


@pytest.mark.parametrize(
    ("of", "said"),
    [
        ({}, "a panel has two members at least, and this one has 0"),
        (members("one"), "a panel has two members at least, and this one has 1"),
        ({"one": TWO["one"], "also": TWO["one"]}, "one and also are the same service"),
        ({"": TWO["one"], "two": TWO["two"]}, "a member has a name"),
        ({"one": TWO["one"], "two": "gpt"}, "instance of Service"),
    ],
)
def test_what_is_no_panel_is_refused(of: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        panel(of)
