"""How many tokens a server has room for."""

from hypothesis import given
from hypothesis import strategies as st

from llamaduo.serving import Lengths
from llamaduo.serving.limits import PREFILL, limits, prefill

COUNTS = st.integers(min_value=0, max_value=200_000)


def lengths(p999: int, new: int, longest: int | None = None) -> Lengths:
    return Lengths(
        n=1000,
        median=p999,
        p99=p999,
        p999=p999,
        longest=p999 if longest is None else longest,
        max_new_tokens=new,
    )


def test_the_figures_are_those_of_the_task() -> None:
    ticket = lengths(61, 16, longest=900)
    assert limits(ticket) == (61, 77)
    assert prefill(ticket) == PREFILL
    assert prefill(lengths(6000, 512)) == 6050


@given(p999=COUNTS, new=st.integers(min_value=1, max_value=32_000))
def test_what_is_taken_in_fits_with_its_whole_answer_and_tgi_starts(p999: int, new: int) -> None:
    found = lengths(p999, new)
    longest, total = limits(found)
    assert longest >= max(p999, 1)
    assert total - longest == new
    assert longest < total  # TGI's launcher refuses anything else
    assert prefill(found) >= longest  # so does its router


@given(p999=COUNTS, more=st.integers(min_value=0, max_value=100_000))
def test_the_one_prompt_in_a_thousand_sets_no_memory_aside(p999: int, more: int) -> None:
    assert limits(lengths(p999, 8, longest=p999 + more)) == limits(lengths(p999, 8))
