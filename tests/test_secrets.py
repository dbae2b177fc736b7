"""Keys of the environment stand in no text that is kept or shown."""

import pytest

from llamaduo.secrets import secrets, without_secrets


@pytest.mark.parametrize(
    "name", ["OPENAI_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD", "MY_APIKEY"]
)
def test_what_is_named_like_a_secret_is_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "abcd-1234")
    assert without_secrets("sent abcd-1234 twice: abcd-1234") == f"sent [{name}] twice: [{name}]"


@pytest.mark.parametrize(
    ("name", "value"),
    [("TOKENIZERS_PARALLELISM", "a-long-value"), ("KEYBOARD", "a-long-value"), ("A_KEY", "short")],
)
def test_other_variables_and_short_words_are_none(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert name not in secrets()


def test_a_variable_that_is_named_by_the_user_is_a_secret_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOUSE", "abcd-1234")
    assert without_secrets("abcd-1234") == "abcd-1234"
    assert without_secrets("abcd-1234", "HOUSE") == "[HOUSE]"


def test_a_secret_that_holds_another_is_struck_out_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "abcd-1234")
    monkeypatch.setenv("B_KEY", "abcd-1234-5678")
    assert without_secrets("abcd-1234-5678") == "[B_KEY]"


def test_a_password_in_an_address_is_not_shown() -> None:
    said = "postgresql://me:hunter2@db:5432/runs, http://host:5000/a, you@host, redis://:pass@h"
    assert without_secrets(said) == (
        "postgresql://me:[password]@db:5432/runs, http://host:5000/a, you@host, "
        "redis://:[password]@h"
    )
