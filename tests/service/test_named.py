"""Whether the model that answered is the one that was asked."""

import pytest

from llamaduo.service.named import other


@pytest.mark.parametrize(
    ("model", "said", "is_other"),
    [
        ("openai/gpt-5.4-2026-03-05", "gpt-5.4-2026-03-05", False),
        ("openai/gpt-5.4", "gpt-5.4-2026-03-05", False),
        ("openai/gpt-5.4", "gpt-5.4-mini-2026-03-05", True),
        ("openai/gpt-4", "gpt-4o", True),
        ("openai/gpt-5.4-2026-03-05", "gpt-5.4-2026-06-01", True),
        ("anthropic/claude-sonnet-5", "claude-sonnet-5-20260901", False),
        ("anthropic/claude-sonnet-5", "claude-sonnet-5-5", True),
        ("anthropic/claude-sonnet-5-latest", "claude-sonnet-5-20260901", False),
        ("gemini/gemini-3.8-flash", "gemini-3.8-flash-002", False),
        ("gemini/gemini-3.8-flash", "gemini-3.8-flash-lite", True),
        ("openai/gpt-5.4", "", False),
        ("azure/my-deployment", "gpt-5.4-2026-03-05", False),
        ("bedrock/x", "y", False),
    ],
)
def test_a_dated_snapshot_is_the_model_and_a_sibling_is_another(
    model: str, said: str, is_other: bool
) -> None:
    assert other(model, said, answers_as=None, own_address=True) is is_other


def test_a_server_of_ones_own_may_call_its_model_what_it_likes() -> None:
    assert not other("openai/mine", "yours", answers_as=None, own_address=False)


@pytest.mark.parametrize(
    ("said", "is_other"), [("mine", False), ("mine-2026", False), ("yours", True), ("miner", True)]
)
def test_the_name_that_is_given_is_expected_everywhere(said: str, is_other: bool) -> None:
    for own in (True, False):
        assert other("azure/x", said, answers_as="mine", own_address=own) is is_other
        assert not other("azure/x", said, answers_as="*", own_address=own)
        assert not other("azure/x", said, answers_as="[my]*", own_address=own)
