"""The experiment: what its fingerprint holds, and which services do not meet in one."""

from pathlib import Path

import pytest
from pydantic import ValidationError
from small_world import Diary, Scripted, altered, experiment

from llamaduo.task.rows import FileRows
from llamaduo.tuner.untuned import Untuned


@pytest.fixture
def diary() -> Diary:
    return Diary()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_limits_and_places_keep_the_fingerprint(tmp_path: Path, diary: Diary) -> None:
    exp = experiment(tmp_path / "home", diary)
    name = exp.fingerprint()
    limits = {"rounds": 9, "budget_usd": 3.0, "home": tmp_path, "allow_simulated": True}
    limits["ledger"] = "postgresql"
    for key, value in limits.items():
        assert altered(exp, **{key: value}).fingerprint() == name, key
    assert experiment(tmp_path / "elsewhere", diary).fingerprint() == name


def test_what_makes_the_result_makes_the_fingerprint(tmp_path: Path, diary: Diary) -> None:
    exp = experiment(tmp_path / "home", diary)
    changed = {
        "seed": 1,
        "samples": 3,
        "baselines": ("untuned",),
        "goal": altered(exp.goal, precision=91),
        "tuner": Untuned(),
        "service": Scripted(diary=diary, name="other"),
        "dedup": altered(exp.dedup, leaks=0.4),
        "synth": altered(exp.synth, rows=31),
        "engine": altered(exp.engine, enough=1),
        "local": altered(exp.local, revision="2"),
    }
    names = {key: altered(exp, **{key: value}).fingerprint() for key, value in changed.items()}
    assert len({exp.fingerprint(), *names.values()}) == len(changed) + 1


def test_how_a_baseline_is_made_counts_only_where_there_is_one(
    tmp_path: Path, diary: Diary
) -> None:
    plain = experiment(tmp_path / "home", diary)
    ceiling = altered(plain.ceiling, max_tokens=7)
    assert altered(plain, shots=9, ceiling=ceiling).fingerprint() == plain.fingerprint()
    chosen = altered(plain, baselines=("few_shot", "service"))
    found = {
        chosen.fingerprint(),
        altered(chosen, shots=9).fingerprint(),
        altered(chosen, ceiling=ceiling).fingerprint(),
    }
    assert len(found) == 3


def test_against_the_service_its_own_answers_have_to_be_a_baseline(
    tmp_path: Path, diary: Diary
) -> None:
    goal = {"at_least": 90, "similarity": 90, "precision": 90, "against": "service"}
    with pytest.raises(ValidationError, match="add `service` to baselines"):
        experiment(tmp_path / "home", diary, goal=goal)


def test_a_persons_scores_that_cannot_be_read_are_said_before_anything_is_spent(
    tmp_path: Path, diary: Diary
) -> None:
    path = tmp_path / "person.jsonl"
    path.write_text('{"instruction": "What?", "target": "This."}\n', encoding="utf-8")
    exp = experiment(tmp_path / "home", diary)
    [fault] = altered(exp, judge=altered(exp.judge, human=path)).faults()
    assert fault.startswith("judge.human: ")
    assert "line 1" in fault
    assert "answer" in fault


def test_a_changed_byte_of_the_coverage_file_is_another_run(tmp_path: Path, diary: Diary) -> None:
    exp = experiment(tmp_path / "home", diary)
    before = exp.fingerprint()
    path = tmp_path / "home" / "rows.jsonl"
    path.write_bytes(path.read_bytes().replace(b"target 7", b"target 8"))
    assert exp.fingerprint() != before
    path.write_bytes(path.read_bytes().replace(b'"target 8"', b'"target 7"', 1))
    assert exp.fingerprint() == before
    moved = path.rename(tmp_path / "moved.jsonl")
    task = altered(exp.task, rows=FileRows(path=moved))
    assert altered(exp, task=task).fingerprint() == before


def test_a_simulated_and_a_paid_service_do_not_meet_unless_allowed(
    home: Path, diary: Diary
) -> None:
    paid, played = Scripted(diary=diary), Scripted(diary=diary, name="played", simulated=True)
    with pytest.raises(ValidationError, match="played teaches and scripted judges"):
        experiment(home, diary, service=played)
    judge = altered(experiment(home, diary).judge, service=played)
    with pytest.raises(ValidationError, match="allow_simulated=true"):
        experiment(home, diary, service=paid, judge=judge)
    assert experiment(home, diary, service=played, allow_simulated=True).simulated
    assert experiment(home, diary, service=played, judge=judge).simulated
    assert not experiment(home, diary).simulated
