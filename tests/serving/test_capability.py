"""The table of what engines take: each row has an example here, and a line in the pages."""

import re
from pathlib import Path
from typing import Any

import pytest

from llamaduo.errors import UsageError
from llamaduo.serving import Given
from llamaduo.serving.capability import (
    ENGINES,
    PLAIN,
    ROWS,
    SEVEN,
    VLLM_RANKS,
    Asked,
    Row,
    against,
    max_lora_rank,
)
from llamaduo.serving.delivery import delivered
from llamaduo.tuner.trainer import PROJECTIONS

PAGE = Path(__file__).parents[2] / "docs/serving.md"
T4 = Asked(capability=(7, 5))

EXAMPLES: dict[str, tuple[dict[str, Any], Asked, str]] = {
    "any adapter": ({}, Asked(), "takes no adapter"),
    "a base without adapter layers (Gemma 1, Phi, Mixtral)": (
        {"family": "gemma"},
        Asked(),
        "no adapter layers for models of type gemma",
    ),
    "not every layer": ({"every_layer": False}, Asked(), "wants a target in every layer"),
    "targets that are no projections": (
        {"targets": ("lm_head", *PROJECTIONS)},
        Asked(),
        "does not read lm_head",
    ),
    "a GPU without flash attention (T4)": ({}, T4, "this GPU has 7.5"),
    "quantize=fp8": ({}, Asked(quantize="fp8"), "fp8"),
    "a rank over 512": ({"r": 513}, Asked(), "512, and this one has r=513"),
    "DoRA": ({"dora": True}, Asked(), "DoRA"),
    "modules_to_save": ({"modules_to_save": ("lm_head",)}, Asked(), "tuned whole: lm_head"),
    "tuned biases": ({"bias": True}, Asked(), "biases"),
    "rank_pattern": ({"rank_pattern": True}, Asked(), "one rank"),
    "alpha_pattern": ({"alpha_pattern": True}, Asked(), "one alpha"),
    "rsLoRA": ({"rslora": True}, Asked(), "alpha / r"),
    "a base that the hub does not have": ({"hub": False}, Asked(), "not the very base"),
    "an end of turn that the base does not end with": (
        {"ends": False},
        Asked(),
        "stops where the base stops",
    ),
    "the name `tgi`": ({}, Asked(called="tgi"), "answered by the base"),
    "awq, gptq, marlin, exl2": ({}, Asked(quantize="gptq"), "quantised before"),
    "a base that is quantised already": ({"quantized": "awq"}, Asked(), "quantised (awq)"),
    "a folder without a name": ({"name": ""}, Asked(), "without a name"),
}


def id_of(row: Row) -> str:
    return f"{row.engine}, {row.what}"


def of(row: Row) -> tuple[Given, Asked, str]:
    fields, asked, words = EXAMPLES[row.what]
    return PLAIN.model_copy(update=fields), asked, words


def test_every_example_is_of_a_row_and_no_row_stands_twice() -> None:
    assert {row.what for row in ROWS} == EXAMPLES.keys()
    named = [(row.engine, row.what) for row in ROWS]
    assert len(set(named)) == len(named)


@pytest.mark.parametrize("row", ROWS, ids=id_of)
def test_a_row_holds_for_its_example_alone_and_says_why(row: Row) -> None:
    given, asked, words = of(row)
    held = against(row.engine, given, asked)
    expected = [row] if row.engine != "transformers" else [ROWS[0]]
    assert [one for one, _ in held] == expected
    assert words in held[0][1]


@pytest.mark.parametrize("row", [row for row in ROWS if row.then == "merged"], ids=id_of)
def test_what_cannot_be_put_on_is_merged_unless_the_adapter_was_asked_for(row: Row) -> None:
    given, asked, words = of(row)
    form, why = delivered(row.engine, given, asked, "auto")
    assert form == "merged"
    assert words in why
    with pytest.raises(UsageError, match="delivery=auto merges it") as error:
        delivered(row.engine, given, asked, "adapter")
    assert words in str(error.value)
    assert row.instead in str(error.value)


@pytest.mark.parametrize("row", [row for row in ROWS if row.then == "refused"], ids=id_of)
def test_what_cannot_be_served_at_all_is_refused_with_a_way_out(row: Row) -> None:
    given, asked, words = of(row)
    for wanted in ("auto", "adapter", "merged"):
        with pytest.raises(UsageError) as error:
            delivered(row.engine, given, asked, wanted)  # type: ignore[arg-type]
        assert words in str(error.value)
        assert row.instead in str(error.value)


@pytest.mark.parametrize("engine", [name for name in ENGINES if name != "transformers"])
def test_a_plain_adapter_is_put_on_by_every_container(engine: str) -> None:
    assert delivered(engine, PLAIN, Asked(capability=(8, 9)), "auto") == ("adapter", "")
    assert delivered(engine, PLAIN, Asked(), "adapter") == ("adapter", "")
    assert delivered(engine, PLAIN, Asked(), "merged") == ("merged", "serving.delivery=merged")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_version_of_all_weights_has_no_adapter_to_put_on(engine: str) -> None:
    whole = PLAIN.model_copy(update={"form": "merged", "r": 0, "targets": ()})
    assert delivered(engine, whole, Asked(), "auto") == ("merged", "")
    with pytest.raises(UsageError, match="promote --weights adapter"):
        delivered(engine, whole, Asked(), "adapter")


@pytest.mark.parametrize("engine", ["tgi", "sglang", "llamacpp"])
def test_all_that_is_in_the_way_is_said_at_once(engine: str) -> None:
    worst = PLAIN.model_copy(update={"dora": True, "bias": True, "alpha_pattern": True})
    _, why = delivered(engine, worst, Asked(), "auto")
    assert [word in why for word in ("DoRA", "biases", "alpha")] == [True] * 3


@pytest.mark.parametrize("family", ["gemma", "phi3", "mixtral", "cohere", "falcon", ""])
def test_tgi_merges_what_its_code_has_no_adapter_layers_for(family: str) -> None:
    given = PLAIN.model_copy(update={"family": family})
    assert delivered("tgi", given, Asked(), "auto")[0] == "merged"
    assert delivered("vllm", given, Asked(), "auto")[0] == "adapter"


@pytest.mark.parametrize("quantize", ["eetq", "bitsandbytes", "bitsandbytes-nf4"])
def test_tgi_puts_an_adapter_on_layers_that_keep_their_weight(quantize: str) -> None:
    assert delivered("tgi", PLAIN, Asked(quantize=quantize), "auto")[0] == "adapter"


def test_vllm_is_told_the_next_rank_it_knows() -> None:
    assert [max_lora_rank(r) for r in (1, 2, 8, 20, 512)] == [1, 8, 8, 32, 512]
    assert list(VLLM_RANKS) == sorted(VLLM_RANKS)


def test_what_the_tuner_targets_is_what_every_engine_reads() -> None:
    assert set(PROJECTIONS) == SEVEN


def test_the_page_has_the_table_as_the_code_has_it() -> None:
    said = re.findall(r"^\| (.+?) \|(.+)\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    lines = {what: [cell.strip() for cell in cells.split("|")] for what, cells in said}
    engines = [engine for engine in ENGINES if engine != "transformers"]
    assert lines["of the adapter, its base or the settings"] == [ENGINES[one] for one in engines]
    for what in EXAMPLES.keys() - {"any adapter"}:
        then: dict[str, str] = {row.engine: row.then for row in ROWS if row.what == what}
        assert lines[what] == [then.get(engine, "") for engine in engines], what
