"""Keys of the environment stand in no text that is kept or shown."""

import pytest

from llamaduo.config import from_overrides
from llamaduo.errors import ConfigError
from llamaduo.secrets import secrets, without_secrets
from llamaduo.sweep.plan import identity


@pytest.mark.parametrize(
    "name",
    [
        *("OPENAI_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD", "MY_APIKEY"),
        *("PGPASSWORD", "PGPASSWD", "MYSQL_PWD", "SMTPPASSWORD", "GPG_PASSPHRASE", "DBPWD"),
    ],
)
def test_what_is_named_like_a_secret_is_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "abcd-1234")
    assert without_secrets("sent abcd-1234 twice: abcd-1234") == f"sent [{name}] twice: [{name}]"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("TOKENIZERS_PARALLELISM", "a-long-value"), ("KEYBOARD", "a-long-value")),
        *(("A_KEY", "short"), ("PWD", "/home/somebody"), ("OLDPWD", "/home/somebody")),
    ],
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


def test_a_secret_in_the_query_of_an_address_is_not_shown() -> None:
    said = without_secrets("postgresql://db/runs?user=me&password=hunter2&sslmode=require more")
    assert said == "postgresql://db/runs?user=me&password=[password]&sslmode=require more"


@pytest.mark.parametrize(
    "word",
    [
        "service=openai_compatible service.api_base",
        "judge.service=openai_compatible judge.service.api_base",
        "engine=tgi tuner=none engine.service.adapter=x engine.service.url",
        "tracker.uri",
    ],
)
@pytest.mark.parametrize(
    "at",
    ["http://bob:hunter2@host/v1", "http://hunter2@host/v1", "http://host/v1?password=hunter2"],
)
def test_an_address_with_a_password_is_refused_in_any_field_and_not_shown(
    word: str, at: str
) -> None:
    with pytest.raises(ConfigError) as error:
        from_overrides(f"{word}='{at}'".split(" "))
    said = str(error.value)
    assert "there is a password in it, or" in said or "there is a secret in its query" in said
    assert "hunter2" not in said
    assert not ("bob" in said and "set it to http://host/v1 " not in said)


def test_a_password_that_only_some_jobs_of_a_sweep_have_is_not_in_its_plan() -> None:
    sweep = identity(["service.api_base=http://a/v1,http://bob:hunter2@b/v1"])
    assert sweep.name == "service.api_base=http://a/v1,http://bob:[password]@b/v1"


def test_a_token_in_the_place_of_a_user_is_not_shown_and_a_user_of_a_database_is() -> None:
    said = without_secrets("at http://hf_token@gpu:8080/v1 and postgresql://me@db/runs")
    assert said == "at http://[user]@gpu:8080/v1 and postgresql://me@db/runs"


def test_the_password_of_an_address_in_the_environment_is_a_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:hunter22222@db/x")
    monkeypatch.setenv("HTTP_PROXY", "http://u:pw@proxy:3128")
    assert without_secrets("it is hunter22222") == "it is [DATABASE_URL]"
    assert secrets()["DATABASE_URL"] == "hunter22222"
    assert "HTTP_PROXY" not in secrets(), "two letters stand in any text"


def test_a_server_is_given_no_variable_with_a_password_in_it() -> None:
    from llamaduo.deploy.process import environment

    of = {
        "HTTP_PROXY": "http://u:pw@proxy:3128",
        "HTTPS_PROXY": "http://token@proxy:3128",
        "NO_PROXY": "127.0.0.1",
        "http_proxy": "http://proxy:3128",
    }
    assert environment(of, "/room").keys() & of.keys() == {"NO_PROXY", "http_proxy"}


def test_several_addresses_are_named_without_their_passwords() -> None:
    from llamaduo.errors import UsageError
    from llamaduo.verbs.asking import address

    with pytest.raises(UsageError, match="one server at a time, not 2") as error:
        address(["http://u:secretpw@a", "http://b"], "probe")
    assert "secretpw" not in str(error.value)
