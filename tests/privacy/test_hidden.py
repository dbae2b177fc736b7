"""Placeholders in, values back: nothing that is found is sent, and nothing is lost on the way."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import ALL, PERSONS, PRIVATE_KEY, TOKEN

from llamaduo.privacy.finder import Finder
from llamaduo.privacy.hidden import PLACEHOLDER, Hidden
from llamaduo.privacy.redacting import Redacting
from llamaduo.prompt import json_objects
from llamaduo.records import Message, Outcome, Reply, Request

PERSONAL = ["bob@example.org", "tim@example.org", "+49 30 901820", "93.184.216.34"]
VALUES = [*PERSONAL, TOKEN, PRIVATE_KEY]

words = st.sampled_from([*VALUES, "[EMAIL_1]", "[SECRET_12]", "[EMAIL_", "]", "Hello"])
plain = st.text('ab \\"\n{}[]:,é\U0001f600', max_size=6)
texts = st.lists(st.one_of(words, plain), max_size=6).map(" ".join)
said = st.recursive(
    texts,
    lambda below: st.one_of(
        st.dictionaries(texts, below, min_size=1, max_size=2).map(json.dumps),
        st.lists(below, min_size=1, max_size=2).map(lambda v: json.dumps(v, ensure_ascii=False)),
        st.tuples(texts, below, texts).map("\n".join),
    ),
    max_leaves=4,
)


def request(*contents: str, tag: str = "", sample: int = 0) -> Request:
    messages = tuple(Message(role="user", content=content) for content in contents)
    return Request(messages=messages, max_tokens=9, temperature=1, sample=sample, tag=tag)


def sent(hidden: Hidden) -> list[str]:
    return [message.content for message in hidden.request.messages]


@settings(max_examples=120, deadline=None)
@given(st.lists(said, min_size=1, max_size=3))
def test_what_was_hidden_comes_back_to_the_letter(contents: list[str]) -> None:
    hidden = Hidden(request(*contents), ALL)
    assert [hidden.restored(text) for text in sent(hidden)] == contents
    for text in sent(hidden):
        assert not any(value in text for value in (*PERSONAL, TOKEN))


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text("ab", min_size=1), st.sampled_from(VALUES) | said, min_size=1))
def test_json_stays_json_on_the_way_out_and_on_the_way_back(given: dict[str, str]) -> None:
    hidden = Hidden(request(json.dumps(given)), ALL)
    [text] = sent(hidden)
    assert set(json.loads(text)) == set(given)
    again = json.dumps(json.loads(text), ensure_ascii=False, indent=1)  # as a model writes it
    assert json.loads(hidden.restored(again)) == given


@pytest.mark.parametrize("deep", range(3))
def test_a_value_of_many_lines_is_put_back_as_json_wants_it(deep: int) -> None:
    hidden = Hidden(request(f"It is {PRIVATE_KEY} now."), ALL)
    assert sent(hidden) == ["It is [SECRET_1] now."]
    reply: Any = "[SECRET_1]"
    for _ in range(deep):
        reply = json.dumps({"said": reply})
    back: Any = hidden.restored(f"Well: {reply}")[len("Well: ") :]
    for _ in range(deep):
        back = json_objects(back)[0]["said"]
    assert back == PRIVATE_KEY


def test_one_value_has_one_placeholder_in_all_messages() -> None:
    hidden = Hidden(request("bob@example.org", "tim@example.org or bob@example.org"), PERSONS)
    assert sent(hidden) == ["[EMAIL_1]", "[EMAIL_2] or [EMAIL_1]"]


def test_a_placeholder_that_a_text_has_already_is_left_to_it() -> None:
    hidden = Hidden(request("[EMAIL_1] bob@example.org", "tim@example.org [EMAIL_3]"), PERSONS)
    assert sent(hidden) == ["[EMAIL_1] [EMAIL_2]", "[EMAIL_4] [EMAIL_3]"]
    reply = "[EMAIL_1] [EMAIL_2] [EMAIL_3] [EMAIL_4] [EMAIL_5]"
    back = "[EMAIL_1] bob@example.org [EMAIL_3] tim@example.org [EMAIL_5]"
    assert hidden.restored(reply) == back


def test_a_request_in_which_nothing_is_found_is_sent_as_it_is() -> None:
    asked = request("Nothing [EMAIL_1] {tag}", tag="tag")
    assert Hidden(asked, PERSONS).request == asked


def test_a_tag_tells_nothing_of_the_values_and_is_repeated_all_the_same() -> None:
    asked = [request(f"<a-12ab>{who}</a-12ab>", tag="12ab") for who in PERSONAL[:2]]
    one, two = (Hidden(a, PERSONS) for a in asked)
    assert one.request == two.request
    assert "12ab" not in sent(one)[0]
    assert one.request.tag in sent(one)[0]
    assert one.restored(json.dumps({"tag": one.request.tag})) == '{"tag": "12ab"}'


class Echo:
    """A caller that says what it was asked, and writes down what that was."""

    name, spend, at_once = "echo", "$0", 256

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.unread: list[str] = []

    def ask(
        self, requests: Sequence[Request], reads: Callable[[Request, str], str] = lambda r, t: ""
    ) -> list[Reply]:
        self.asked += requests
        text = [r.messages[0].content for r in requests]
        self.unread += [why for r, t in zip(requests, text, strict=True) if (why := reads(r, t))]
        return [Reply(outcome=Outcome.OK, text=t) for t in text]


def test_a_caller_sends_placeholders_reads_values_and_returns_them() -> None:
    echo = Echo()
    asked = [request(f"Ask {who}", sample=i) for i, who in enumerate(PERSONAL[:2])]

    def reads(request: Request, text: str) -> str:
        return "" if request in asked and text == request.messages[0].content else "another"

    replies = Redacting(echo, PERSONS).ask(asked, reads)
    assert [r.messages[0].content for r in echo.asked] == ["Ask [EMAIL_1]", "Ask [EMAIL_1]"]
    assert [reply.text for reply in replies] == ["Ask bob@example.org", "Ask tim@example.org"]
    assert not echo.unread
    by = Redacting(echo, PERSONS)
    assert (by.name, by.spend, by.at_once) == ("echo", "$0", 256)


def test_what_is_not_looked_for_is_sent() -> None:
    hidden = Hidden(request("bob@example.org 93.184.216.34"), Finder(("ip",), ()))
    assert sent(hidden) == ["bob@example.org [IP_1]"]
    assert PLACEHOLDER.fullmatch("[NATIONAL_ID_7]")
