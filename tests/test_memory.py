"""Memory by arithmetic: it grows with what it should, and agrees with what was measured."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llamaduo.config import from_overrides
from llamaduo.local.shape import Shape, shape_of
from llamaduo.memory import NF4, Need, answering, four_bit_weights, gib, tuning

SMALL = Shape(
    family="llama",
    layers=30,
    hidden=576,
    heads=9,
    kv_heads=3,
    head_dim=64,
    intermediate=1536,
    vocabulary=49152,
    tied=True,
)
SHAPES = st.builds(
    Shape,
    family=st.just("llama"),
    layers=st.integers(1, 80),
    hidden=st.integers(64, 8192),
    heads=st.integers(1, 64),
    kv_heads=st.integers(1, 64),
    head_dim=st.integers(32, 256),
    intermediate=st.integers(64, 30000),
    vocabulary=st.integers(300, 256000),
    tied=st.booleans(),
)
SETTINGS: dict[str, int | float | None] = {
    "r": 16,
    "layers": None,
    "batch": 4,
    "length": 512,
    "labelled": 256,
    "checkpointing": False,
    "dropout": False,
    "width": 2,
    "cpu": True,
}


def tuned(shape: Shape, **changed: int | float | None) -> Need:
    return tuning(shape, **{**SETTINGS, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("option", "published"),
    [("gemma_2b", 2.51), ("gemma_7b", 8.54), ("mistral_7b", 7.25), ("llama3_8b", 8.03)],
)
def test_a_shape_gives_the_parameters_that_were_published(option: str, published: float) -> None:
    shape = shape_of(from_overrides([f"local={option}"]).local)
    assert shape is not None
    assert shape.parameters / 1e9 == pytest.approx(published, abs=0.005)


@given(SHAPES, st.sampled_from(["batch", "length", "labelled", "r", "width"]), st.integers(1, 64))
def test_more_of_anything_never_needs_less(shape: Shape, what: str, more: int) -> None:
    before = SETTINGS[what]
    assert before is not None
    assert tuned(shape, **{what: before + more}).total >= tuned(shape).total


@given(SHAPES, st.integers(1, 64), st.integers(1, 4096), st.integers(1, 64))
def test_more_answers_at_once_never_need_less(
    shape: Shape, batch: int, length: int, more: int
) -> None:
    few = answering(shape, batch=batch, prompts=1, length=length, width=2)
    many = answering(shape, batch=batch + more, prompts=1 + more, length=length, width=2)
    assert many.total > few.total


@given(SHAPES)
def test_four_bit_and_fewer_layers_and_checkpoints_never_need_more(shape: Shape) -> None:
    assert four_bit_weights(shape, 2) < shape.parameters * 2
    assert tuned(shape, layers=1).total <= tuned(shape).total
    dense = answering(shape, batch=8, prompts=2, length=64, width=2)
    assert (
        answering(shape, batch=8, prompts=2, length=64, width=2, four_bit=True).total < dense.total
    )
    if shape.layers > 4:  # of fewer, the one that is computed again is a large part
        assert tuned(shape, checkpointing=True).total <= tuned(shape).total


def test_a_weight_in_four_bit_takes_half_a_byte_and_its_constants() -> None:
    bits = NF4 * 8
    assert bits == pytest.approx(4.127, abs=0.001), "the paper's 0.127 bits"


@pytest.mark.parametrize(
    ("batch", "length", "changed", "peak_mib"),
    [
        (4, 128, {"checkpointing": True}, 1321),
        (4, 128, {"checkpointing": False}, 1772),
        (4, 512, {"checkpointing": True}, 2468),
        (4, 512, {"checkpointing": False}, 4693),
        (8, 128, {"checkpointing": True}, 1704),
        (8, 128, {"checkpointing": False}, 2745),
        (8, 512, {"checkpointing": True}, 4263),
        (8, 512, {"checkpointing": False}, 8412),
        (4, 512, {"layers": 16}, 3180),
        (8, 512, {"labelled": 51}, 7370),
        (8, 512, {"dropout": True}, 11561),
    ],
)
def test_tuning_is_estimated_a_little_over_what_was_measured(
    batch: int, length: int, changed: dict[str, int], peak_mib: int
) -> None:
    """Peaks of whole processes on a CPU with bf16, SmolLM2-135M, half of each row answer."""
    half = {"batch": batch, "length": length, "labelled": length // 2}
    need = tuned(SMALL, **{**half, **changed})
    assert 1.0 < need.total / 2**20 / peak_mib < 1.15


@pytest.mark.parametrize(("length", "peak_mib"), [(127, 1228), (399, 1635)])
def test_answering_is_estimated_over_what_was_measured(length: int, peak_mib: int) -> None:
    """96 answers to 48 prompts at once."""
    need = answering(SMALL, batch=96, prompts=48, length=length, width=2)
    assert 1.0 < need.total / 2**20 / peak_mib < 1.4


def test_what_takes_most_is_named_first() -> None:
    need = Need({"weights": 2.0 * 2**30, "logits": 7.0 * 2**30, "adapter": 1.0})
    assert need.in_words() == "logits 7.0 GiB, weights 2.0 GiB"
    assert gib(3 * 2**20) == "3 MiB"
