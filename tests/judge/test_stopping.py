"""When judging may end: never below two, never where the verdict is open."""

from collections.abc import Sequence

import numpy as np
import pytest

from llamaduo.decision import same_at_both_ends
from llamaduo.judge import Ends, Stop
from llamaduo.judge.stopping import Tallies, to_judge_again
from llamaduo.records import Score

NEVER = Stop(90, 90, lambda ends: False)


def tallies(*prompts: Sequence[Sequence[float]]) -> Tallies:
    """Return the marks of prompts: of each the answers, of each answer its marks."""
    cells = [i for i, answers in enumerate(prompts) for _ in answers]
    seen = Tallies(cells, [""] * len(prompts))
    for i, marks in enumerate(marks for answers in prompts for marks in answers):
        for mark in marks:
            seen.add(i, Score(similarity=mark, precision=mark))
    return seen


def goal(at_least: float) -> Stop:
    return Stop(90, 90, lambda ends: same_at_both_ends(*ends[0], at_least, 0.95))


def test_a_clear_prompt_is_left_alone_and_an_open_one_is_judged_again() -> None:
    seen = tallies([[10, 14], [8, 11]], [[89, 93], [92, 88]], [[99, 100], [98, 99]])
    assert to_judge_again(seen, 10, NEVER) == [1]


def test_where_the_verdict_is_settled_nothing_is_judged_again() -> None:
    seen = tallies(*[[[10, 14], [8, 11]]] * 50, [[89, 93], [92, 88]])
    assert to_judge_again(seen, 10, goal(60)) == []
    assert to_judge_again(seen, 10, NEVER) == [50]


def test_with_all_repeats_in_there_is_nothing_left_to_come() -> None:
    seen = tallies([[89, 93]], [[90.5, 89.6]])
    assert to_judge_again(seen, 2, NEVER) == []


def test_a_prompt_without_a_mark_may_end_either_way() -> None:
    seen = tallies([[]], [[10, 12]])
    assert to_judge_again(seen, 10, NEVER) == [0]
    assert ends_of(seen) == [(0, 1, 2)]


def ends_of(seen: Tallies) -> list[Ends]:
    """Return what the rule is asked about."""
    asked: list[Ends] = []

    def same(ends: Sequence[Ends]) -> bool:
        asked.extend(ends)
        return True

    to_judge_again(seen, 10, Stop(90, 90, same))
    return asked


def test_every_category_is_asked_about_where_there_are_two() -> None:
    seen = Tallies([0, 1, 2], ["a", "b", "a"])
    for cell, mark in ((0, 10.0), (1, 99.0), (2, 99.0)):
        for _ in range(2):
            seen.add(cell, Score(similarity=mark, precision=mark))
    assert ends_of(seen) == [(2, 2, 3), (1, 1, 2), (1, 1, 1)]
    alone = Tallies([0, 1], ["a", "a"])
    assert len(ends_of(alone)) == 1


def test_members_that_differ_by_a_constant_are_no_noise() -> None:
    prompts = [[[97.0, 97.0], [91.0, 91.0]], [[15.0, 15.0], [9.0, 9.0]]]
    assert to_judge_again(tallies(*prompts), 10, NEVER) == []


def test_where_some_answers_divide_the_judge_others_that_agree_so_far_stay_open() -> None:
    agree, divided = [[100.0, 100.0]], [[100.0, 20.0]]
    alike = tallies(*[agree] * 60)
    assert to_judge_again(alike, 10, Stop(85, 85, lambda ends: False)) == []
    mixed = tallies(*[agree] * 57, *[divided] * 3)
    assert len(to_judge_again(mixed, 10, Stop(85, 85, lambda ends: False))) == 60


def test_one_mark_an_answer_tells_nothing_of_how_far_a_judge_strays() -> None:
    seen = tallies([[10]], [[99]])
    assert to_judge_again(seen, 10, NEVER) == [0, 1]


def test_both_marks_have_to_be_clear() -> None:
    seen = Tallies([0], [""])
    for precision in (88.0, 92.0):
        seen.add(0, Score(similarity=99, precision=precision))
    assert to_judge_again(seen, 10, NEVER) == [0]
    other = Tallies([0], [""])
    for precision in (10.0, 12.0):
        other.add(0, Score(similarity=90, precision=precision))
    assert to_judge_again(other, 10, NEVER) == []


def test_a_judge_that_strays_further_is_asked_again_for_more_prompts() -> None:
    def still_open(spread: float) -> int:
        draw = np.random.default_rng(3)
        truth = draw.uniform(70, 100, 200)
        marks = np.clip(truth[:, None, None] + draw.normal(0, spread, (200, 2, 2)), 0, 100)
        return len(to_judge_again(tallies(*marks.tolist()), 10, NEVER))

    assert still_open(2) < still_open(8) < still_open(20)


@pytest.mark.parametrize("spread", [5.0, 15.0])
def test_the_verdict_is_that_of_all_repeats_and_calls_are_spared(spread: float) -> None:
    draw = np.random.default_rng(int(spread))
    same = asked = 0
    runs, prompts, answers, repeats = 40, 60, 2, 8
    for _ in range(runs):
        truth = np.where(draw.random((prompts, 1)) < 0.8, 97, draw.uniform(20, 97, (prompts, 1)))
        noise = draw.normal(0, spread, (prompts, answers, repeats))
        marks = np.clip(truth[:, :, None] + noise, 0, 100)
        times = np.full(prompts, 2)
        stop = Stop(80, 80, lambda ends: same_at_both_ends(*ends[0], 70, 0.95))
        while True:
            now = tallies(*[marks[i, :, : times[i]].tolist() for i in range(prompts)])
            again = to_judge_again(now, repeats, stop)
            if not again or times[again].max() == repeats:
                break
            times[again] += 1
        seen = sum(marks[i, :, : times[i]].mean() >= 80 for i in range(prompts))
        whole = int((marks.mean(axis=(1, 2)) >= 80).sum())
        same += same_at_both_ends(min(seen, whole), max(seen, whole), prompts, 70, 0.95)
        asked += times.sum()
    assert same >= runs - 1
    assert asked / (runs * prompts * repeats) < 0.7
