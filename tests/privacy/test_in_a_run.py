"""A whole run over rows with planted values: asked about, refused, sent, or hidden and restored."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from small_world import Diary, altered, experiment, play, unlike

from llamaduo import preflight, session
from llamaduo.bench import Bench
from llamaduo.config import from_overrides
from llamaduo.errors import ConfigError
from llamaduo.experiment import Experiment
from llamaduo.labels import params
from llamaduo.ledger import Ledger
from llamaduo.preflight import rows as rows_of
from llamaduo.privacy import Privacy
from llamaduo.privacy.asking import careful
from llamaduo.privacy.finder import Finder
from llamaduo.privacy.redacting import Redacting
from llamaduo.privacy.told import told
from llamaduo.progress import Progress
from llamaduo.records import Message, Request
from llamaduo.service import Caller
from llamaduo.store import Store
from llamaduo.task.coverage import CoverageTask
from llamaduo.task.rows import FileRows
from llamaduo.tuner.untuned import Untuned

REDACT = Privacy(personal_data="redact", ignore=("secret",))
DOMAIN = b"acme-people.org"


def write(path: Path, count: int = 40) -> Path:
    rows = [
        {
            "instruction": f"{unlike(f'row{i}')}\nwrite to p{i}@{DOMAIN.decode()}",
            "response": f"target {i} for p{i}@{DOMAIN.decode()}",
        }
        for i in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def diary() -> Diary:
    return Diary()


@pytest.fixture
def exp(tmp_path: Path, diary: Diary) -> Experiment:
    made = experiment(tmp_path / "home", diary, rounds=2, privacy={"ignore": ["secret"]})
    path = write(made.home / "rows.jsonl")
    assert isinstance(made.task, CoverageTask)
    task = altered(made.task, rows=FileRows(path=path))
    return made.model_copy(update={"task": task})


def holding(folder: Path, name: str) -> int:
    """Count the files in which a planted address stands."""
    return sum(DOMAIN in path.read_bytes() for path in folder.rglob(name) if path.is_file())


def said(exp: Experiment) -> str:
    assert isinstance(exp.task, CoverageTask)
    out = io.StringIO()
    preflight.refuse_unasked(exp, exp.task.place(), Progress(out))
    return out.getvalue()


def test_hidden_values_are_in_no_call_and_in_every_row(exp: Experiment, diary: Diary) -> None:
    played = play(altered(exp, privacy=REDACT))
    sent = "".join(m.content for request in diary.asked for m in request.messages)
    assert DOMAIN.decode() not in sent
    assert "write to [EMAIL_1]" in sent
    assert holding(exp.home, "ledger.sqlite*") == 0
    assert holding(exp.home / "store", "rows.jsonl") >= 5
    judged = [row for one in played.judged.values() for row in one.rows]
    assert all(row.score for row in judged)
    assert any(row.score.similarity == 100 for row in judged if row.score)
    assert "[EMAIL_" not in "".join(row.model_dump_json() for row in judged)
    [fresh] = (exp.home / "store" / "synthetic").glob("**/rows.jsonl")
    assert DOMAIN in fresh.read_bytes(), "what was written in a row's likeness has its value"


def test_a_run_that_hides_shares_no_result_of_a_service_with_one_that_does_not(
    exp: Experiment, diary: Diary
) -> None:
    plain = altered(exp, privacy=altered(REDACT, personal_data="send"))
    made = play(plain).made
    again = play(altered(exp, privacy=REDACT))
    assert again.made.count("judgements") == made.count("judgements")
    assert set(again.made) == {"judgements", "synthetic"}, (
        "what the service is no part of is shared"
    )
    assert not play(altered(exp, privacy=REDACT)).made
    assert not play(plain).made


def test_what_was_hidden_is_counted_from_the_ledger(exp: Experiment) -> None:
    play(altered(exp, privacy=REDACT))
    ledger = Ledger(exp.home / "ledger.sqlite")
    try:
        [(stage,)] = ledger._db.execute(
            "select distinct recipe from uses where recipe like 'synthetic%'"
        ).fetchall()
        assert told(ledger, [stage]) == [
            "synthetic: placeholders in 6 of 6 requests: e-mail addresses in 6"
        ]
        assert told(ledger, ["nothing/1"]) == []
        for privacy, lines in ((REDACT, 1), (exp.privacy, 0)):
            store, silent = Store(exp.home / "store"), Progress(io.StringIO())
            bench = Bench(altered(exp, privacy=privacy), store, ledger, silent, "run", [stage])
            report = session.made_of(bench.exp, bench)
            assert sum(line.startswith("synthetic: placeholders in 6") for line in report) == lines
    finally:
        ledger.close()


def test_rows_that_nobody_said_may_be_sent_are_refused_with_where_they_stand(
    exp: Experiment,
) -> None:
    with pytest.raises(ConfigError) as error:
        said(exp)
    words = str(error.value)
    assert "what looks like 40 e-mail addresses, in 40 of 40 rows" in words
    assert "rows.jsonl line 7, row " in words
    assert "e-mail address p6***" in words
    assert "and 20 more rows" in words
    assert "privacy.personal_data=redact" in words
    assert DOMAIN.decode() not in words
    assert error.value.exit_code == 2


def test_what_is_sent_or_hidden_is_said(exp: Experiment) -> None:
    sends = altered(exp, privacy=Privacy(personal_data="send", ignore=("secret",)))
    assert "e-mail addresses, in 40 of 40 rows (privacy.personal_data=send)" in said(sends)
    assert "will be sent placeholders" in said(altered(exp, privacy=REDACT))


def test_where_nothing_leaves_nothing_is_asked(exp: Experiment, diary: Diary) -> None:
    service = altered(exp.service, simulated=True)
    judge = altered(exp.judge, service=service)
    assert said(altered(exp, service=service, judge=judge)) == ""
    inside = Privacy(inside=(exp.service.name,))
    assert said(altered(exp, privacy=inside)) == ""


def test_only_the_rows_that_a_service_outside_is_asked_with_count(exp: Experiment) -> None:
    judge = altered(exp.judge, service=altered(exp.service, simulated=True))
    taught = altered(exp, judge=judge)
    with pytest.raises(ConfigError, match=r"16 of 16 rows"):
        said(taught)  # the seeds
    assert said(altered(taught, rounds=1)) == ""
    with pytest.raises(ConfigError, match=r"12 of 12 rows"):
        said(altered(taught, rounds=1, baselines=("service",)))  # the test


def test_rows_that_a_judged_model_learned_count_too(exp: Experiment) -> None:
    teacher = altered(exp.service, name="played", simulated=True)
    judged = altered(exp, service=teacher, rounds=1)
    with pytest.raises(ConfigError, match="40 of 40 rows"):
        said(judged)
    untuned = altered(judged, tuner=Untuned())
    with pytest.raises(ConfigError, match="24 of 24 rows"):
        said(untuned)  # dev and test
    with pytest.raises(ConfigError, match="40 of 40 rows"):
        said(altered(untuned, baselines=("few_shot",)))


def test_scored_answers_of_a_person_are_looked_at_too(exp: Experiment, tmp_path: Path) -> None:
    human = tmp_path / "human.jsonl"
    row = {"instruction": "Who?", "target": "Bob.", "answer": "bob@example.org"}
    human.write_text(json.dumps({**row, "similarity": 9, "precision": 9}) + "\n")
    judged = altered(exp, judge=altered(exp.judge, human=human))
    with pytest.raises(ConfigError, match="41 e-mail addresses, in 41 of 41 rows"):
        said(judged)


def overrides(path: Path, *more: str) -> list[str]:
    words = ["experiments=demo_tiny", "service=gpt", "judge.service=null", "tracker=none"]
    return [*words, f"task.rows.path={path}", "task.checks={}", *more]


def test_a_run_ends_before_anything_is_asked_and_tells_no_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none-of-anybody")
    exp = from_overrides(overrides(write(tmp_path / "mine.jsonl")))
    with pytest.raises(ConfigError, match="may not send its rows yet"):
        session.run(exp, Progress(io.StringIO()))
    place = tmp_path / ".llamaduo" / "runs" / exp.fingerprint()
    assert "e-mail address" in (place / "error.json").read_text()
    assert holding(place, "*") == 0
    assert holding(tmp_path / ".llamaduo", "ledger.sqlite*") == 0


def test_doctor_says_it_before_a_run_does(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.jsonl")
    found = list(rows_of.rows(from_overrides(overrides(path)), None))
    assert [one.level for one in found if one.line.startswith("privacy:")] == ["MISSING"]
    hiding = from_overrides(overrides(path, "privacy.personal_data=redact"))
    found = list(rows_of.rows(hiding, None))
    assert [one.level for one in found if one.line.startswith("privacy:")] == ["look"]
    assert params(hiding)["privacy.redact"]
    assert "privacy.redact" not in params(from_overrides(overrides(path)))


class Silent:
    name, spend, at_once = "silent", "$0", 256

    def ask(self, requests: Any, reads: Any = None) -> list[Any]:
        self.asked = [message.content for one in requests for message in one.messages]
        return []


def test_captured_calls_are_asked_about_request_by_request(exp: Experiment) -> None:
    caller: Caller = Silent()
    asked = [
        Request(messages=(Message(role="user", content=text),), max_tokens=9, temperature=0)
        for text in ("Nothing", "bob@example.org and tim@example.org")
    ]
    with pytest.raises(ConfigError, match="1 of 2 prompts for silent hold 2 e-mail addresses"):
        careful(caller, exp.service, exp.privacy).ask(asked)
    careful(caller, exp.service, Privacy(personal_data="send", ignore=("secret",))).ask(asked[:1])
    assert isinstance(careful(caller, exp.service, REDACT), Redacting)
    assert careful(caller, altered(exp.service, simulated=True), REDACT) is caller
    assert Finder((), ()).find("bob@example.org") == []
