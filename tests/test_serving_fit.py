"""Which engine takes which adapter."""

import pytest

from llamaduo.serving_fit import Adapter, Fit, fits
from llamaduo.tuner.trainer import PROJECTIONS

WHOLE = Adapter("llama", 8, PROJECTIONS, every_layer=True)


def served(adapter: Adapter, capability: tuple[int, int] | None = None) -> dict[str, Fit]:
    return {fit.engine: fit for fit in fits(adapter, capability)}


def test_what_is_tuned_here_in_every_layer_can_be_put_on_by_all() -> None:
    assert not any(fit.merged_only for fit in served(WHOLE, (8, 9)).values())
    assert served(WHOLE)["vLLM"].in_words() == "vLLM: adapter, with --enable-lora --max-lora-rank 8"


@pytest.mark.parametrize(
    ("adapter", "capability", "why"),
    [
        (Adapter("gemma", 8, PROJECTIONS, every_layer=True), None, "models of type gemma"),
        (Adapter("llama", 8, PROJECTIONS, every_layer=False), None, "tuner.layers=null"),
        (Adapter("llama", 8, [*PROJECTIONS, "lm_head"], every_layer=True), None, "lm_head"),
        (WHOLE, (7, 5), "this GPU has 7.5"),
    ],
)
def test_tgi_says_why_it_wants_it_merged(
    adapter: Adapter, capability: tuple[int, int] | None, why: str
) -> None:
    found = served(adapter, capability)
    assert found["TGI"].in_words().startswith("TGI: merged only: ")
    assert why in found["TGI"].merged_only
    assert not found["vLLM"].merged_only


def test_vllm_is_told_the_next_rank_it_knows_and_has_a_largest() -> None:
    assert "--max-lora-rank 32" in served(Adapter("llama", 20, PROJECTIONS, True))["vLLM"].note
    assert "512" in served(Adapter("llama", 513, PROJECTIONS, True))["vLLM"].merged_only
