"""Waits between tries: growing, jittered, never shorter than the provider asks."""

from hypothesis import given
from hypothesis import strategies as st
from kept import failed

from llamaduo.flow.headers import LONGEST
from llamaduo.retries import LONGEST_WAIT, pause_after
from llamaduo.service import Heard


@given(st.integers(1, 60), st.floats(0, 100), st.none() | st.floats(0, 1e5))
def test_a_wait_is_between_what_is_asked_for_and_the_longest(
    tried: int, backoff: float, wait: float | None
) -> None:
    pause = pause_after(Heard(failed(), again=True, wait=wait), tried, backoff)
    own, asked = min(backoff * 2 ** (tried - 1), LONGEST_WAIT), min(wait or 0.0, LONGEST)
    assert max(own / 2, asked) - 1e-9 <= pause <= max(own, 1.1 * asked) + 1e-9


def test_calls_that_were_refused_together_do_not_come_back_together() -> None:
    heard = Heard(failed(), again=True, wait=20.0)
    pauses = [pause_after(heard, 1, 1.0) for _ in range(100)]
    assert min(pauses) >= 20
    assert max(pauses) - min(pauses) > 0.5
