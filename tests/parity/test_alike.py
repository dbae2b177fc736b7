"""Whether a preset serves the weights and numbers that were judged."""

import pytest
from held_world import held

from llamaduo.config import from_overrides
from llamaduo.parity.alike import alike


@pytest.mark.parametrize(
    ("words", "judged", "dtype", "numbers"),
    [
        (("serving=transformers",), "float32", "float32", "exact"),
        (("serving=transformers",), "bfloat16", "bfloat16", "same"),
        (("serving=vllm_l4",), "float32", "float32", "exact"),
        (("serving=vllm_l4", "serving.dtype=bfloat16"), "float32", "bfloat16", "other"),
        (("serving=vllm_l4", "serving.quantize=fp8"), "float32", "fp8", "other"),
        (("serving=tgi_l4",), "float32", "bfloat16", "other"),
        (("serving=llamacpp",), "float32", "", "other"),
    ],
)
def test_numbers_are_exact_in_float32_the_same_in_one_type_and_else_other(
    words: tuple[str, ...], judged: str, dtype: str, numbers: str
) -> None:
    serving = from_overrides(["experiments=demo_tiny", "tracker=none", *words]).serving
    found = alike(held(judged), serving)
    assert (found.form, found.dtype, found.numbers) == ("merged", dtype, numbers)
    assert f"judged merged in {judged}" in found.words
