"""Who is asked outside, and what the keys of `privacy` say of it."""

from pathlib import Path

import pytest
from pydantic import ValidationError
from small_world import Diary, Scripted, altered, experiment

from llamaduo.config import from_overrides
from llamaduo.errors import ConfigError
from llamaduo.experiment import Experiment
from llamaduo.privacy import Privacy
from llamaduo.privacy.kinds import KINDS, counted, many


class Placed(Scripted):
    """A service at an address."""

    api_base: str | None = None


def at(address: str | None, **fields: object) -> Scripted:
    return Placed.model_validate({"diary": Diary(), "api_base": address, **fields})


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:8080/v1",
        "http://[::1]:8080",
        "http://localhost:4000",
        "https://10.1.2.3/v1",
        "http://192.168.0.9",
        "http://100.64.0.2:8000",
        "http://judge:8000/v1",
        "http://llm.corp.internal/v1",
        "http://box.local",
    ],
)
def test_what_is_asked_of_this_machine_or_network_does_not_leave(address: str) -> None:
    assert not Privacy().leaves(at(address))


@pytest.mark.parametrize(
    "address",
    [
        None,
        "https://api.openai.com/v1",
        "https://8.8.8.8",
        "http://local.example.org",
        "http://134744072/v1",
        "http://0x08080808/v1",
        "http://[::ffff:8.8.8.8]/v1",
    ],
)
def test_what_is_asked_of_anybody_else_leaves(address: str | None) -> None:
    assert Privacy().leaves(at(address))


def test_nothing_leaves_in_a_play() -> None:
    assert not Privacy(inside=()).leaves(at(None, simulated=True))


def test_who_is_inside_can_be_said_for_a_proxy_and_for_ones_own_server() -> None:
    proxy, own = at("http://localhost:4000"), at("https://llm.example.org", name="own")
    assert Privacy(inside=()).leaves(proxy)
    assert not Privacy(inside=("own",)).leaves(own)
    assert Privacy(inside=("own",)).leaves(proxy)


def test_a_service_that_is_not_asked_cannot_be_inside(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"privacy.inside: mine is asked nothing here"):
        experiment(tmp_path / "home", Diary(), privacy={"inside": ["mine"]})


def test_a_country_that_is_none_and_a_kind_that_is_none_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"privacy\.phones: no country has the code UK"):
        from_overrides(["privacy.phones=[UK,DE]"])
    with pytest.raises(ConfigError, match=r"privacy\.ignore"):
        from_overrides(["privacy.ignore=[name]"])


def test_each_kind_has_the_fate_of_its_key_unless_it_is_ignored() -> None:
    privacy = Privacy(personal_data="redact", secrets="send", ignore=("ip", "phone"))
    assert privacy.kinds("send") == ("secret",)
    assert privacy.kinds("redact") == ("email", "iban", "card", "national_id")
    assert privacy.kinds("ask") == ()


def test_kinds_are_counted_in_words() -> None:
    assert counted({"phone": 1, "email": 2}) == "2 e-mail addresses, 1 phone number"
    assert len(many(KINDS).split(", ")) == 7


@pytest.fixture
def exp(tmp_path: Path) -> Experiment:
    return experiment(tmp_path / "home", Diary())


def test_a_run_that_hides_nothing_is_the_run_it_always_was(
    exp: Experiment, tiny: Experiment
) -> None:
    assert tiny.fingerprint() == "11aa0f296886599e", "runs of before have this name"
    for changed in (
        {"personal_data": "send", "secrets": "send"},
        {"ignore": ["ip"], "phones": ["DE"]},
        {"inside": [exp.service.name], "personal_data": "redact"},
        {"personal_data": "redact", "ignore": KINDS},
    ):
        other = altered(exp, privacy=Privacy.model_validate(changed))
        assert other.fingerprint() == exp.fingerprint(), changed
    played = altered(tiny, privacy=Privacy(personal_data="redact", secrets="redact"))
    assert played.fingerprint() == tiny.fingerprint()


def test_what_is_hidden_makes_another_run(exp: Experiment) -> None:
    names = {
        altered(exp, privacy=Privacy.model_validate(changed)).fingerprint()
        for changed in (
            {},
            {"personal_data": "redact"},
            {"personal_data": "redact", "ignore": ["ip"]},
            {"personal_data": "redact", "phones": ["DE"]},
            {"secrets": "redact"},
        )
    }
    assert len(names) == 5
