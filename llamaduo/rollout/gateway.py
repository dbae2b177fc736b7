"""What litellm is told in each phase. Clients ask for one name in all of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from llamaduo.rollout import ESCALATED, FALLBACK, LOCAL, PHASES, group
from llamaduo.rollout.settings import Settings
from llamaduo.rollout.state import Asked, Step
from llamaduo.service.credentials import names
from llamaduo.serving.endpoint import Endpoint

GATEWAY = "litellm[proxy]==1.106.2"
"""What the configs were tried with."""
NOT_FOR_TGI = ("presence_penalty", "n", "logit_bias")
"""TGI turns presence_penalty into a repetition penalty of 2 more, and does not know the others."""

CLOUDS = {
    "AWS_ACCESS_KEY_ID": "aws_access_key_id",
    "AWS_SECRET_ACCESS_KEY": "aws_secret_access_key",
    "AWS_SESSION_TOKEN": "aws_session_token",
    "AWS_REGION_NAME": "aws_region_name",
    "GOOGLE_APPLICATION_CREDENTIALS": "vertex_credentials",
    "VERTEXAI_PROJECT": "vertex_project",
    "VERTEXAI_LOCATION": "vertex_location",
}
"""What litellm calls the value of a cloud's variable; that of any other is an `api_key`."""

Values = dict[str, Any]


def config(
    name: str, service: Asked, local: Endpoint | None, settings: Settings, step: Step
) -> Values:
    """Return litellm's config of a step as plain values.

    Args:
        local: None where the service answers alone.
    """
    models = _answering(name, service, local, step)
    fallbacks: list[Values] = []
    # Also without a rule: a gateway never sends a call to a group that its file does not have.
    models.append(_service(group(name, ESCALATED), service, step, ESCALATED))
    if step.phase in ("canary", "cutover"):
        models.append(_service(group(name, FALLBACK), service, step, FALLBACK))
        fallbacks = [{name: [group(name, FALLBACK)]}]
    return {
        "model_list": models,
        "router_settings": {
            "routing_strategy": "simple-shuffle",
            "num_retries": settings.retries,
            "allowed_fails": settings.allowed_fails,
            "cooldown_time": settings.cooldown,
            **({"fallbacks": fallbacks} if fallbacks else {}),
        },
        "litellm_settings": {"callbacks": "capture.proxy_handler_instance"},
        "general_settings": {"master_key": "os.environ/LITELLM_MASTER_KEY"},
    }


def _answering(name: str, service: Asked, local: Endpoint | None, step: Step) -> list[Values]:
    """Return the deployments of the name that clients ask for, and of the one that is copied to."""
    if local is None:
        return [_service(name, service, step, "service")]
    ours, theirs = max(round(1000 * step.share), 1), round(1000 * (1 - step.share))
    if step.phase == "shadow":
        mirrored = _service(name, service, step, "mirrored", ours)
        mirrored["litellm_params"]["silent_model"] = group(name, LOCAL)
        plain = [_service(name, service, step, "service", theirs)] if theirs else []
        return [*plain, mirrored, _local(group(name, LOCAL), local, step)]
    if step.phase == "canary":
        plain = [_service(name, service, step, "service", theirs)] if theirs else []
        return [*plain, _local(name, local, step, ours)]
    return [_local(name, local, step)]


def _service(
    model_name: str, service: Asked, step: Step, arm: str, weight: int | None = None
) -> Values:
    params: Values = {"model": service.model}
    if service.api_base:
        params["api_base"] = service.api_base
    # Always with an address: left to itself, litellm would send OPENAI_API_KEY there.
    if service.key_env:
        for variable in names(service.key_env):
            params[CLOUDS.get(variable, "api_key")] = f"os.environ/{variable}"
    elif service.api_base:
        params["api_key"] = "none"
    if service.api_version:
        params["api_version"] = service.api_version
    if weight is not None:
        params["weight"] = weight
    params["timeout"] = service.timeout
    params["input_cost_per_token"] = service.usd_per_million[0] / 1e6
    params["output_cost_per_token"] = service.usd_per_million[1] / 1e6
    if not service.model.startswith("openai/"):
        params["drop_params"] = True
    return _deployment(model_name, params, step, arm)


def _local(model_name: str, local: Endpoint, step: Step, weight: int | None = None) -> Values:
    params: Values = {
        "model": f"openai/{local.model}",
        "api_base": f"{local.url}/v1",
        "api_key": f"os.environ/{local.key_env}" if local.key_env else "none",
    }
    if weight is not None:
        params["weight"] = weight
    params |= {"timeout": local.timeout, "input_cost_per_token": 0, "output_cost_per_token": 0}
    if local.engine == "tgi":
        params["additional_drop_params"] = list(NOT_FOR_TGI)
    return _deployment(model_name, params, step, LOCAL)


def _deployment(model_name: str, params: Values, step: Step, arm: str) -> Values:
    return {
        "model_name": model_name,
        "litellm_params": params,
        "model_info": {"id": f"{step.number}-{step.phase}-{arm}"},
    }


_SAYS: Mapping[str, Sequence[str]] = {
    "model_list": (
        "Who answers. Each id begins with the number of the step, so that every captured line says",
        "which config it came by. Prices are those of the composed service, to count each call.",
        "No drop_params on openai/ models: with it, litellm 1.106.2 answers a 422 with `null` and",
        "status 200, and no fallback fires. additional_drop_params is what an engine must not get.",
    ),
    "router_settings": (
        "num_retries, allowed_fails and cooldown_time are rollout.yaml's. Fallbacks are plain:",
        "they fire for 422, 424, 429, 5xx and a refused connection. context_window_fallbacks would",
        "not fire for TGI's 422 of a prompt that is too long.",
    ),
    "litellm_settings": ("capture.py, beside this file: a line for each call; escalation.",),
    "general_settings": ("The gateway refuses to start while this is unset or weak.",),
}


def text(values: Values, step: Step) -> str:
    """Return the config as the file that litellm reads, with why it is so."""
    share = f", share {step.share:g}" if step.phase in ("shadow", "canary") else ""
    lines = [
        f"# Step {step.number}, {step.phase}{share}: {PHASES[step.phase]}.",
        f"# Written by `llamaduo rollout {step.phase}` for {GATEWAY}; the next writes it anew.",
    ]
    for key, value in values.items():
        lines += ["", *(f"# {line}" for line in _SAYS[key])]
        lines.append(yaml.safe_dump({key: value}, sort_keys=False, width=100).rstrip())
    return "\n".join(lines) + "\n"


def variables(values: Values) -> list[str]:
    """Return the names of the environment variables that a config reads, each once."""
    found: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            for one in value.values():
                walk(one)
        elif isinstance(value, list):
            for one in value:
                walk(one)
        elif isinstance(value, str) and value.startswith("os.environ/"):
            found.append(value.removeprefix("os.environ/"))

    walk(values)
    return list(dict.fromkeys(["LITELLM_MASTER_KEY", *found]))
