"""Whether a model's name leads anywhere, as litellm's own files say."""

import subprocess
import sys
from datetime import date

import litellm
import pytest
from litellm.llms.openai_like.json_loader import JSONProviderRegistry

from llamaduo.service import routed
from llamaduo.service.chat import ChatService, Price

PRICE = Price(input=1, output=1, as_of=date(2026, 1, 2), source="a list")

OPNAI = "s: opnai/m has no provider that litellm knows in front; did you mean `openai`?"


def faults(model: str, api_base: str | None = None) -> list[str]:
    return ChatService(name="s", model=model, price=PRICE, api_base=api_base).faults()


@pytest.mark.parametrize(
    ("model", "address", "said"),
    [
        (
            "opnai/m",
            None,
            OPNAI,
        ),
        (
            "opnai/m",
            "http://h/v1",
            OPNAI,
        ),
        ("mine", None, "s: mine names no provider; put it in front, as in PROVIDER/NAME"),
        ("mine", "http://h/v1", "s: mine names no provider; put it in front, as in openai/NAME"),
        (
            "openai",
            "http://h/v1",
            "s: openai names no provider; put it in front, as in openai/NAME",
        ),
    ],
)
def test_a_model_whose_provider_litellm_does_not_know_is_a_fault(
    model: str, address: str | None, said: str
) -> None:
    assert faults(model, address) == [said]
    with pytest.raises((litellm.BadRequestError, IndexError)):
        litellm.get_llm_provider(model, api_base=address)


@pytest.mark.parametrize(
    ("model", "address"),
    [
        ("openai/mine", None),
        ("groq/meta-llama/x", None),
        ("gpt-4o", None),
        ("ft:gpt-4o-2024-08-06:org::1", None),
        ("mine", "https://api.groq.com/openai/v1"),
        ("veniceai/x", None),
    ],
)
def test_what_litellm_routes_is_no_fault(model: str, address: str | None) -> None:
    assert faults(model, address) == []
    assert litellm.get_llm_provider(model, api_base=address)[1]


def test_the_providers_are_those_that_litellm_has() -> None:
    listed = {one.value for one in litellm.LlmProviders} | set(
        JSONProviderRegistry.list_providers()
    )
    assert routed._providers() == listed


def test_without_litellms_lists_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routed, "_providers", frozenset)
    assert faults("opnai/m") == []


def test_litellm_is_not_imported_for_it() -> None:
    code = (
        "import sys; from llamaduo.service import routed; "
        "assert routed.fault('s', 'opnai/m', None); "
        "sys.exit('litellm' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
