"""What a provider's words come to."""

import json
from typing import Any

import pytest

from llamaduo.service.endings import filtered, hopeless, passing, words_of

GOOGLE = {
    "error": {
        "code": 400,
        "message": "API key not valid.",
        "status": "INVALID_ARGUMENT",
        "details": [{"reason": "API_KEY_INVALID"}],
    }
}
AZURE = {
    "error": {
        "message": "The response was filtered",
        "code": "content_filter",
        "innererror": {"code": "ResponsibleAIPolicyViolation"},
    }
}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"message": "no", "type": "t", "code": "c"}}, "t/c: no"),
        ({"type": "error", "error": {"type": "api_error", "message": "no"}}, "api_error: no"),
        (GOOGLE, "INVALID_ARGUMENT/API_KEY_INVALID: API key not valid."),
        ([GOOGLE], "INVALID_ARGUMENT/API_KEY_INVALID: API key not valid."),
        (AZURE, "content_filter/ResponsibleAIPolicyViolation: The response was filtered"),
        ({"message": "too many tokens"}, "too many tokens"),
        ({"detail": "Not Found"}, "Not Found"),
        ({"error": "overloaded"}, "overloaded"),
        ({}, "nothing more was said"),
    ],
)
def test_a_refusal_is_its_codes_and_its_message(body: Any, words: str) -> None:
    assert words_of(json.dumps(body)) == words


def test_a_refusal_that_is_no_json_is_its_text() -> None:
    assert words_of("<h1>502</h1>\n<script>x()</script> Bad  Gateway") == "502 Bad Gateway"
    assert words_of("") == "nothing more was said"


@pytest.mark.parametrize(
    ("status", "words", "advice"),
    [
        (401, "", "check {keys}"),
        (400, "INVALID_ARGUMENT/API_KEY_INVALID: API key not valid.", "check {keys}"),
        (429, "insufficient_quota: You exceeded your current quota", "no credit left"),
        (400, "Your credit balance is too low to access the API", "no credit left"),
        (402, "", "no credit left"),
        (403, "", "access to {model}"),
        (404, "", "check service.model"),
        (400, "unsupported_parameter: 'seed'", "does not take what is sent"),
        (302, "", "service.api_base"),
        (400, "You have reached your specified API usage limits.", "no credit left"),
        (429, "RESOURCE_EXHAUSTED: Your prepayment credits are depleted.", "no credit left"),
        (400, "The provided model identifier is invalid.", "check service.model"),
        (400, "Invocation with on-demand throughput isn\u2019t supported.", "check service.model"),
        (400, "Operation not allowed", "access to {model}"),
        (400, "FAILED_PRECONDITION: User location is not supported", "another service"),
        (403, "The security token included in the request is expired", "{renew}"),
        (400, "ExpiredTokenException: nothing more was said", "{renew}"),
        (403, "The security token included in the request is invalid.", "check {keys}"),
    ],
)
def test_what_no_request_gets_past_says_what_to_do(status: int, words: str, advice: str) -> None:
    assert advice in str(hopeless(status, words))


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (429, "rate_limit_exceeded: slow down"),
        (500, "authentication_error: our key server is down"),
        (503, "model_not_found: it is being loaded"),
        (400, "invalid_request_error: too long"),
        (422, ""),
    ],
)
def test_what_may_pass_or_is_one_requests_own_fault_stops_no_run(status: int, words: str) -> None:
    assert hopeless(status, words) is None


def test_credentials_that_no_client_finds_bring_no_wait_but_a_providers_own_trouble_does() -> None:
    for words in (
        "Your default credentials were not found.",
        "Reauthentication is needed.",
        "('invalid_grant: Bad Request', {})",
    ):
        assert "{renew}" in str(hopeless(500, words, unsent=True))
        assert hopeless(500, words) is None
    assert hopeless(500, "Cannot connect to host", unsent=True) is None


def test_only_what_may_pass_is_asked_again() -> None:
    assert all(passing(status) for status in (408, 424, 429, 500, 502, 503, 529))
    assert not any(passing(status) for status in (400, 401, 404, 413, 422))


def test_a_filter_is_known_by_any_providers_words() -> None:
    assert filtered(words_of(json.dumps(AZURE)))
    assert filtered("content_policy_violation: rejected")
    assert not filtered("invalid_request_error: too long")


def test_an_input_that_openrouter_moderates_is_filtered_and_no_lack_of_access() -> None:
    flagged = {"reasons": ["violence"], "flagged_input": "q"}
    said = {"code": 403, "message": "Not with this model", "metadata": flagged}
    assert filtered(words_of(json.dumps({"error": said})))
    assert not filtered(words_of(json.dumps({"error": {**said, "metadata": {"raw": "no"}}})))
