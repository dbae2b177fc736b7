"""What every prompt scored: counted from judgements, written, and read again."""

from pathlib import Path

import pytest

from llamaduo import scores
from llamaduo.records import Answer, Example, Judgement, Message, Score
from llamaduo.scores import ScoreRow, read_scores, score_rows, write_scores


class Ninety:
    similarity = 90.0
    precision = 80.0


def example(name: str, text: str = "Which?", target: str = "yes") -> Example:
    return Example(
        id=name, messages=(Message(role="user", content=text),), target=target, category="a\u2028b"
    )


def judged(name: str, mark: float | None, *, cut: bool = False) -> Judgement:
    answer = Answer(example=example(name), text="yes", finish="length" if cut else "stop")
    score = None if mark is None else Score(similarity=mark, precision=mark - 10)
    return Judgement(answer=answer, score=score)


ROWS = [judged("p", 100), judged("p", 80, cut=True), judged("q", 70), judged("q", None)]


def test_each_prompt_has_the_mean_of_its_answers_and_its_coverage() -> None:
    p, q = score_rows({("round 0", "dev"): ROWS}, Ninety())
    assert (p.id, p.similarity, p.precision, p.covered) == ("p", 90, 80, True)
    assert (p.answers, p.cut, p.part, p.model) == (2, 1, "dev", "round 0")
    assert (q.similarity, q.covered, q.answers) == (70, False, 2)


def test_an_unjudged_prompt_has_a_row_without_marks() -> None:
    [row] = score_rows({("untuned", "test"): [judged("p", None)]}, Ninety())
    assert (row.similarity, row.precision, row.covered, row.score) == (None, None, None, None)


def test_what_is_written_is_read_again_and_a_damaged_line_is_refused(tmp_path: Path) -> None:
    path = tmp_path / scores.FILE
    rows = list(score_rows({("round 0", "dev"): ROWS, ("round 0", "test"): ROWS}, Ninety()))
    write_scores(path, rows)
    write_scores(path, rows)
    assert read_scores(path) == tuple(rows)
    assert [p.name for p in tmp_path.iterdir()] == [scores.FILE]
    path.write_text(path.read_text()[:-20])
    with pytest.raises(ValueError, match="ScoreRow"):
        read_scores(path)


def test_a_test_set_is_known_by_its_prompts_and_targets_in_any_order() -> None:
    one, two = example("a"), example("b", text="What?")
    known = scores.prompts_digest([one, two])
    assert scores.prompts_digest([two, one]) == known
    for others in ([one], [one, example("b")], [one, example("b", "What?", "no")]):
        assert scores.prompts_digest(others) != known


def test_a_row_has_a_score_only_with_both_marks() -> None:
    [p, _] = score_rows({("round 0", "dev"): ROWS}, Ninety())
    assert isinstance(p, ScoreRow) and p.score == Score(similarity=90, precision=80)
