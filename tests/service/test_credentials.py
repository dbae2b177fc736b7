"""What is missing before a call: keys, a cloud's credentials, a package."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from llamaduo.service import credentials
from llamaduo.service.chat import ChatService, Price
from llamaduo.service.tgi import TgiService

PRICE = Price(input=1, output=1, as_of=date(2026, 1, 2), source="a list")
AWS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION_NAME")


def service(model: str, **changes: Any) -> ChatService:
    return ChatService.model_validate({"name": "s", "model": model, "price": PRICE, **changes})


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Set none of the clouds' variables, and leave no file of theirs."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for variables, _, _ in credentials.BY_CLOUD.values():
        for name in (*variables, *AWS):
            monkeypatch.delenv(name, raising=False)


def test_every_variable_of_a_list_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    bedrock = service("bedrock/x", key_env=AWS)
    monkeypatch.setenv(AWS[1], "something")
    assert bedrock.faults() == [
        "s: no API key; set AWS_ACCESS_KEY_ID in the environment",
        "s: set AWS_REGION_NAME in the environment",
    ]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("sk-0123456789\n", "has white space before or after its value"),
        ("sk-0123456789\r\n", "has white space before or after its value"),
        (" sk-0123456789", "has white space before or after its value"),
        ("sk-0123456789\u043e", "not printable ASCII"),
        ("sk-01234\n56789", "not printable ASCII"),
    ],
)
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(
    value: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_API_KEY", value)
    tgi = {"url": "http://h", "adapter": None, "stop": "<end>", "price": PRICE}
    for one in (
        service("openai/x", key_env="MY_API_KEY"),
        TgiService.model_validate({"name": "s", "key_env": "MY_API_KEY", **tgi}),
    ):
        [fault] = one.faults()
        assert fault.startswith("s: MY_API_KEY ")
        assert why in fault
        assert "0123" not in fault


def test_where_is_no_secret_and_a_key_is() -> None:
    assert credentials.secret(AWS) == AWS[:2]
    assert credentials.secret("MY_CREDENTIAL") == ("MY_CREDENTIAL",)
    assert credentials.secret(None) == ()


@pytest.mark.parametrize(
    ("model", "variable"),
    [("bedrock/x", "AWS_PROFILE"), ("vertex_ai/x", "GOOGLE_APPLICATION_CREDENTIALS")],
)
def test_where_only_a_role_of_the_machine_is_left_it_is_said_and_stops_nothing(
    model: str, variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cloud = service(model)
    assert cloud.faults() == []
    [line] = cloud.warnings()
    assert "only a role of this machine can answer for it" in line
    assert variable in line
    file = tmp_path / "key.json"
    file.touch()
    monkeypatch.setenv(variable, str(file))
    assert (cloud.faults(), cloud.warnings()) == ([], [])


def test_a_file_that_holds_a_clouds_credentials_is_enough(tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/credentials").touch()
    assert service("bedrock/x").warnings() == []


def test_a_credentials_file_that_is_not_there_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere.json")
    [fault] = service("vertex_ai/x").faults()
    assert fault == "s: GOOGLE_APPLICATION_CREDENTIALS names /nowhere.json, which is no file"


def test_a_package_that_a_cloud_needs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(credentials.NEEDS, "bedrock", ("no_such.package", "no-such"))
    [fault] = service("bedrock/x").faults()
    assert fault == "s: bedrock/x needs no-such; `pip install no-such`"


def test_other_providers_need_no_cloud() -> None:
    assert service("openai/x").warnings() == service("openai/x").faults() == []
