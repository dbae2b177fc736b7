"""Served copies of a version, right and wrong in the ways they are, behind a socket."""

import io
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from chat_server import Chat, Said, same, serving
from held_world import BASE_, MANY, REFERENCES_, N, endpoint, held

from llamaduo.config import from_overrides
from llamaduo.desk import Desk
from llamaduo.errors import LlamaDuoError
from llamaduo.experiment import Experiment
from llamaduo.judge import Judge
from llamaduo.ledger import Ledger
from llamaduo.parity import replay as replaying
from llamaduo.parity.alive import Unreachable, look
from llamaduo.parity.figures import figures
from llamaduo.parity.heard import Heard, begins
from llamaduo.parity.probe import JUDGED, Probed, Questioning, probe
from llamaduo.parity.rule import CUT, ENDLESS, LEFT_OUT, OTHERWISE, TEMPLATE, UNREACHABLE, WRONG
from llamaduo.parity.text import table, verdict
from llamaduo.progress import Progress
from llamaduo.promotion.held import Held
from llamaduo.promotion.references import Reference
from llamaduo.records import (
    Answer,
    Example,
    Judgement,
    Outcome,
    Placed,
    Reply,
    Request,
    Score,
    Usage,
)
from llamaduo.service import Caller, Service
from llamaduo.service.chat import ChatService
from llamaduo.service.heard import Heard as Came
from llamaduo.serving.endpoint import Endpoint
from llamaduo.serving.transformers import TransformersServing

pytestmark = pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning")

RIGHT = same(REFERENCES_)
NUMBER = {one.messages[-1].content: number for number, one in enumerate(REFERENCES_)}


class InProcess(ChatService):
    """Asks what a `Chat` says without a socket, where hundreds are asked."""

    operational: ClassVar[frozenset[str]] = ChatService.operational | {"says"}
    says: Callable[[str, str], Said]

    async def attempt(self, request: Request, seed: int, once: str) -> Came:
        said = self.says("ticket_triage", request.messages[-1].content)
        outcome = Outcome.OK if said.finish == "stop" else Outcome.TRUNCATED
        usage = Usage(prompt_tokens=said.prompt_tokens or 0)
        return Came(Reply(outcome=outcome, text=said.text, usage=usage))


@contextmanager
def desk(service: ChatService, folder: Path) -> Iterator[Desk]:
    ledger = Ledger(folder / "ledger.sqlite")
    yield Desk(ledger, service, "probe/x", "f" * 16, 0, None)
    ledger.close()


def probed(
    chat: Chat,
    folder: Path,
    what: Held | None = None,
    *,
    questioning: Callable[[], Questioning] | None = None,
    base: str | None = None,
    attempts: int = 5,
) -> tuple[Probed, dict[str, str]]:
    """Probe a server that says what `chat` says; returns also what was said of each step."""
    steps: dict[str, str] = {}

    def nobody() -> Questioning:
        raise LlamaDuoError("there is no judge here")

    what = what or held()
    with serving(chat):
        of = endpoint(chat.url, base=base, attempts=attempts)
        service = of.service()
        if len(what.references) > N:
            service = InProcess(**service.model_dump(), says=chat.says)
        return _probed(what, of, service, folder, questioning or nobody, steps), steps


def _probed(
    what: Held,
    of: Endpoint,
    service: ChatService,
    folder: Path,
    questioning: Callable[[], Questioning],
    steps: dict[str, str],
) -> Probed:
    with desk(service, folder) as way:
        return probe(
            what,
            TransformersServing(),
            of,
            way,
            questioning,
            say=steps.__setitem__,
            progress=Progress(io.StringIO()),
        )


def other(few: int, says: Callable[[int], Said]) -> Callable[[str, str], Said]:
    """Say something else to the first few prompts."""

    def answer(model: str, asked: str) -> Said:
        number = NUMBER[asked]
        said = says(number) if number < few else RIGHT(model, asked)
        return replace(said, prompt_tokens=REFERENCES_[number].prompt_tokens)

    return answer


def as_base(number: int) -> Said:
    return Said(BASE_[number].text + " is probably on its way, and", "length")


def test_a_copy_that_says_the_same_passes_and_every_figure_is_told(tmp_path: Path) -> None:
    found, steps = probed(Chat(RIGHT), tmp_path)
    assert found.verdict.passed
    assert found.alike.numbers == "exact"
    assert steps["identical"] == "24 of 24, 100.0 % (86.2 to 100.0)"
    assert steps["template"] == "the server counted as many prompt tokens as ours (n=24)"
    assert steps["base"] == ("0 of 24 answers are the base's own, where it says something else")
    assert steps["alive"] == "200 from /health; /v1/models lists ticket_triage"
    lines = table(found)
    assert [line.split("  ")[0] for line in lines] == [
        "figure",
        "unanswered",
        "identical",
        "ended by themselves",
        "prompt tokens as ours",
        "the base's own",
    ]
    assert verdict(found, "")[0].startswith("PASSED")


def test_what_is_sent_is_greedy_as_long_as_the_task_allows_and_by_name(tmp_path: Path) -> None:
    chat = Chat(RIGHT)
    probed(chat, tmp_path)
    sent = chat.asked[0]
    assert (sent["model"], sent["temperature"], sent["max_tokens"]) == ("ticket_triage", 0, 32)
    assert sent["messages"] in [[m.model_dump() for m in o.messages] for o in REFERENCES_]
    assert len(chat.asked) == N


def test_a_second_probe_asks_the_server_again_and_not_the_ledger(tmp_path: Path) -> None:
    first, _ = probed(Chat(RIGHT), tmp_path)
    second, _ = probed(Chat(other(N, as_base)), tmp_path)
    assert first.verdict.passed
    assert not second.verdict.passed


WRONG_COPIES: list[tuple[Callable[[str, str], Said], str]] = [
    (other(N, as_base), LEFT_OUT),
    (other(N, lambda number: Said(f"Parcel {number} is red.")), WRONG),
    (other(N, lambda number: Said(REFERENCES_[number].text[:9], "length")), CUT),
    (other(N, lambda number: Said(REFERENCES_[number].text + "\n{}", "length")), ENDLESS),
    (other(5, lambda number: Said('{"category": "returns"}')), OTHERWISE),
    (
        lambda model, asked: replace(
            RIGHT(model, asked) if NUMBER[asked] % 5 else Said("Hello"),
            prompt_tokens=31 + (REFERENCES_[NUMBER[asked]].prompt_tokens or 0),
        ),
        TEMPLATE,
    ),
]


@pytest.mark.parametrize(("says", "cause"), WRONG_COPIES, ids=[cause for _, cause in WRONG_COPIES])
def test_what_is_wrong_with_a_copy_is_named(
    says: Callable[[str, str], Said], cause: str, tmp_path: Path
) -> None:
    found, _ = probed(Chat(says), tmp_path)
    assert (found.verdict.passed, found.verdict.cause) == (False, cause)
    assert verdict(found, "")[0] == f"FAILED: {cause}"


def test_another_template_is_said_with_both_counts(tmp_path: Path) -> None:
    _, steps = probed(Chat(WRONG_COPIES[-1][0]), tmp_path)
    assert steps["template"] == (
        "another chat template: the server counted 43 tokens where ours has 12 "
        "(in every prompt, n=24)"
    )


def test_an_end_that_was_the_last_token_allowed_is_an_end(tmp_path: Path) -> None:
    found, _ = probed(
        Chat(other(1, lambda number: Said(REFERENCES_[number].text, "length"))), tmp_path
    )
    assert found.verdict.passed
    assert (found.seen.identical, found.seen.ended, found.seen.late) == (N, N, 1)


def test_a_server_that_runs_on_in_what_is_no_text_fails_though_all_texts_are_the_same(
    tmp_path: Path,
) -> None:
    found, _ = probed(
        Chat(other(N, lambda number: Said(REFERENCES_[number].text, "length"))), tmp_path
    )
    assert found.verdict.cause == ENDLESS
    assert found.verdict.reasons == (
        "24 answers are their references and were generated on to the limit",
    )


def test_blanks_at_the_ends_are_the_engines_and_all_else_counts() -> None:
    one = REFERENCES_[0]

    def heard(text: str) -> Heard:
        return Heard(reference=one, text=text, finish="stop", prompt_tokens=None)

    assert heard(f" {one.text}\n").identical
    assert not heard(one.text.replace(": ", ":")).identical
    assert not heard(one.text.upper()).identical
    assert figures([heard(one.text)]).counts is None


def test_an_answer_of_the_base_that_was_cut_within_a_character_is_known_again() -> None:
    base = BASE_[0].model_copy(update={"text": "It is \ufffd"})
    assert begins(base, "It is é, I think")
    assert not begins(base.model_copy(update={"finish": "stop"}), "It is é, I think")
    assert not begins(base.model_copy(update={"text": ""}), "anything")


@pytest.mark.parametrize("status", [429, 424, 503])
def test_a_busy_server_is_asked_until_it_answers(status: int, tmp_path: Path) -> None:
    chat = Chat(RIGHT, turned_away=lambda number: status if number % 3 == 1 else 0)
    found, _ = probed(chat, tmp_path, attempts=60)
    assert found.verdict.passed
    assert len(chat.asked) > N


def test_prompts_without_an_answer_are_counted_and_more_than_one_percent_fail(
    tmp_path: Path,
) -> None:
    refuses = {REFERENCES_[number].messages[-1].content for number in range(1)}
    chat = Chat(RIGHT)
    chat.turned_away = lambda number: (
        400 if chat.asked[number - 1]["messages"][-1]["content"] in refuses else 0
    )
    found, steps = probed(chat, tmp_path)
    assert (found.seen.unanswered, found.verdict.cause) == (1, UNREACHABLE)
    assert steps["answers"].startswith("23 of 24 came; the last because failed: HTTP 400")


def test_a_server_that_goes_down_is_not_asked_for_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = Chat(RIGHT, turned_away=lambda number: 503 if number > 9 else 0)
    monkeypatch.setattr(replaying, "AT_ONCE", 8)
    found, _ = probed(chat, tmp_path, attempts=1)
    assert (found.verdict.cause, found.seen.unanswered) == (UNREACHABLE, 16)
    assert len(chat.asked) == 16


def test_an_adapter_that_the_engine_can_leave_out_is_asked_for_with_and_without(
    tmp_path: Path,
) -> None:
    def engine(model: str, asked: str) -> Said:
        return RIGHT(model, asked) if model == "ticket_triage" else as_base(NUMBER[asked])

    found, steps = probed(Chat(engine), tmp_path, base="org/small")
    assert found.verdict.passed
    assert steps["adapter"] == (
        "16 of 16 greedy answers differ from those without the adapter; 0 do between two times "
        "without"
    )
    silent, _ = probed(Chat(other(N, as_base)), tmp_path, base="org/small")
    assert silent.verdict.cause == LEFT_OUT
    assert any("differ without adapter" in line for line in table(silent))


def agreeing(n: int, *, known: bool = True) -> Held:
    """A version whose base says the same to all but the last `n` of its prompts."""
    said = (*REFERENCES_[: N - n], *BASE_[N - n : N])
    return replace(held(), base_answers=said if known else None)


def untuned(model: str, asked: str) -> Said:
    """Say what the base of `agreeing(2)` says, whatever is asked for."""
    says = RIGHT if NUMBER[asked] < N - 2 else other(N, as_base)
    return says(model, asked)


def with_adapter(model: str, asked: str) -> Said:
    """Tell the adapter from its base as they are."""
    return (RIGHT if model == "ticket_triage" else untuned)(model, asked)


def test_a_right_copy_whose_base_agrees_on_most_prompts_is_asked_where_it_does_not(
    tmp_path: Path,
) -> None:
    found, _ = probed(Chat(with_adapter), tmp_path, agreeing(2), base="org/small")
    assert found.live is not None
    assert (found.live.n, found.live.differ) == (2, 2)
    assert found.verdict.passed
    wrong, _ = probed(Chat(untuned), tmp_path, agreeing(2), base="org/small")
    assert wrong.verdict.cause == LEFT_OUT
    assert wrong.live is not None
    assert wrong.live.against


def test_where_nothing_tells_an_adapter_from_its_base_nothing_is_held_against_it(
    tmp_path: Path,
) -> None:
    found, steps = probed(Chat(RIGHT), tmp_path, agreeing(0), base="org/small")
    assert (found.verdict.passed, found.live) == (True, None)
    assert steps["adapter"] == (
        "no prompt tells it from its base, or none was answered; not compared"
    )
    found, _ = probed(Chat(with_adapter), tmp_path, agreeing(2, known=False), base="org/small")
    assert found.live is not None
    assert (found.live.n, found.live.differ) == (16, 0)  # of a version of before base.jsonl
    assert found.verdict.passed


def test_a_base_that_wavers_is_not_held_against_answers_that_are_right(tmp_path: Path) -> None:
    times: Counter[str] = Counter()

    def wavering(model: str, asked: str) -> Said:
        if model == "ticket_triage":
            return RIGHT(model, asked)
        times[asked] += 1
        return replace(as_base(NUMBER[asked]), text=f"I am {times[asked]}")

    found, _ = probed(Chat(wavering), tmp_path, agreeing(2), base="org/small")
    assert found.live is not None
    assert (found.live.differ, found.live.noise) == (2, 2)
    assert found.verdict.passed
    both_the_same, _ = probed(Chat(RIGHT), tmp_path, agreeing(2), base="org/small")
    assert both_the_same.verdict.cause == LEFT_OUT  # it cannot be shown: the base is not asked


def test_a_version_of_before_is_probed_without_its_bases_answers(tmp_path: Path) -> None:
    old = replace(
        held(base=False),
        references=tuple(o.model_copy(update={"prompt_tokens": None}) for o in REFERENCES_[:N]),
    )
    found, steps = probed(Chat(RIGHT), tmp_path, old)
    assert found.verdict.passed
    assert found.seen.counts is None
    assert "not compared" in steps["base"]


class Marks(Judge):
    """Passes what names a category, and asks nobody."""

    services: Mapping[str, Service] = {}
    name = "marks"
    on: Literal["dev", "test"] = "dev"
    early_stop, audit, human = False, 0, None

    def key(self) -> dict[str, Any]:
        return {}

    def with_repeats(self, repeats: int) -> Judge:
        return self

    def grade(
        self, answers: Sequence[Answer], callers: Mapping[str, Caller], **_: Any
    ) -> Iterator[Judgement]:
        for answer in answers:
            mark = 100.0 if "category" in answer.text else 0.0
            yield Judgement(answer=answer, score=Score(similarity=mark, precision=mark))


@dataclass
class Task:
    """Rows of the prompts."""

    rows: list[Reference] = field(default_factory=lambda: REFERENCES_)

    def place(self) -> list[Placed]:
        return [
            Placed(example=Example(id=o.id, messages=o.messages, target=o.text), part="test")
            for o in self.rows
        ]


def questioned(folder: Path, rows: list[Reference] = REFERENCES_) -> Callable[[], Questioning]:
    """A judge that costs nothing, of a run on the prompts."""
    plain = from_overrides(["experiments=demo_tiny", "tracker=none", f"home={folder}"])
    exp: Experiment = plain.model_copy(update={"judge": Marks(), "task": Task(rows)})

    def questioning() -> Questioning:
        with desk(endpoint("http://127.0.0.1:1").service(), folder) as way:
            return Questioning(exp, way)

    return questioning


@pytest.mark.parametrize(("text", "passes"), [('{"category": "late"}', True), ("Late.", False)])
def test_where_rounding_may_be_to_blame_differing_answers_are_judged_and_have_to_be_as_good(
    text: str, passes: bool, tmp_path: Path
) -> None:
    chat = Chat(other(15, lambda number: Said(text)))
    found, steps = probed(
        chat, tmp_path, held("bfloat16", n=MANY), questioning=questioned(tmp_path)
    )
    assert found.alike.numbers == "same"
    assert found.judged is not None
    assert found.verdict.passed == passes
    assert steps[JUDGED].startswith("marks (simulated): coverage ")
    assert any("coverage, difference" in line for line in table(found))


def test_the_judge_is_not_asked_where_it_could_not_help(tmp_path: Path) -> None:
    def never() -> Questioning:
        raise AssertionError("asked")

    for says, what in (
        (
            other(15, lambda number: Said("Late.")),
            held(n=MANY),
        ),  # the same numbers: 99 % or nothing
        (other(MANY, as_base), held("bfloat16", n=MANY)),
        (RIGHT, held("bfloat16", n=MANY)),
    ):
        found, steps = probed(Chat(says), tmp_path, what, questioning=never)
        assert JUDGED not in steps
        assert found.judged is None


def test_why_the_judge_is_not_asked_is_said(tmp_path: Path) -> None:
    few = held("bfloat16")
    chat = Chat(other(2, lambda number: Said("Late.")))
    _, steps = probed(chat, tmp_path, few, questioning=questioned(tmp_path))
    assert steps[JUDGED] == "not asked: it takes 189 prompts to show so little"
    chat = Chat(other(15, lambda number: Said("Late.")))
    _, steps = probed(
        chat, tmp_path, held("bfloat16", n=MANY), questioning=questioned(tmp_path, REFERENCES_[1:])
    )
    assert steps[JUDGED] == "not asked: 1 of its rows are not where the task has them"
    _, steps = probed(chat, tmp_path, held("bfloat16", n=MANY))
    assert steps[JUDGED] == "not asked: there is no judge here"


@pytest.mark.parametrize(
    ("chat", "words"),
    [
        (Chat(RIGHT, key="a-key-that-is-long"), "it wants a key, and none is sent"),
        (Chat(RIGHT, models=404), "404 from /v1/models: no OpenAI-compatible server there"),
        (Chat(RIGHT, body={"hello": 1}), "that is no OpenAI-compatible server"),
        (Chat(RIGHT, health=503, models=503), "it is there, and not well"),
    ],
)
def test_who_cannot_be_asked_is_said_in_words(chat: Chat, words: str) -> None:
    with serving(chat), pytest.raises(Unreachable, match=words):
        look(endpoint(chat.url))


def test_nobody_there_is_said_with_what_starts_one() -> None:
    with pytest.raises(Unreachable, match=r"nobody listens there .*`llamaduo serve` starts one"):
        look(endpoint("http://127.0.0.1:9"))


def test_what_is_no_web_server_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet() -> None:
            came, _ = listening.accept()
            with came:
                came.recv(1024)
                came.sendall(b"220 mail.example ESMTP\r\n")

        greeting = threading.Thread(target=greet)
        greeting.start()
        with pytest.raises(Unreachable, match="no web server answers as one"):
            look(endpoint(f"http://127.0.0.1:{listening.getsockname()[1]}"))
        greeting.join()


def test_a_key_comes_from_the_environment_and_is_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chat = Chat(RIGHT, key="a-key-that-is-long")
    with serving(chat):
        of = endpoint(chat.url).model_copy(update={"key_env": "SERVER_KEY"})
        with pytest.raises(Unreachable, match="set SERVER_KEY in the environment"):
            look(of)
        monkeypatch.setenv("SERVER_KEY", "another-key-that-is-long")
        with pytest.raises(Unreachable, match="SERVER_KEY is not the key it wants") as error:
            look(of)
        assert "another-key" not in str(error.value)
        monkeypatch.setenv("SERVER_KEY", "a-key-that-is-long")
        assert look(of).words.endswith("lists ticket_triage")


def test_what_a_server_lists_is_told_and_proves_nothing() -> None:
    with serving(Chat(RIGHT, lists=("llama",), health=404)) as chat:
        assert look(endpoint(chat.url)).words == (
            "404 from /health; /v1/models lists llama and not ticket_triage, which proves nothing"
        )
    with serving(Chat(RIGHT, models=500)) as chat:
        assert "/v1/models is broken, which hinders nobody" in look(endpoint(chat.url)).words
    with serving(Chat(RIGHT, lists=("org/small",), info={"model_id": "org/small"})) as chat:
        tgi = endpoint(chat.url).model_copy(update={"engine": "tgi"})
        assert "TGI serves org/small, and lists no adapter" in look(tgi).words
