"""The simulated service takes the very path of a paid one: litellm, desk, ledger, price."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from llamaduo.component import SHIPPED, digest
from llamaduo.desk import Desk
from llamaduo.errors import OverBudget
from llamaduo.judge.marks import read_score, reads
from llamaduo.ledger import Ledger
from llamaduo.records import Message, Outcome, Request, Score
from llamaduo.service import Service
from llamaduo.service.simulated import OVERLOADED_EVERY, SimulatedService
from llamaduo.service.teacher import Teacher

pytestmark = pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning")
"""litellm ignores this warning of its own; pytest forgets that it does."""

FIELDS: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[2] / "conf" / "service" / "simulated.yaml").read_text(encoding="utf-8")
)
TAG = "5ca1ab1e"
TO_JUDGE = f"""<reference-{TAG}>
{{"category": "billing"}}
</reference-{TAG}>
<candidate-{TAG}>
{{"category": "billing"}}
</candidate-{TAG}>"""


def service(**changes: Any) -> SimulatedService:
    fields = {name: value for name, value in FIELDS.items() if name != "_target_"}
    return SimulatedService.model_validate({**fields, **changes})


def judge(*samples: int, max_tokens: int = 256, content: str = TO_JUDGE) -> list[Request]:
    message = Message(role="user", content=content)
    return [
        Request(messages=(message,), max_tokens=max_tokens, temperature=1.0, sample=sample, tag=TAG)
        for sample in samples
    ]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "ledger.sqlite")
    yield made
    made.close()


def desk(ledger: Ledger, of: Service, budget: float | None = None) -> Desk:
    return Desk(ledger=ledger, service=of, recipe="judge/1", run="run", seed=42, budget=budget)


def test_it_is_a_service_that_needs_nothing_and_says_what_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "environ", {})
    assert isinstance(service(), Service)
    assert service().simulated
    assert service().faults() == []


def test_a_name_that_hides_that_it_is_simulated_is_refused() -> None:
    with pytest.raises(ValidationError, match="has `simulated` in its name"):
        service(name="gpt-4o")
    assert service(name="my-simulated-judge").name == "my-simulated-judge"


def test_what_it_knows_and_how_it_marks_are_part_of_its_key(tmp_path: Path) -> None:
    knowledge = tmp_path / "knowledge.yaml"
    shipped = service(knowledge=FIELDS["knowledge"]).knowledge
    knowledge.write_bytes(shipped.read_bytes())
    assert digest(service(knowledge=knowledge)) == digest(service())
    knowledge.write_bytes(shipped.read_bytes() + b"\n")
    changed = (service(knowledge=knowledge), service(noise=1), service(lean=1))
    assert len({digest(one) for one in (service(), *changed)}) == 4


def test_knowledge_that_is_not_there_is_refused_when_it_is_built() -> None:
    with pytest.raises(ValidationError, match="there is no file"):
        service(knowledge=SHIPPED + "service/knowledge/gone.yaml")


def test_calls_come_back_through_litellm_with_usage_and_cost(ledger: Ledger) -> None:
    price = {**FIELDS["price"], "input": 1.0, "output": 2.0}
    at = desk(ledger, service(price=price))
    replies = at.ask(judge(*range(5)), reads)
    good = [reply for reply in replies if reply.outcome is Outcome.OK]
    assert len(good) >= 3
    for reply in good:
        assert reply.usage.prompt_tokens == -(-len(TO_JUDGE) // 4)
        assert reply.usage.completion_tokens == -(-len(reply.text) // 4)
        tokens = reply.usage.prompt_tokens + 2 * reply.usage.completion_tokens
        assert reply.usage.usd == pytest.approx(tokens / 1e6)
    assert ledger.spent("run") == pytest.approx(sum(reply.usage.usd for reply in replies))
    assert ledger.tally(at.recipe).usage.usd == pytest.approx(ledger.spent("run"))


def test_calls_that_are_turned_away_are_made_again_and_stay_on_record(ledger: Ledger) -> None:
    at = desk(ledger, service(backoff=0.001))
    count = 2 * OVERLOADED_EVERY
    replies = at.ask(judge(*range(count)), reads)
    tally = ledger.tally(at.recipe)
    assert tally.calls == len(replies) == count
    assert Outcome.FAILED not in {reply.outcome for reply in replies}
    assert 2 <= ledger.calls_now - count <= 4
    assert tally.outcomes["ok"] > 0.9 * count
    assert set(tally.outcomes) <= {"ok", "unreadable", "filtered"}


def test_two_ledgers_get_the_same_replies_and_other_samples_get_others(tmp_path: Path) -> None:
    texts = []
    for name in ("one", "two"):
        ledger = Ledger(tmp_path / name)
        texts.append([reply.text for reply in desk(ledger, service()).ask(judge(*range(20)))])
        ledger.close()
    assert texts[0] == texts[1]
    assert len(set(texts[0])) > 5


def test_a_reply_longer_than_asked_for_is_cut_and_paid_as_cut(ledger: Ledger) -> None:
    [reply] = desk(ledger, service()).ask(judge(1, max_tokens=5))
    assert reply.outcome is Outcome.TRUNCATED
    assert len(reply.text) == 20
    assert reply.usage.completion_tokens == 5


def test_what_its_mind_filters_comes_back_filtered() -> None:
    simulated = service()
    mind = Teacher(yaml.safe_load(simulated.knowledge.read_bytes()), simulated.noise)
    seed = next(n for n in range(5000) if mind.reply(TO_JUDGE, n).finish == "content_filter")
    heard = asyncio.run(simulated.attempt(judge(0)[0], seed, "once"))
    reply, again = heard.reply, heard.again
    assert (reply.outcome, again) == (Outcome.FILTERED, False)


def test_a_strict_and_a_lenient_judge_mark_under_and_over_the_even_one(ledger: Ledger) -> None:
    half = TO_JUDGE.replace('"billing"}\n</candidate', '"billing", "urgent": true}\n</candidate')
    means = []
    for lean in (-6, 0, 6):
        replies = desk(ledger, service(lean=lean)).ask(judge(*range(60), content=half), reads)
        read = [read_score(reply.text, TAG) for reply in replies]
        means.append(fmean(score.precision for score in read if isinstance(score, Score)))
    assert means == pytest.approx([42, 48, 54], abs=2)


@pytest.mark.parametrize("lean", [-100, 100])
def test_a_lean_that_leaves_nothing_of_the_marks_is_refused(lean: float) -> None:
    with pytest.raises(ValidationError, match="lean"):
        service(lean=lean)


def test_play_money_runs_out_as_real_money_does(ledger: Ledger) -> None:
    dear = service(price={**FIELDS["price"], "input": 1000.0, "output": 1000.0})
    bound = dear.upper_bound_usd(judge(0)[0])
    with pytest.raises(OverBudget):
        desk(ledger, dear, budget=2.5 * bound).ask(judge(*range(40)))
    assert 0 < ledger.spent("run") <= 2.5 * bound
    assert ledger.calls_now >= 2
