"""Answers of a model behind an API: all are counted, also those that did not come."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import litellm
import pytest

from llamaduo.config import from_overrides
from llamaduo.desk import Desk
from llamaduo.engine.asked import Asked, answers
from llamaduo.engine.openai_endpoint import OpenAIEndpoint
from llamaduo.errors import ConfigError
from llamaduo.ledger import Ledger
from llamaduo.progress import Progress
from llamaduo.records import Answer, Example, Message, Outcome, Reply, Request
from llamaduo.service.chat import ChatService

CHOSEN = [
    "engine=openai_endpoint",
    "engine.service.name=ours",
    "engine.service.model=openai/ours",
    "engine.service.api_base=http://127.0.0.1:1/v1",
    "engine.service.price={input: 0, output: 0, as_of: 2026-01-31, source: our own server}",
]


class Scripted:
    """A caller that answers with the request's row and sample, but for rows it was told of."""

    name = "scripted"
    spend = "$0"
    at_once = 256

    def __init__(self, **said: Reply) -> None:
        self.said = said
        self.asked: list[Request] = []

    def ask(
        self,
        requests: Sequence[Request],
        reads: Callable[[Request, str], str] = lambda request, text: "",
    ) -> list[Reply]:
        self.asked += requests
        well = [Reply(outcome=Outcome.OK, text=f"{r.row} {r.sample}") for r in requests]
        return [self.said.get(r.row, one) for r, one in zip(requests, well, strict=True)]


def rows(count: int) -> list[Example]:
    asked = [(Message(role="user", content=f"question {i}"),) for i in range(count)]
    return [Example(id=f"r{i}", messages=m, target="t") for i, m in enumerate(asked)]


def endpoint() -> OpenAIEndpoint:
    exp = from_overrides(["tuner=none", *CHOSEN])
    assert isinstance(exp.engine, OpenAIEndpoint)
    return exp.engine


def given(caller: Scripted, prompts: list[Example], done: Sequence[Answer] = ()) -> list[Answer]:
    how = Asked(endpoint().service, max_tokens=9, temperature=0.5)
    quiet = Progress(io.StringIO())
    return list(answers(prompts, caller, how, samples=2, done=done, progress=quiet))


def test_every_prompt_is_asked_as_often_as_there_are_samples() -> None:
    caller = Scripted()
    found = given(caller, rows(2))
    assert [(a.example.id, a.sample, a.text) for a in found] == [
        ("r0", 0, "r0 0"),
        ("r0", 1, "r0 1"),
        ("r1", 0, "r1 0"),
        ("r1", 1, "r1 1"),
    ]
    assert {(r.max_tokens, r.temperature) for r in caller.asked} == {(9, 0.5)}


def test_an_answer_that_did_not_come_stays_in_the_count_with_its_cause() -> None:
    refused = Reply(outcome=Outcome.REFUSED, cause="policy")
    cut = Reply(outcome=Outcome.TRUNCATED, cause="max_tokens", text="half an ans")
    found = given(Scripted(r0=refused, r1=cut), rows(3))
    assert [a.finish for a in found] == ["none", "none", "length", "length", "stop", "stop"]
    assert found[0].why == "no answer, refused: policy"
    assert (found[0].text, found[2].text) == ("", "half an ans")


def test_answers_that_are_there_are_not_asked_for_again() -> None:
    first = given(Scripted(), rows(256))
    caller = Scripted()
    assert first[:301] + given(caller, rows(256), first[:301]) == first
    assert len(caller.asked) == 2 * 256 - 301


def test_k_samples_are_k_calls_with_a_seed_each_whatever_the_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, int]] = []

    async def acompletion(**given: Any) -> Any:
        sent.append((given["messages"][-1]["content"], given["seed"]))
        choice = {"finish_reason": "stop", "message": {"role": "assistant", "content": "So."}}
        return litellm.ModelResponse(choices=[choice])

    monkeypatch.setattr(litellm, "acompletion", acompletion)
    monkeypatch.setenv("OPENAI_API_KEY", "any text")
    how = Asked(endpoint().service, max_tokens=9, temperature=0.5)

    def asked(ledger: str, prompts: list[Example], samples: int) -> set[tuple[str, int]]:
        sent.clear()
        memory = Ledger(tmp_path / ledger)
        desk = Desk(memory, how.service, "asked/x", "run", seed=3, budget=None)
        quiet = Progress(io.StringIO())
        list(answers(prompts, desk, how, samples=samples, done=[], progress=quiet))
        memory.close()
        return set(sent)

    first = asked("a", rows(5), 4)
    assert len(sent) == len(first) == len({seed for _, seed in first}) == 5 * 4
    assert asked("b", rows(5)[::-1], 4) == first
    more = asked("a", rows(5), 5)
    assert len(more) == 5, "the first ones are remembered"
    assert not more & first


def test_an_endpoint_is_priced_counted_and_named_by_its_address() -> None:
    one = endpoint()
    assert one.asked.service.name == one.service.name
    assert isinstance(one.service, ChatService)
    other = one.service.model_copy(update={"api_base": "http://127.0.0.1:2/v1"})
    assert one.key() != one.model_copy(update={"service": other}).key()


def test_an_endpoint_does_not_answer_with_what_is_tuned_here() -> None:
    with pytest.raises(ConfigError, match="choose tuner=none"):
        from_overrides(CHOSEN)


def test_an_endpoint_without_its_key_cannot_run() -> None:
    [fault] = from_overrides(["tuner=none", *CHOSEN, "local=tiny"]).faults()
    assert "set OPENAI_API_KEY" in fault
