"""A real small model judges: what it says is messy, and the run ends in a verdict all the same."""

import io
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from llama_server import llama_server, small_model
from mlflow_server import free_port

from llamaduo import session
from llamaduo.config import from_overrides
from llamaduo.findings import Result
from llamaduo.judge.paper import PaperJudge
from llamaduo.progress import Progress
from llamaduo.records import Outcome

PROMPT = (
    "Grade the answer to: {instruction} The reference is {target} and the answer is {answer} "
    'Reply with {"tag": "{tag}", "similarity": 50, "precision": 50}, with your own numbers.'
)
"""Short, since a small model on a busy machine reads slowly."""


def words(port: int, home: Path) -> list[str]:
    """A run whose engine and judge are the real model; who would teach is simulated, and idle."""
    what = (
        *("name=small", "model=openai/small", f"api_base=http://127.0.0.1:{port}/v1"),
        *("key_env=null", "price.input=0.1", "price.output=0.4", "price.as_of=2026-01-02"),
        *("price.source=test", "context=1024", "concurrency=1", "attempts=2", "backoff=0.01"),
        "transport=direct",
    )
    return [
        *("experiments=demo_tiny", "tuner=none", "engine=openai_endpoint", "engine.max_tokens=8"),
        *("service@judge.service=openai_compatible", "allow_simulated=true", "tracker=none"),
        *(f"{who}.service.{one}" for who in ("judge", "engine") for one in what),
        *("rounds=1", "samples=1", "task.rows.limit=6", "judge.repeats=1", "judge.audit=0"),
        *("baselines=[]", "judge.max_tokens=20", f"home={home}"),
    ]


@dataclass(frozen=True)
class Judged:
    """What came of a run."""

    result: Result
    replies: list[tuple[str, str]]
    """Outcome and text of every call to the judge, in the ledger."""
    report: str


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    folder, port = tmp_path_factory.mktemp("judge"), free_port()
    exp = from_overrides(words(port, folder / "home"))
    assert isinstance(exp.judge, PaperJudge)
    judge = exp.judge.model_copy(update={"prompt": PROMPT})
    exp = exp.model_copy(update={"judge": judge})
    with llama_server(small_model(folder), port, "small", folder, context=1024):
        result = session.run(exp, Progress(io.StringIO()))
    with closing(sqlite3.connect(folder / "home/.llamaduo/ledger.sqlite")) as db:
        replies = db.execute(
            "select outcome, text from calls join replies using (key)"
            " where stage like 'judgements/%' order by at"
        ).fetchall()
    [report] = (folder / "home/.llamaduo/runs").glob("*/report.md")
    return Judged(result, replies, report.read_text(encoding="utf-8"))


def test_every_reply_of_a_real_model_has_a_typed_outcome_and_is_kept(judged: Judged) -> None:
    assert judged.result.test is not None
    outcomes = Counter(outcome for outcome, _ in judged.replies)
    asked = sum(tally.calls for tally in judged.result.tallies if tally.stage == "judgements")
    assert sum(outcomes.values()) == asked >= 4
    assert set(outcomes) <= {Outcome.OK, Outcome.UNREADABLE, Outcome.TRUNCATED}
    assert all(text for _, text in judged.replies)
    assert len({text for _, text in judged.replies}) > 1


def test_only_what_could_be_read_is_a_mark(judged: Judged) -> None:
    result = judged.result
    assert result.test is not None
    looks = (result.test, result.rounds[-1].assessment)
    read = sum(outcome == Outcome.OK for outcome, _ in judged.replies)
    assert sum(look.marks for look in looks) == read
    assert sum(look.unjudged for look in looks) == len(judged.replies) - read


def test_the_run_ends_in_a_verdict_and_no_crash(judged: Judged) -> None:
    assert judged.result.decision.verdict in ("keep the service", "not enough data")
    assert judged.result.decision.verdict in judged.report
