"""Whether a preset serves the weights and numbers that were judged."""

import pytest
from held_world import held

from llamaduo.config import from_overrides
from llamaduo.parity.alike import alike


@pytest.mark.parametrize(
    ("words", "judged", "dtype", "exact"),
    [
        (("serving=transformers",), "float32", "float32", True),
        (("serving=transformers",), "bfloat16", "bfloat16", False),
        (("serving=vllm_l4",), "float32", "float32", True),
        (("serving=vllm_l4", "serving.dtype=bfloat16"), "float32", "bfloat16", False),
        (("serving=vllm_l4", "serving.quantize=fp8"), "float32", "fp8", False),
        (("serving=tgi_l4",), "float32", "bfloat16", False),
        (("serving=llamacpp",), "float32", "", False),
    ],
)
def test_only_float32_on_both_sides_counts_as_the_same_numbers(
    words: tuple[str, ...], judged: str, dtype: str, exact: bool
) -> None:
    serving = from_overrides(["experiments=demo_tiny", "tracker=none", *words]).serving
    found = alike(held(judged), serving)
    assert (found.form, found.dtype, found.exact) == ("merged", dtype, exact)
    assert f"judged merged in {judged}" in found.words
