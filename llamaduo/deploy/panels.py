"""What the dashboard shows, by the names that each server's own documentation gives.

- gateway: litellm 1.106 (`litellm/integrations/prometheus.py`)
- tgi: huggingface.co/docs/text-generation-inference/reference/metrics
- vllm: docs.vllm.ai, design/metrics and usage/metrics
- sglang: docs.sglang.io/references/production_metrics
- llamacpp: tools/server/README.md of ggml-org/llama.cpp

All read in November 2026.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDE, HIGH = 12, 8
"""Of a panel, in the 24 columns of a dashboard."""


@dataclass(frozen=True)
class Panel:
    """A picture over time."""

    title: str
    unit: str
    """Grafana's name of it: `s`, `reqps`, `short`, `percentunit`."""
    asked: Mapping[str, str]
    """PromQL by what its line is called."""
    meaning: str = ""


def _rate(counter: str, by: str = "") -> str:
    return f"sum{f' by ({by})' if by else ''} (rate({counter}[5m]))"


def _quantiles(histogram: str, by: str = "") -> dict[str, str]:
    grouped = f"le, {by}" if by else "le"
    legend = f" {{{{{by}}}}}" if by else ""
    return {
        f"{name}{legend}": f"histogram_quantile({q}, {_rate(f'{histogram}_bucket', grouped)})"
        for name, q in (("median", 0.5), ("p95", 0.95))
    }


GATEWAY = (
    Panel(
        "Requests of clients",
        "reqps",
        {
            "HTTP {{status_code}}": _rate(
                "litellm_proxy_total_requests_metric_total", "status_code"
            ),
        },
    ),
    Panel(
        "Time until clients have their answer, by who answered",
        "s",
        _quantiles("litellm_request_total_latency_metric", "model_id"),
    ),
    Panel(
        "Answered by another one, and not answered",
        "reqps",
        {
            "answered by a fallback": _rate("litellm_deployment_successful_fallbacks_total"),
            "fallback failed too": _rate("litellm_deployment_failed_fallbacks_total"),
            "{{model_id}}: HTTP {{exception_status}}": _rate(
                "litellm_deployment_failure_responses_total", "model_id, exception_status"
            ),
        },
        "A fallback that answers hides from clients that the local model did not.",
    ),
    Panel(
        "Tokens",
        "short",
        {
            "prompts, a second": _rate("litellm_input_tokens_metric_total"),
            "answers, a second": _rate("litellm_output_tokens_metric_total"),
        },
    ),
)

ENGINES: dict[str, tuple[Panel, ...]] = {
    "tgi": (
        Panel(
            "TGI: requests",
            "reqps",
            {"all": _rate("tgi_request_count"), "answered": _rate("tgi_request_success")},
        ),
        Panel(
            "TGI: at work and waiting",
            "short",
            {"in the batch": "tgi_batch_current_size", "waiting": "tgi_queue_size"},
            "Requests that wait while the batch does not grow: the card is full.",
        ),
        Panel("TGI: time of an answer", "s", _quantiles("tgi_request_duration")),
        Panel("TGI: time in the queue", "s", _quantiles("tgi_request_queue_duration")),
        Panel("TGI: time of a token", "s", _quantiles("tgi_request_mean_time_per_token_duration")),
        Panel(
            "TGI: tokens",
            "short",
            {
                "prompts, a second": _rate("tgi_request_input_length_sum"),
                "answers, a second": _rate("tgi_request_generated_tokens_sum"),
            },
        ),
    ),
    "vllm": (
        Panel(
            "vLLM: requests, by how they ended",
            "reqps",
            {"{{finished_reason}}": _rate("vllm:request_success_total", "finished_reason")},
        ),
        Panel(
            "vLLM: at work and waiting",
            "short",
            {"at work": "vllm:num_requests_running", "waiting": "vllm:num_requests_waiting"},
            "Requests that wait while those at work do not grow: the card is full.",
        ),
        Panel("vLLM: time of an answer", "s", _quantiles("vllm:e2e_request_latency_seconds")),
        Panel("vLLM: time to the first token", "s", _quantiles("vllm:time_to_first_token_seconds")),
        Panel("vLLM: time of a token", "s", _quantiles("vllm:inter_token_latency_seconds")),
        Panel(
            "vLLM: tokens",
            "short",
            {
                "prompts, a second": _rate("vllm:prompt_tokens_total"),
                "answers, a second": _rate("vllm:generation_tokens_total"),
            },
        ),
        Panel(
            "vLLM: memory for tokens in use", "percentunit", {"used": "vllm:kv_cache_usage_perc"}
        ),
    ),
    "sglang": (
        Panel(
            "SGLang: at work and waiting",
            "short",
            {"at work": "sglang:num_running_reqs", "waiting": "sglang:num_queue_reqs"},
            "Requests that wait while those at work do not grow: the card is full.",
        ),
        Panel("SGLang: time of an answer", "s", _quantiles("sglang:e2e_request_latency_seconds")),
        Panel(
            "SGLang: time to the first token", "s", _quantiles("sglang:time_to_first_token_seconds")
        ),
        Panel(
            "SGLang: tokens",
            "short",
            {
                "prompts, a second": _rate("sglang:prompt_tokens_total"),
                "answers, a second": _rate("sglang:generation_tokens_total"),
            },
        ),
        Panel("SGLang: memory for tokens in use", "percentunit", {"used": "sglang:token_usage"}),
    ),
    "llamacpp": (
        Panel(
            "llama.cpp: at work and waiting",
            "short",
            {
                "at work": "llamacpp:requests_processing",
                "waiting": "llamacpp:requests_deferred",
            },
            "Requests that wait: every slot is taken.",
        ),
        Panel(
            "llama.cpp: tokens",
            "short",
            {
                "prompts, a second": _rate("llamacpp:prompt_tokens_total"),
                "answers, a second": _rate("llamacpp:tokens_predicted_total"),
            },
        ),
    ),
}
"""By `Serving.engine`; an engine that is not here shows its gateway's figures only."""


def panels(engines: Sequence[str], source: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return Grafana's panels: the gateway's, then each engine's, two beside each other.

    Args:
        source: what they ask, in Grafana's words.
    """
    shown = [*GATEWAY, *(panel for engine in engines for panel in ENGINES.get(engine, ()))]
    return [
        {
            "id": i + 1,
            "type": "timeseries",
            "title": panel.title,
            "description": panel.meaning,
            "datasource": dict(source),
            "gridPos": {"x": WIDE * (i % 2), "y": HIGH * (i // 2), "w": WIDE, "h": HIGH},
            "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
            "targets": [
                {"refId": "ABCDEFGH"[n], "expr": query, "legendFormat": name}
                for n, (name, query) in enumerate(panel.asked.items())
            ],
        }
        for i, panel in enumerate(shown)
    ]
