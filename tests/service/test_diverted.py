"""What in the environment would send calls and keys elsewhere is said before any is sent."""

import pytest
from provider import Provider, heard
from ways import SECRET, WAYS, service

from llamaduo.service import wire
from llamaduo.service.diverted import MOVED


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_API_KEY", SECRET)
    for name in ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    ("provider", "variable"), [(who, one) for who in MOVED for one in MOVED[who]]
)
def test_a_variable_that_moves_calls_is_a_fault_unless_an_address_is_given(
    provider: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = service("openai", model=f"{provider}/m", api_base=None, key_env="MY_API_KEY")
    before = asked.faults()
    monkeypatch.setenv(variable, "https://user:some-password@elsewhere/v1")
    [fault] = [one for one in asked.faults() if one not in before]
    assert fault.startswith(f"mine: {variable} in the environment would send its calls and key to ")
    assert "elsewhere/v1; unset it, or say so with service.api_base=" in fault
    assert "some-password" not in fault
    given = asked.model_copy(update={"api_base": "https://here/v1"})
    assert given.faults() == before


def test_what_asks_without_litellm_is_moved_by_no_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://elsewhere/v1")
    assert service("direct", api_base=None).faults() == []


@pytest.mark.parametrize("variable", ["ALL_PROXY", "HTTPS_PROXY", "https_proxy"])
def test_a_proxy_that_does_not_speak_http_is_a_fault(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = service("openai", api_base="https://elsewhere.example/v1")
    monkeypatch.setenv(variable, "socks5://me:some-password@127.0.0.1:1080")
    [fault] = asked.faults()
    assert "a proxy of this kind cannot be used: socks5://127.0.0.1:1080" in fault
    monkeypatch.setenv("NO_PROXY", "elsewhere.example")
    assert asked.faults() == []
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv(variable, "http://127.0.0.1:3128")
    assert asked.faults() == []


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_sent_to_such_a_proxy(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_proxy_of", lambda scheme, host: "socks5://127.0.0.1:9")
    provider = Provider()
    [said] = heard(service(way), provider)
    assert (provider.connections, said.unproven) == (0, False)
    assert "a proxy of this kind cannot be used" in said.reply.cause
