"""What is found in a text, what only looks like it, and where it is written."""

import json

import pytest
from planted import ALL, PERSONS, PRIVATE_KEY, TOKEN

from llamaduo.privacy.finder import Finder
from llamaduo.privacy.kinds import PERSONAL, Kind
from llamaduo.privacy.numbers import _IDS, _stdnum
from llamaduo.task.rows import FileRows


def found(text: str, finder: Finder = PERSONS) -> list[tuple[Kind, str]]:
    return [(one.kind, one.value) for one in finder.find(text)]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("email", "bob.o-neill+news@mail.example.org"),
        ("email", "jörg@müller.de"),
        ("email", "Bob.O'Neil@Example.CO.UK"),
        ("phone", "(415) 867-5309"),
        ("phone", "020 7946 0958"),
        ("phone", "+49 30 901820"),
        ("iban", "DE89 3704 0044 0532 0130 00"),
        ("iban", "GB82WEST12345698765432"),
        ("iban", "de89370400440532013000"),
        ("iban", "DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000"),
        ("card", "4111 1111 1111 1111"),
        ("card", "378282246310005"),
        ("card", "4111\u00a01111\u00a01111\u00a01111"),
        ("ip", "93.184.216.34"),
        ("ip", "2001:4860:4860::8888"),
        ("national_id", "536-90-4399"),
        ("national_id", "131052-308T"),
        ("national_id", "RCCMNL83S18D969H"),
        ("national_id", "390.533.447-05"),
    ],
)
def test_a_value_is_found_where_it_is_written(kind: Kind, value: str) -> None:
    text = f"Write to {value}, or not."
    [one] = PERSONS.find(text)
    assert (one.kind, one.value, text[one.start : one.end]) == (kind, value, value)


@pytest.mark.parametrize(
    "text",
    [
        "order 4158675309 of 2023-10-12 14:30:00, 4,300 euro",
        "card 4111 1111 1111 1112, IBAN DE89 3704 0044 0532 0130 01",
        "10.0.0.8, 127.0.0.1, 192.0.2.7 and fe80::1 are nobody's",
        "std::vector at 12:30:45, dead::beef, version 1.2.3.4.5",
        "@bob and bob@host and a@b.c",
        "ISBN 978-3-16-148410-0, part 219-09-99999",
        "9434765919 and 12345678901234567890",
    ],
)
def test_what_only_looks_like_a_value_is_not(text: str) -> None:
    assert found(text) == []


def test_numbers_of_a_country_are_found_once_it_is_named() -> None:
    assert found("030 901820") == []
    assert found("030 901820", Finder(PERSONAL, ("DE",))) == [("phone", "030 901820")]
    assert found("+49 30 901820", Finder(PERSONAL, ())) == [("phone", "+49 30 901820")]


def test_every_national_id_has_a_module_that_checks_it() -> None:
    assert all(callable(_stdnum(name).is_valid) for name in _IDS)


def test_the_digits_of_a_card_are_no_phone_number() -> None:
    assert found("4111 1111 1111 1111") == [("card", "4111 1111 1111 1111")]


def test_only_the_kinds_that_are_asked_for_are_found() -> None:
    assert found("bob@example.org 93.184.216.34", Finder(("ip",), ())) == [("ip", "93.184.216.34")]


@pytest.mark.parametrize(
    "value",
    [
        TOKEN,
        PRIVATE_KEY,
        "sk-ant-api03-" + "aB3" * 31 + "AA",
        "AIza" + "SyD3kQ9xWm2Lr7Tb5VnZc8HfJp4Gs6YuE1a",
    ],
)
def test_keys_and_tokens_are_found_whole(value: str) -> None:
    assert ("secret", value) in found(f"äöü use {value} for it", ALL)


@pytest.mark.parametrize(
    ("before", "value"),
    [
        ("AZURE_OPENAI_API_KEY=", "0f1e2d3c4b5a69788796a5b4c3d2e1f0"),
        ('"DB_PASSWORD": "', "correct-horse-1"),
        ("Authorization: Bearer ", "aB3dE6gH9jK2mN5pQ8"),
        ("login with ", "hf_" + "AbCdEfGhIj" * 3 + "KlMn"),
    ],
)
def test_what_stands_before_it_tells_a_secret(before: str, value: str) -> None:
    assert found(f'{before}{value}" and more', ALL) == [("secret", value)]


@pytest.mark.parametrize(
    "text",
    ["PRIMARY_KEY=customer_id_2", "TOKEN: see the table of tokens", "Bearer of bad news 2024"],
)
def test_what_only_looks_like_a_secret_is_none(text: str) -> None:
    assert found(text, ALL) == []


@pytest.mark.parametrize("text", ["[x] [{}]", "[[ {}", "[[{}]]", "see ([{}"])
def test_a_phone_number_is_found_beside_brackets(text: str) -> None:
    assert found(text.format("+49 30 901820")) == [("phone", "+49 30 901820")]


@pytest.mark.parametrize("text", ["8.8.8.8:53", "dns:8.8.8.8", "http://8.8.8.8:8080/x"])
def test_an_ip_address_is_found_with_its_port(text: str) -> None:
    assert found(text) == [("ip", "8.8.8.8")]


def test_an_address_in_quotation_marks_or_underscores_ends_there() -> None:
    assert found("'bob@example.org' and bob@example.org_") == [("email", "bob@example.org")] * 2


def test_the_password_of_an_address_is_found_and_not_the_address() -> None:
    text = "postgres://admin:" + "hunter2x9Q" + "@db.corp-systems.net:5432/app"
    assert found(text, ALL) == [("secret", "hunter2x9Q")]


def test_in_json_a_value_is_what_the_string_says_and_where_it_is_written() -> None:
    inner = json.dumps({"reply": 'Dear "Bob",\nbob@example.org'})
    text = f"Rows:\n{json.dumps({'instruction': 'tim@example.org', 'response': inner})}"
    tim, bob = PERSONS.find(text)
    assert (tim.value, tim.depth) == ("tim@example.org", 1)
    assert (bob.value, bob.depth) == ("bob@example.org", 2)
    assert text[bob.start : bob.end] == "bob@example.org"


def test_a_private_key_in_json_is_found_escapes_and_all() -> None:
    text = json.dumps({"note": "ö", "key": PRIVATE_KEY})
    [one] = ALL.find(text)
    assert one.value == PRIVATE_KEY
    assert json.loads(f'"{text[one.start : one.end]}"') == PRIVATE_KEY


def test_a_private_key_as_a_list_of_its_lines_is_found_line_by_line() -> None:
    lines = PRIVATE_KEY.splitlines()
    assert [value for _, value in found(json.dumps(lines), ALL)] == lines


def test_the_rows_that_come_with_us_hold_nothing() -> None:
    path = "llamaduo://task/data/ticket_triage.jsonl"
    rows = FileRows.model_validate({"path": path}).read()
    texts = [text for row, _ in rows for text in (row.instruction, row.target)]
    assert len(texts) == 720
    assert [one for text in texts for one in found(text, ALL)] == []
