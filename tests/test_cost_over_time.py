"""Growth, new tunings, rent, servers, several services and models: what the lines then do."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from workloads import GIVEN, MEASURED, ours

from llamaduo.cost import project, table
from llamaduo.projection import Line, Projection
from llamaduo.workload import Workload

RENTED = {
    "server_usd": None,
    "watts_per_server": None,
    "usd_per_kwh": None,
    "usd_per_server_hour": 1.0,
}


def at(line: Line, month: float) -> float:
    """Dollars by a time, read off the corners; at a jump, after it."""
    for (start, low), (end, high) in reversed(list(zip(line.path, line.path[1:], strict=False))):
        if start <= month <= end and end > start:
            return low + (high - low) * (month - start) / (end - start)
    raise AssertionError(f"month {month} is not on the line")


def by_hand(workload: dict[str, Any], month: float) -> tuple[float, float]:
    """Return what local model and service have cost by a time, added up month by month."""
    local = workload["tuning_usd"] + workload["servers"] * workload["server_usd"]
    service = 0.0
    power = workload["servers"] * workload["watts_per_server"] * 0.72 * workload["usd_per_kwh"]
    again = workload["retune_every_months"]
    for k in range(math.ceil(month)):
        part = min(1.0, month - k)
        grown = (1 + workload["growth_per_month"]) ** k * 30 / 1e6
        price = workload["price"]
        service += part * grown * workload["input_tokens_per_day"] * price["input"]
        service += part * grown * workload["output_tokens_per_day"] * price["output"]
        local += part * power
        if again and k and k % again == 0:
            local += workload["tuning_usd"]
    return local, service


@settings(max_examples=60)
@given(
    st.integers(1, 40_000_000),
    st.floats(-0.2, 0.3),
    st.one_of(st.none(), st.integers(1, 12)),
    st.integers(0, 5000),
    st.integers(1, 36),
)
def test_the_break_even_is_where_lines_added_up_by_hand_cross_for_good(
    tokens: int, growth: float, again: int | None, tuning: int, horizon: int
) -> None:
    given_ = GIVEN | {
        "input_tokens_per_day": tokens,
        "growth_per_month": growth,
        "retune_every_months": again,
        "tuning_usd": tuning,
        "months": list(range(1, horizon + 1)),
    }
    projection = project(Workload.model_validate(given_))
    local, service = by_hand(given_, horizon)
    assert projection.local_usd[-1] == pytest.approx(local)
    assert projection.service_usd[-1] == pytest.approx(service)
    crossing = projection.break_even_month
    if crossing is None or crossing > horizon:
        assert service <= local * (1 + 1e-9)
        return
    if crossing > 0:
        local, service = by_hand(given_, crossing)
        assert service == pytest.approx(local, rel=1e-6)
        assert projection.pairs[0].break_even_usd == pytest.approx(service, rel=1e-6)
    for month in range(math.ceil(crossing), horizon + 1):
        local, service = by_hand(given_, month)
        assert service >= local * (1 - 1e-9)


def test_lines_that_cross_twice_break_even_where_they_cross_last() -> None:
    workload = ours(tuning_usd=10_000, retune_every_months=7, server_usd=1)
    projection = project(workload)
    first = 10_001 / (1950 - 30)
    assert projection.break_even_month == pytest.approx(2 * 10_000 / 1920, rel=1e-3)
    assert at(projection.services[0], first + 0.1) > at(projection.locals[0], first + 0.1)
    assert at(projection.services[0], 7) < at(projection.locals[0], 7)


@given(st.floats(0, 0.5), st.floats(0, 0.5))
def test_faster_growth_never_makes_the_service_cheaper(one: float, other: float) -> None:
    slow, fast = (project(ours(growth_per_month=g)) for g in sorted((one, other)))
    assert all(a <= b for a, b in zip(slow.service_usd, fast.service_usd, strict=True))


@given(st.integers(1, 24), st.integers(1, 24))
def test_rarer_tuning_never_costs_more(one: int, other: int) -> None:
    often, rare = (project(ours(retune_every_months=r)) for r in sorted((one, other)))
    assert all(a >= b - 1e-9 for a, b in zip(often.local_usd, rare.local_usd, strict=True))


def test_a_tuning_due_as_a_month_ends_is_counted_in_the_next() -> None:
    once, again = project(ours()), project(ours(retune_every_months=6))
    more = [a - b for a, b in zip(again.local_usd, once.local_usd, strict=True)]
    assert more == pytest.approx([0] * 6 + [800] * 6)
    assert again.locals[0].retunings == 1


def test_tuning_counts_its_machines_and_its_hours() -> None:
    [line] = project(ours(tuning_hours=10, tuning_usd_per_hour=60)).locals
    assert (line.tuning_usd, line.once_usd) == (1400, 3939)


def test_the_migrations_service_calls_are_laid_out_first_and_have_a_row() -> None:
    without, with_them = project(ours()), project(ours(), migration_usd=120.0)
    assert with_them.local_usd == pytest.approx([usd + 120 for usd in without.local_usd])
    said = table(ours(), with_them)
    assert "migration, once" in said and "$120, once: service calls of the migration" in said
    assert "tuning again, service calls of the migration" in table(ours(), without)
    assert "migration, once" not in table(ours(), without)


@pytest.mark.parametrize("usd", [-1.0, math.nan])
def test_a_migration_that_costs_less_than_nothing_is_refused(usd: float) -> None:
    with pytest.raises(ValueError, match="a migration costs nothing or more"):
        project(ours(), migration_usd=usd)


def test_rented_servers_cost_by_the_hour_and_nothing_at_first() -> None:
    workload = ours(**RENTED, hours_per_month=100, servers=3)
    [line] = project(workload).locals
    assert (line.once_usd, line.rent_usd, line.electricity_usd) == (800, 300, 0)
    assert project(workload).local_usd[-1] == 800 + 12 * 300
    said = table(workload, project(workload))
    assert "rent of 3 servers, a month" in said
    assert "3 servers, rented at $1.00 an hour, 100 hours a month, electricity in it" in said


def test_rent_above_the_services_price_never_pays() -> None:
    workload = ours(**RENTED, servers=4)
    assert "never; a month of rent is $2,880, of a service $1,950" in table(
        workload, project(workload)
    )


@pytest.mark.parametrize(
    ("changes", "servers"),
    [
        ({}, 1),  # 2 * (115.7 / 1000 + 11.6 / 100) = 0.46 of a server
        ({"peak_to_mean": 6}, 2),  # 1.39
        ({"peak_to_mean": 10}, 3),  # 2.31
        ({"peak_to_mean": 6, "prompt_tokens_per_s": 1e9}, 1),  # 0.69: reading took half
        ({"peak_to_mean": 6, "context": 2000}, 3),  # 5 of 10 sequences fit: 0.69 + 2 * 0.69
        ({"peak_to_mean": 6, "context": 100}, 2),  # more than were measured: no faster
    ],
)
def test_servers_follow_from_what_one_does_in_the_busiest_hour(
    changes: dict[str, float], servers: int
) -> None:
    workload = ours(servers="auto", throughput=MEASURED | changes)
    assert project(workload).locals[0].servers == (servers, servers)


def test_servers_that_are_on_for_fewer_hours_have_to_be_more() -> None:
    workload = ours(servers="auto", throughput=MEASURED, hours_per_month=240)
    assert project(workload).locals[0].servers == (2, 2)


def test_servers_from_throughput_grow_with_the_tokens_and_stay_when_these_shrink() -> None:
    grown = project(ours(servers="auto", throughput=MEASURED, growth_per_month=0.2))
    assert grown.locals[0].servers == (1, 4)  # 0.46 * 1.2 ** 11 = 3.4
    assert at(grown.locals[0], 12) > 800 + 4 * 2539
    shrunk = project(ours(servers="auto", throughput=MEASURED | {"peak_to_mean": 10}))
    fewer = ours(servers="auto", throughput=MEASURED | {"peak_to_mean": 10}, growth_per_month=-0.2)
    assert project(fewer).locals[0].servers == (3, 1)
    assert project(fewer).locals[0].hardware_usd == shrunk.locals[0].hardware_usd == 3 * 2539
    assert list(project(fewer).local_usd) == sorted(project(fewer).local_usd)


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.floats(1, 20))
def test_more_tokens_never_need_fewer_servers(one: int, other: int, peak: float) -> None:
    few, many = (
        project(
            ours(
                servers="auto",
                throughput=MEASURED | {"peak_to_mean": peak},
                input_tokens_per_day=tokens,
            )
        )
        for tokens in sorted((one, other))
    )
    assert few.locals[0].servers <= many.locals[0].servers
    assert all(a <= b for a, b in zip(few.local_usd, many.local_usd, strict=True))


PRICE = {"as_of": "2025-01-31", "source": "a list", "input": 4.0, "output": 10.0}


@pytest.mark.parametrize(
    ("prices", "shares", "usd"),
    [
        ({}, {}, 1200 + 300),
        ({"cached_input": 1.0}, {"cached_share": 0.5}, 600 + 150 + 300),
        ({"batch_input": 2.0, "batch_output": 5.0}, {"batch_share": 1.0}, 600 + 150),
        (
            {"cached_input": 1.0, "batch_input": 2.0, "batch_output": 5.0},
            {"cached_share": 0.5, "batch_share": 0.5},
            375 + 300 + 150 + 75,
        ),
        ({}, {"cached_share": 0.5, "batch_share": 0.5}, 1200 + 300),
    ],
)
def test_cached_and_batched_tokens_are_at_prices_of_their_own(
    prices: dict[str, float], shares: dict[str, float], usd: float
) -> None:
    projection = project(ours(price=PRICE | prices, **shares))
    assert projection.services[0].tokens_usd == pytest.approx(usd)


def test_a_share_without_a_price_of_its_own_is_said_to_be_at_the_full_one() -> None:
    workload = ours(price=PRICE, cached_share=0.5, batch_share=0.5)
    said = table(workload, project(workload))
    assert "no price for its cache is known: those tokens at the full price" in said
    assert "no batch price is known: those tokens at the full price" in said
    priced = PRICE | {"cached_input": 1.0, "batch_input": 2.0, "batch_output": 5.0}
    workload = ours(price=priced, cached_share=0.5, batch_share=0.5)
    said = table(workload, project(workload))
    assert "is known" not in said
    assert "$4.00 in, $1.00 in from its cache, $10.00 out per million tokens; batches $2.00" in said


def test_tokens_that_stay_with_the_service_are_a_cost_of_the_local_model() -> None:
    without, staying = project(ours(price=PRICE)), project(ours(price=PRICE, escalated_share=0.1))
    assert staying.locals[0].escalated_usd == pytest.approx(150)
    assert staying.service_usd == without.service_usd
    more = [b - a for a, b in zip(without.local_usd, staying.local_usd, strict=True)]
    assert more == pytest.approx([150 * month for month in without.months])
    once, saved = staying.locals[0].once_usd, 1500 - 150 - staying.locals[0].electricity_usd
    assert staying.break_even_month == pytest.approx(once / saved)
    said = table(ours(price=PRICE, escalated_share=0.1), staying)
    assert "tokens that stay, a month" in said and "10 % of tokens stay with a service" in said
    growing = project(ours(price=PRICE, escalated_share=0.1, growth_per_month=0.1, months=[2]))
    assert growing.local_usd[0] == pytest.approx(
        once + 2 * staying.locals[0].electricity_usd + 150 * 2.1
    )


def test_with_all_tokens_staying_nothing_is_ever_saved() -> None:
    workload = ours(price=PRICE, escalated_share=1)
    assert project(workload).break_even_month is None
    assert "a month of electricity and tokens that stay is $1,530" in table(
        workload, project(workload)
    )


def test_they_are_at_the_workload_s_own_price_whomever_it_is_compared_with() -> None:
    other = {"name": "another", "price": PRICE | {"input": 1.0, "output": 1.0}}
    one = project(ours(price=PRICE, escalated_share=0.1, services=[other]))
    assert one.locals[0].escalated_usd == pytest.approx(150)
    wide = ours(price=PRICE | {"input": [2, 6]}, escalated_share=[0, 0.2], services=[other])
    assert [pair.break_even is not None for pair in project(wide).pairs] == [True, True]
    assert {swing.key for swing in project(wide).tornado} == {"price.input", "escalated_share"}


def several() -> tuple[Workload, Projection]:
    workload = ours(
        services=[{"name": "another", "price": PRICE}],
        models=[
            {"name": "Gemma 7B", "server_usd": 5000, "tuning_usd": 1000},
            {"name": "rented", "usd_per_server_hour": 0.5},
        ],
    )
    return workload, project(workload)


def test_every_model_stands_against_every_service() -> None:
    _, projection = several()
    assert [(p.local, p.service) for p in projection.pairs] == [
        (local, service)
        for local in ("Gemma 2B", "Gemma 7B", "rented")
        for service in ("a service", "another")
    ]
    by = {(p.local, p.service): p for p in projection.pairs}
    assert by["Gemma 7B", "another"].break_even_month == pytest.approx(6000 / 1470, rel=1e-3)
    assert by["rented", "a service"].saved_usd == pytest.approx(12 * (1950 - 360) - 800)


def test_a_model_or_service_alone_gives_what_it_gives_beside_others() -> None:
    _, projection = several()
    alone = project(ours(local_name="Gemma 7B", server_usd=5000, tuning_usd=1000, price=PRICE))
    assert alone.locals[0] == projection.locals[1]
    assert alone.service_usd == projection.services[1].usd


def test_the_table_has_a_column_for_each_and_a_break_even_for_each_pair() -> None:
    workload, projection = several()
    lines = table(workload, projection).splitlines()
    [last] = [line.split() for line in lines if line.startswith("total, 12 months")]
    assert last[3:] == ["$3,699", "$6,360", "$5,120", "$23,400", "$18,000"]
    said = [line for line in lines if line.startswith("break-even: ")]
    assert len(said) == 6
    assert said[0].startswith(
        "break-even: Gemma 2B against a service: 1.74 months; $19,701 saved by month 12"
    )
    for words in ("price, another", "hardware, Gemma 7B", "hardware, rented"):
        assert any(line.startswith(f"  {words} ") for line in lines)


def test_no_line_of_the_assumptions_is_wider_than_a_page() -> None:
    workload, projection = several()
    text = table(workload, projection).partition("Assumptions\n")[2]
    assert max(map(len, text.splitlines())) <= 100


def test_what_does_not_pay_within_the_months_is_not_called_never_where_tokens_grow() -> None:
    workload = ours(server_usd=200_000, growth_per_month=0.01)
    assert "break-even: not within 12 months" in table(workload, project(workload))
    cheap = {"input": 0.01, "output": 0.01, "as_of": "2025-01-31", "source": "a list"}
    workload = ours(price=cheap, growth_per_month=0.01)
    assert "break-even: not within 12 months" in table(workload, project(workload))


def test_servers_that_are_counted_by_hand_are_said_not_to_grow() -> None:
    assert "servers for the tokens that are added" in table(
        ours(growth_per_month=0.1), project(ours(growth_per_month=0.1))
    )
