"""Synthesis: from which rows, how many calls, and what becomes a row."""

import io
import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from llamaduo.progress import Progress
from llamaduo.records import Example, Message, Outcome, Reply, Request
from llamaduo.synth.self_instruct import FORM, SelfInstruct, pick_seeds, why_unreadable

PROMPT = 'About {topic}:\n{examples}\nWrite {count} as {"contents": [...]}.'


class Scripted:
    """A caller that gives the same replies in turn and keeps what it was asked."""

    name = "scripted"
    spend = "$0"
    at_once = 256

    def __init__(self, *replies: str | Reply) -> None:
        self.replies = replies
        self.asked: list[Request] = []

    def ask(
        self,
        requests: Sequence[Request],
        reads: Callable[[Request, str], str] = lambda request, text: "",
    ) -> list[Reply]:
        given = []
        for request in requests:
            said = self.replies[len(self.asked) % len(self.replies)]
            self.asked.append(request)
            if isinstance(said, str):
                why = reads(request, said)
                said = Reply(outcome=Outcome.UNREADABLE if why else Outcome.OK, text=said)
            given.append(said)
        return given


def seed_row(name: str, category: str = "", system: str = "") -> Example:
    above = (Message(role="system", content=system),) if system else ()
    asked = Message(role="user", content=f"question {name}")
    return Example(id=name, messages=(*above, asked), target=f"target {name}", category=category)


SEEDS = [seed_row(f"{kind}{i}", kind) for kind in ("a", "b", "c") for i in range(4)]


def pair(instruction: Any, response: Any = "Yes.", **more: Any) -> dict[str, Any]:
    return {"instruction": instruction, "response": response, **more}


def contents(*pairs: Any) -> str:
    return json.dumps({"contents": pairs})


def synth(rows: int = 1, per_call: int = 1, examples: int = 1, **more: Any) -> SelfInstruct:
    return SelfInstruct.model_validate(
        {
            "prompt": PROMPT,
            "rows": rows,
            "per_call": per_call,
            "examples": examples,
            "max_tokens": 9,
            "temperature": 0.5,
            **more,
        }
    )


def write(
    by: SelfInstruct,
    caller: Scripted,
    *,
    seeds: Sequence[Example] = SEEDS,
    number: int = 0,
    seed: int = 42,
    done: Sequence[Example] = (),
) -> list[Example]:
    quiet = Progress(io.StringIO())
    return list(
        by.write(seeds, caller, topic="post", number=number, seed=seed, done=done, progress=quiet)
    )


def shown(request: Request) -> list[dict[str, str]]:
    """Return the pairs a request shows."""
    [message] = request.messages
    return [json.loads(line) for line in message.content.split("\n")[1:-1]]


@pytest.mark.parametrize(
    ("rows", "per_call", "calls"), [(1, 1, 1), (10, 5, 2), (11, 5, 3), (3, 10, 1), (7, 1, 7)]
)
def test_as_many_calls_are_made_as_the_rows_take(rows: int, per_call: int, calls: int) -> None:
    caller = Scripted(contents(pair("new")))
    write(synth(rows, per_call), caller)
    assert len(caller.asked) == calls
    assert all(f"Write {per_call} as" in r.messages[0].content for r in caller.asked)


def test_a_request_shows_only_rows_that_were_handed_in_and_one_category_at_a_time() -> None:
    caller = Scripted(contents(pair("new")))
    rows = write(synth(40, 1, 3), caller)
    known = {row.question: row for row in SEEDS}
    for request, row in zip(caller.asked, rows, strict=True):
        examples = [known[one["instruction"]] for one in shown(request)]
        assert [one["response"] for one in shown(request)] == [seed.target for seed in examples]
        assert len({seed.id for seed in examples}) == 3
        assert {seed.category for seed in examples} == {row.category}
        assert row.origin.seeds == tuple(seed.id for seed in examples)
        assert request.row == examples[0].id


def test_every_row_leads_before_one_leads_again() -> None:
    first = [few[0].id for few in pick_seeds(SEEDS, 30, 2, seed=1)]
    assert sorted(first[:12]) == sorted(first[12:24]) == sorted(row.id for row in SEEDS)
    assert len(set(first[24:])) == 6


def test_a_category_with_too_few_rows_shows_those_it_has() -> None:
    few = [seed_row("only", "rare"), *SEEDS]
    chosen = {shown[0].id: shown for shown in pick_seeds(few, 13, 3, seed=1)}
    assert chosen["only"] == (few[0],)
    assert {len(shown) for name, shown in chosen.items() if name != "only"} == {3}


def test_equal_rows_are_not_shown_beside_themselves() -> None:
    for shown in pick_seeds(SEEDS, 50, 4, seed=Random(3).randrange(9)):
        assert len({row.id for row in shown}) == 4


def test_each_round_asks_anew_and_the_same_round_the_same() -> None:
    asked: list[list[Request]] = []
    for number in (0, 1, 1, 2):
        caller = Scripted(contents(pair("new")))
        write(synth(4), caller, number=number)
        asked.append(caller.asked)
    assert asked[1] == asked[2]
    samples = [request.sample for number in (0, 1, 3) for request in asked[number]]
    assert samples == list(range(12))
    assert [r.row for r in asked[0]] != [r.row for r in asked[1]]


def test_samples_go_on_counting_from_batch_to_batch() -> None:
    caller = Scripted(contents(pair("new")))
    rows = write(synth(64 + 2), caller)
    assert [request.sample for request in caller.asked] == list(range(64 + 2))
    assert len({row.id for row in rows}) == 64 + 2


def test_another_seed_shows_other_rows() -> None:
    found = []
    for seed in (1, 2):
        caller = Scripted(contents(pair("new")))
        write(synth(12), caller, seed=seed)
        found.append([request.row for request in caller.asked])
    assert found[0] != found[1]


def test_a_row_says_who_wrote_it_from_what_and_by_which_prompt() -> None:
    [row] = write(synth(), Scripted(contents(pair("Where?", "Here.", note="made up"))))
    assert (row.instruction, row.target) == ("Where?", "Here.")
    assert (row.origin.by, row.origin.note) == ("scripted", "made up")
    [other] = write(synth(prompt=PROMPT + "!"), Scripted(contents(pair("Where?", "Here."))))
    assert row.origin.prompt != other.origin.prompt != ""
    assert other.origin.note == ""


def test_json_in_place_of_text_becomes_text() -> None:
    reply = contents(pair("Sort", {"kind": "Grüße"}), pair(["a", 1], 7), pair("c", "ok", note=None))
    rows = write(synth(), Scripted(reply))
    assert [row.target for row in rows] == ['{"kind": "Grüße"}', "7", "ok"]
    assert rows[1].instruction == '["a", 1]'
    assert rows[2].origin.note == ""


def test_null_becomes_an_empty_text_which_is_dropped_later() -> None:
    [row] = write(synth(), Scripted(contents(pair(None, None))))
    assert (row.question, row.target) == ("", "")


def test_half_a_character_does_not_make_a_row_that_no_file_can_hold() -> None:
    [row] = write(synth(), Scripted('{"contents": [{"instruction": "a\\ud83d", "response": "b"}]}'))
    assert row.instruction == "a?"
    assert Example.model_validate_json(row.model_dump_json()) == row


def test_the_system_turn_of_the_seed_is_kept_and_not_shown() -> None:
    caller = Scripted(contents(pair("new")))
    [row] = write(synth(), caller, seeds=[seed_row("s", system="Be brief.")])
    assert [(m.role, m.content) for m in row.messages] == [("system", "Be brief."), ("user", "new")]
    assert "Be brief." not in caller.asked[0].messages[0].content


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "I would rather not.",
        json.dumps([pair("a")]),
        json.dumps(pair("a")),
        json.dumps({"contents": pair("a")}),
        contents(),
        contents("a", {"instruction": "only"}, {"response": "only"}),
        contents(pair("a"))[:-2],
    ],
)
def test_an_unreadable_reply_gives_no_rows_and_says_so(reply: str) -> None:
    assert why_unreadable(reply) != ""
    assert write(synth(), Scripted(reply)) == []


@pytest.mark.parametrize("outcome", [one for one in Outcome if one is not Outcome.OK])
def test_a_reply_that_did_not_end_well_gives_no_rows_though_it_holds_pairs(
    outcome: Outcome,
) -> None:
    bad = Reply(outcome=outcome, text=contents(pair("bad")))
    rows = write(synth(4), Scripted(bad, contents(pair("good"))))
    assert [row.instruction for row in rows] == ["good", "good"]


def test_the_good_pairs_of_a_reply_are_taken_and_prose_around_them_is_not() -> None:
    reply = f"Here {{you}} are: ```{contents(pair('a'), 'b', {'response': 'c'}, pair('d'))}```"
    assert why_unreadable(reply) == ""
    assert [row.instruction for row in write(synth(), Scripted(reply))] == ["a", "d"]


def test_ids_are_unique_over_calls_and_rounds() -> None:
    reply = contents(pair("a"), pair("b"))
    rows = [row for n in range(3) for row in write(synth(20, 2), Scripted(reply), number=n)]
    assert len(rows) == 60
    assert len({row.id for row in rows}) == 60


@pytest.mark.parametrize("kept", [0, 1, 5, 8])
def test_rows_that_a_killed_process_had_written_are_not_given_again(kept: int) -> None:
    replies = [contents(pair(f"a{i}"), pair(f"b{i}")) for i in range(4)]
    whole = write(synth(8, 2), Scripted(*replies))
    assert len(whole) == 8
    rest = write(synth(8, 2), Scripted(*replies), done=whole[:kept])
    assert [*whole[:kept], *rest] == whole


@pytest.mark.parametrize("hole", ["{examples}", "{count}"])
def test_a_prompt_without_its_holes_is_refused(hole: str) -> None:
    with pytest.raises(ValidationError, match=f"would not see {hole}"):
        synth(prompt=PROMPT.replace(hole, ""))


def test_the_topic_is_the_tasks_name_unless_the_config_says_more() -> None:
    for by, expected in ((synth(), "About post:"), (synth(topic="stamps"), "About stamps:")):
        caller = Scripted(contents(pair("new")))
        write(by, caller)
        assert caller.asked[0].messages[0].content.startswith(expected)


def test_what_a_seed_row_says_fills_no_hole() -> None:
    caller = Scripted(contents(pair("new")))
    odd = Example(id="x", messages=(Message(role="user", content="{count}{topic}"),), target="y")
    write(synth(), caller, seeds=[odd])
    assert shown(caller.asked[0]) == [{"instruction": "{count}{topic}", "response": "y"}]


def test_what_keeps_to_the_form_is_read() -> None:
    said = {"contents": [{"instruction": "a", "response": "b"}]}
    jsonschema.validate(said, FORM)
    assert why_unreadable(json.dumps(said)) == ""
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"contents": [{"instruction": "a"}]}, FORM)
