"""Names of figures that servers have, by their documentation, read in November 2026.

litellm's are read from the installed release, which the gateway's image is of.
"""

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

HISTOGRAM = ("_bucket", "_sum", "_count")
# huggingface.co/docs/text-generation-inference/reference/metrics
TGI = {
    "gauge": "tgi_batch_current_max_tokens tgi_batch_current_size tgi_queue_size",
    "counter": "tgi_batch_inference_count tgi_batch_inference_success tgi_request_count "
    "tgi_request_success",
    "histogram": "tgi_batch_decode_duration tgi_batch_filter_duration tgi_batch_forward_duration "
    "tgi_batch_inference_duration tgi_batch_next_size tgi_request_duration "
    "tgi_request_generated_tokens tgi_request_inference_duration tgi_request_input_length "
    "tgi_request_max_new_tokens tgi_request_mean_time_per_token_duration "
    "tgi_request_queue_duration tgi_request_skipped_tokens tgi_request_validation_duration",
}
# docs.vllm.ai, design/metrics; counters as they are exposed
VLLM = {
    "gauge": "vllm:num_requests_running vllm:num_requests_waiting vllm:kv_cache_usage_perc",
    "counter": "vllm:prompt_tokens_total vllm:generation_tokens_total vllm:request_success_total",
    "histogram": "vllm:time_to_first_token_seconds vllm:inter_token_latency_seconds "
    "vllm:e2e_request_latency_seconds vllm:request_queue_time_seconds",
}
# docs.sglang.io/references/production_metrics
SGLANG = {
    "gauge": "sglang:token_usage sglang:cache_hit_rate sglang:num_running_reqs "
    "sglang:num_used_tokens sglang:gen_throughput sglang:num_queue_reqs",
    "counter": "sglang:prompt_tokens_total sglang:generation_tokens_total",
    "histogram": "sglang:time_to_first_token_seconds sglang:e2e_request_latency_seconds",
}
# tools/server/README.md of ggml-org/llama.cpp
LLAMACPP = {
    "gauge": "llamacpp:requests_processing llamacpp:requests_deferred "
    "llamacpp:prompt_tokens_seconds llamacpp:predicted_tokens_seconds",
    "counter": "llamacpp:prompt_tokens_total llamacpp:tokens_predicted_total",
    "histogram": "",
}
_NAME = re.compile(r"\b(?:tgi_|litellm_|vllm:|sglang:|llamacpp:)[\w]+")


@cache
def known() -> frozenset[str]:
    """Return every name as Prometheus stores it."""
    found: set[str] = set(_litellm())
    for table in (TGI, VLLM, SGLANG, LLAMACPP):
        found |= {*table["gauge"].split(), *table["counter"].split()}
        found |= {name + end for name in table["histogram"].split() for end in HISTOGRAM}
    return frozenset(found)


def _litellm() -> set[str]:
    """Return what litellm's own module makes; its client puts _total behind a counter."""
    package = find_spec("litellm")
    assert package is not None and package.origin is not None
    source = (Path(package.origin).parent / "integrations" / "prometheus.py").read_text()
    made = re.findall(
        r"self\._(counter|gauge|histogram)_factory\(\s*(?:name=)?\"(litellm_\w+)\"", source
    )
    assert len(made) > 40
    ends = {"counter": ("_total",), "gauge": ("",), "histogram": HISTOGRAM}
    return {name + end for kind, name in made for end in ends[kind]}


def figures(query: str) -> list[str]:
    """Return the figures that a query names, each of which has to exist."""
    found = _NAME.findall(query)
    assert set(found) <= known(), set(found) - known()
    return found
