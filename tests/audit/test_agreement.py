"""Judges beside each other, and beside a person."""

from collections.abc import Sequence

import krippendorff
import numpy as np
import pytest
from judges import marked

from llamaduo.audit import agreement
from llamaduo.audit.agreement import Scored, panel, person
from llamaduo.audit.limits import PERSON
from llamaduo.findings import Finding
from llamaduo.records import Judgement, Score

DRAW = np.random.default_rng(0)
WORTH = np.round(DRAW.uniform(30, 98, 40)).tolist()


def by_three(worth: Sequence[float], offs: Sequence[float], noise: float = 2) -> list[Judgement]:
    """Return two marks by each of three members, each so far off what an answer is worth."""
    draw = np.random.default_rng(1)
    rows = []
    for i, true in enumerate(worth):
        given = [true + off + draw.normal(0, noise) for _ in range(2) for off in offs]
        marks = np.clip(given, 0, 100).tolist()
        rows.append(marked(f"t{i}", *marks, by=("a", "b", "c")))
    return rows


def test_alpha_is_the_librarys_on_the_members_means_of_each_prompt() -> None:
    rows = by_three(WORTH, (0, 5, -5), noise=0)
    found = panel(rows, "similarity")
    table = [np.clip(np.array(WORTH) + off, 0, 100) for off in (0, 5, -5)]
    known = krippendorff.alpha(reliability_data=table, level_of_measurement="interval")
    assert found.value == pytest.approx(known)
    assert found.low is not None
    assert found.high is not None
    assert found.low < known < found.high < 1
    assert not found.flagged
    a, b, c = (np.mean(row) for row in table)
    assert f"Mean marks: a {a:.1f}, b {b:.1f}, c {c:.1f}" in found.says


def test_the_answers_of_a_prompt_are_one_observation_of_the_panel() -> None:
    twice = [
        marked(
            f"t{i}", *(max(min(w + off + side, 100), 0) for off in (0, 3)), sample=s, by=("a", "b")
        )
        for i, w in enumerate(WORTH[:20])
        for s, side in enumerate((-2, 2))
    ]
    assert panel(twice, "precision").n == 20


def test_members_that_do_not_agree_are_flagged() -> None:
    assert panel(by_three(WORTH, (0, -40, 40)), "similarity").flagged
    alike = by_three([60.0] * 40, (0, -20, 20))
    assert panel(alike, "similarity").flagged


def test_marks_that_hardly_vary_are_said_to_and_not_flagged() -> None:
    found = panel(by_three([90.0] * 40, (0, 0, 0), noise=3), "similarity")
    assert found.high is not None
    assert found.high < 0.667
    assert not found.flagged
    assert "the marks vary so little" in found.says


def test_without_repeats_disagreement_is_said_and_not_flagged() -> None:
    rows = [marked(f"t{i}", 10, 90, by=("a", "b")) for i in range(20)]
    found = panel(rows, "similarity")
    assert found.value is not None
    assert not found.flagged
    assert "without repeats" in found.says


def test_a_panel_of_one_mark_or_few_prompts_is_not_measured() -> None:
    same = [marked(f"t{i}", 90, 90, by=("a", "b")) for i in range(20)]
    for rows in (same, by_three(WORTH[:9], (0, 0, 0)), [marked("t", 1, 2)], []):
        found = panel(rows, "similarity")
        assert found.value is None
        assert not found.flagged


def test_a_large_test_is_thinned_evenly_for_alpha(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "MOST", 20)
    assert panel(by_three(WORTH, (0, 0, 0)), "similarity").n == 20


def beside(ours: Sequence[float], theirs: Sequence[float]) -> list[Scored]:
    return [
        (marked(f"p{i}", a), Score(similarity=b, precision=b))
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True))
    ]


def named(found: Sequence[Finding], part: str) -> Finding:
    [one] = [finding for finding in found if part in finding.name]
    return one


def test_distance_and_order_beside_a_person() -> None:
    ours = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
    theirs = [0, 30, 20, 40, 50, 60, 70, 80, 90, 100]
    found = person(beside(ours, theirs), "similarity")
    apart = named(found, "distance")
    assert (apart.value, apart.n) == (3, 10)
    assert "+1.0 with its sign" in apart.says
    assert named(found, "Spearman").value == pytest.approx(1 - 6 * 2 / (10 * 99))
    assert named(found, "Kendall").value == pytest.approx((44 - 1) / 45)


def test_a_judge_whose_order_is_not_the_persons_is_flagged() -> None:
    ours = np.random.default_rng(3).permutation(WORTH).tolist()
    found = person(beside([*ours, *ours], [*WORTH, *reversed(WORTH)]), "precision")
    assert named(found, "Kendall").flagged
    assert not named(found, "Spearman").flagged
    assert not named(person(beside(WORTH, WORTH), "precision"), "Kendall").flagged


def test_few_answers_or_a_person_who_marks_all_alike_flag_nothing() -> None:
    few = list(range(PERSON - 1))
    found = named(person(beside(few, few[::-1]), "similarity"), "Kendall")
    assert (found.flagged, found.value) == (False, -1)
    assert f"{PERSON} answers are needed" in found.says
    flat = [80 + i % 2 for i in range(40)]
    found = named(person(beside(WORTH, flat), "similarity"), "Kendall")
    assert not found.flagged
    assert "hardly differ" in found.says


def test_marks_that_do_not_differ_have_no_order_and_unjudged_answers_are_passed_over() -> None:
    found = person(beside([90] * 30, WORTH[:30]), "similarity")
    assert [f.value is None for f in found] == [False, True, True]
    assert "could not be measured" in named(found, "Kendall").says
    missing = [(marked("p"), Score(similarity=1, precision=1))]
    assert [f.n for f in person(missing, "similarity")] == [0, 0, 0]
