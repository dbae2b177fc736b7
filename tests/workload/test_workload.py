"""What a workload takes, and what it refuses with which words."""

from datetime import date, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from workloads import GIVEN, MEASURED, ours

from llamaduo.config import from_overrides
from llamaduo.cost import project
from llamaduo.errors import ConfigError, UsageError
from llamaduo.workload import Model, Workload
from llamaduo.workload.price import Asked
from llamaduo.workload.ranges import Range, ends, likely


def test_a_range_is_given_by_its_ends_or_with_its_likely_value() -> None:
    assert ours(tuning_usd=[400, 1000]).tuning_usd == Range(low=400, likely=700, high=1000)
    named = {"low": 400, "likely": 500, "high": 1000}
    assert ours(tuning_usd=named).tuning_usd == Range(low=400, likely=500, high=1000)
    assert ours(tuning_usd=800).tuning_usd == 800.0


@pytest.mark.parametrize("sure", [[5, 5], {"low": 5, "likely": 5, "high": 5}])
def test_a_range_without_a_width_is_a_number(sure: object) -> None:
    assert ours(tuning_usd=sure) == ours(tuning_usd=5)
    projection = project(ours(tuning_usd=sure))
    assert projection.tornado == () and projection.pairs[0].break_even is None


def test_a_number_is_its_own_ends_and_likely_value() -> None:
    assert (likely(3.0), ends(3.0)) == (3.0, (3.0, 3.0))
    known = Range(low=1, likely=2, high=5)
    assert (likely(known), ends(known)) == (2, (1, 5))


def test_a_workload_with_ranges_is_the_same_after_a_round_trip() -> None:
    workload = ours(tuning_usd=[400, 1000], servers="auto", throughput=MEASURED)
    assert Workload.model_validate(workload.model_dump()) == workload
    assert workload.key()["tuning_usd"]["high"] == 1000


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("tuning_usd", [1000, 400], "a range rises: low 1000, likely 700, high 400 do not"),
        ("tuning_usd", {"low": 1, "likely": 5, "high": 4}, "a range rises"),
        ("tuning_usd", [1, 2, 3], r"has to be a number, \[low, high\], or \{low:"),
        ("tuning_usd", {"low": 1, "high": 4}, "has to be a number"),
        ("tuning_usd", "a lot", "has to be a number"),
        ("tuning_usd", True, "has to be a number"),
        ("tuning_usd", [-1, 4], "has to be a finite number from 0 on, or a range of such"),
        ("tuning_usd", [0, float("inf")], "has to be a finite number from 0 on"),
        ("cached_share", [0.5, 1.5], r"has to be a finite number in 0\.\.1"),
        ("batch_share", -0.1, r"has to be a finite number in 0\.\.1"),
        ("growth_per_month", 3, r"has to be a finite number in -1\.\.1"),
        ("retune_every_months", [0, 6], "has to be a finite number from 1 on"),
        ("days_per_month", 32, r"has to be a finite number in 0\.\.31"),
        ("hours_per_month", [700, 800], r"has to be a finite number in 0\.\.744"),
        ("months", [1, 241], "months reach to 240 at most; got 241"),
        ("servers", 0, "greater than or equal to 1"),
        ("name", "a/b", "stands in the name of a figure's file"),
        ("name", "..", "the first one a letter, a digit or _"),
        ("name", "", "stands in the name"),
        ("name", "a" * 81, "80 at most"),
        ("models", [{"name": str(i)} for i in range(6)], "at most 5 items"),
        ("services", [{"name": str(i), "price": GIVEN["price"]} for i in range(9)], "at most 8"),
    ],
)
def test_a_value_that_cannot_be_is_refused_where_it_stands(
    key: str, value: object, words: str
) -> None:
    with pytest.raises(ValidationError, match=words) as error:
        ours(**{key: value})
    assert error.value.errors()[0]["loc"][0] == key


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"servers": "auto"}, "servers: auto needs throughput"),
        ({"throughput": MEASURED}, "servers is 1, so that throughput has no say"),
        (
            {"servers": "auto", "throughput": MEASURED, "hours_per_month": [0, 10]},
            "needs hours_per_month above 0",
        ),
        ({"server_usd": None}, r"bought \(server_usd\) or rented \(usd_per_server_hour\)"),
        ({"usd_per_server_hour": 1}, "give one and set the other to null"),
        ({"watts_per_server": None}, "a bought server needs watts_per_server"),
        (
            {"server_usd": None, "usd_per_server_hour": 1, "usd_per_kwh": None},
            "electricity is in its rent: set watts_per_server to null",
        ),
        ({"local_name": "a service"}, "has a name of its own; twice: a service"),
        ({"models": [{"name": "Gemma 2B"}]}, "has a name of its own; twice: Gemma 2B"),
        (
            {"models": [{"name": "b", "usd_per_server_hour": 1, "watts_per_server": 5}]},
            "models, b: a rented server's electricity is in its rent: set watts_per_server",
        ),
        ({"models": [{"name": "b", "servers": "auto"}]}, "models, b: servers: auto needs"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ours(**changes)


def test_a_sequence_that_does_not_fit_beside_the_weights_is_refused() -> None:
    with pytest.raises(ValidationError, match="a sequence of 20000 tokens does not fit"):
        ours(servers="auto", throughput=MEASURED | {"context": [1000, 20_000]})


def test_a_model_has_of_its_own_what_it_is_given_and_the_rest_of_the_workload() -> None:
    workload = ours()
    measured = workload.of(Model.model_validate({"name": "b", "throughput": MEASURED}))
    assert (measured.servers, measured.server_usd) == ("auto", 2539)
    counted = Workload.model_validate(GIVEN | {"servers": "auto", "throughput": MEASURED})
    assert counted.of(Model(name="b", servers=2)).throughput is None
    rented = workload.of(Model(name="b", usd_per_server_hour=1.0))
    assert (rented.local_name, rented.server_usd, rented.usd_per_kwh) == ("b", None, None)


@pytest.mark.parametrize(
    ("price", "words"),
    [
        ({"input": 1, "output": 2}, "a price needs litellm, or as_of, source"),
        ({}, "a price needs litellm, or input, output, as_of, source"),
        ({"litellm": "gpt-4o", "input": 1}, "with litellm, set to null: input"),
        (
            GIVEN["price"] | {"batch_input": 1},
            "batch_input and batch_output go together",
        ),
        (
            GIVEN["price"] | {"cached_input": 6},
            "cached_input is 6 and above input, which is 5",
        ),
        (GIVEN["price"] | {"cached_input": [4, 7]}, "cached_input is 5.5 and above input"),
    ],
)
def test_half_a_price_is_refused(price: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Asked.model_validate(price)


def test_a_price_that_is_still_to_come_is_a_fault_and_stops_the_sums() -> None:
    today = date.today()
    late = ours(price=GIVEN["price"] | {"as_of": today + timedelta(days=2)})
    [fault] = late.faults()
    assert fault.startswith("workload.price: as_of is ") and "still to come" in fault
    with pytest.raises(UsageError, match="still to come"):
        project(late)
    assert ours(price=GIVEN["price"] | {"as_of": today}).faults() == []


def test_the_config_says_a_bad_range_by_its_path() -> None:
    with pytest.raises(ConfigError) as error:
        from_overrides(["workload.usd_per_kwh=[0.3,0.1]"])
    assert "workload.usd_per_kwh: a range rises: low 0.3, likely 0.2, high 0.1 do not" in str(
        error.value
    )


def test_a_price_that_litellm_does_not_have_is_a_fault_before_the_run() -> None:
    workload = ours(services=[{"name": "other", "price": {"litellm": "gpt-4o-minni"}}])
    [fault] = workload.faults()
    assert fault.startswith("workload.services.other.price: the price map of litellm")
    assert ours().faults() == []
