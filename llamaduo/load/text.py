"""A measurement for a terminal, each figure with the number of answers it rests on."""

import math
import shlex
from collections.abc import Sequence
from pathlib import Path

from llamaduo.loads import ERRORS, TIMES, AtRate, Load, Times, kept

ENOUGH = 59
"""Answers from which on the largest is above the true p95 in 95 of 100 tests: 0.95^59 < 0.05."""
LATE = 0.1
"""Of p95: a client that sent that much too late was itself what was slow."""


def table(load: Load) -> list[str]:
    """Return the lines: what was sent, a row for each rate, the knee, what to look at."""
    through = [
        ("requests/s", "in fact", "sent", "answered", "at once", "read tok/s", "written tok/s", ""),
        *(
            (
                f"{one.rate:g}",
                f"{one.arrived:.3g}",
                str(one.sent),
                str(one.answered),
                f"{one.in_flight:.1f}",
                f"{one.prompt_tokens_per_s:.1f}" if one.prompt_tokens else "-",
                f"{one.output_tokens_per_s:.1f}",
                _why(one, load),
            )
            for one in load.rates
        ),
    ]
    waits = [
        ("requests/s", "first p50", "p95", "a token p50", "p95", "whole p50", "p95", "p99", "n"),
        *(
            (
                f"{one.rate:g}",
                *_p50_p95(one.first),
                *_p50_p95(one.between),
                *_p50_p95(one.whole),
                "-" if one.whole is None else ms(one.whole.p99),
                "0" if one.whole is None else str(one.whole.n),
            )
            for one in load.rates
        ),
    ]
    return [
        f"{load.model} version {load.number} at {load.url} ({load.engine}, called {load.called})",
        f"{load.prompts} prompts of the task, {load.arrivals} arrivals whether or not the ones "
        f"before are answered, {load.seconds:g} s a rate",
        "",
        *_columns(through),
        "",
        "milliseconds to the first token, between two tokens, to the last one",
        *_columns(waits),
        "",
        *_failures(load.rates),
        f"knee: {knee(load)}",
        *_looks(load),
    ]


def knee(load: Load) -> str:
    """Say which rate is the highest that was kept up with, and by which rule."""
    limit = load.limit_ms
    if limit is None and load.rates[0].whole is None:
        return "none: nothing was answered at the lowest rate"
    if limit is None:
        return (
            "not looked for: one rate without an objective says nothing; give several by --rates, "
            "or --sweep, or --p95-ms"
        )
    rule = f"p95 within {ms(limit)} ms"
    if load.objective_ms is None:
        rule += f", {TIMES:g} times that of the lowest rate"
    rule += f", under {100 * ERRORS:g} % of requests failed, and answers keep pace"
    if load.knee is None:
        return f"none: not even {load.rates[0].rate:g} requests/s are kept up with ({rule})"
    most = "" if load.beyond else "; the highest tried, so the knee lies at it or above"
    return f"{load.knee.rate:g} requests/s ({rule}){most}"


def costing(load: Load, file: Path) -> str:
    """Return the command that adds up money with what was measured."""
    own = [
        "workload=light",
        f"workload.local_name={load.model}",
        "workload.servers=auto",
        f"workload.throughput.measured={file}",
        "workload.throughput.peak_to_mean=1",
    ]
    return "llamaduo cost " + " ".join(shlex.quote(word) for word in own)


def ms(value: float) -> str:
    """Write milliseconds, with a digit behind the point where there are few."""
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def _why(one: AtRate, load: Load) -> str:
    alone = load.limit_ms is None and one.whole is not None  # nothing to hold it to
    if kept(one, math.inf if alone else load.limit_ms):
        return ""
    return "not kept up with" + ("" if one.keeps_pace else ": answers come ever later")


def _p50_p95(found: Times | None) -> tuple[str, str]:
    return ("-", "-") if found is None else (ms(found.p50), ms(found.p95))


def _failures(rates: Sequence[AtRate]) -> list[str]:
    return [
        f"failed at {one.rate:g} requests/s: "
        + ", ".join(f"{n} {why}" for why, n in one.failed.items())
        for one in rates
        if one.failed
    ]


def _looks(load: Load) -> list[str]:
    """Say what makes the figures weaker than they look."""
    found = []
    few = [one for one in load.rates if one.whole is not None and one.whole.n < ENOUGH]
    if few:
        found.append(
            f"p95 at {', '.join(f'{one.rate:g}' for one in few)} requests/s rests on fewer than "
            f"{ENOUGH} answers, so it may be well under the true one: raise --seconds"
        )
    late = [one for one in load.rates if one.whole and one.lag_p95_ms > LATE * one.whole.p95]
    if late:
        found.append(
            f"at {', '.join(f'{one.rate:g}' for one in late)} requests/s the client itself sent "
            "late, and its wait counts as the server's: send from another machine"
        )
    if any(one.counted_by == "pieces" for one in load.rates):
        found.append("the server counts no tokens: each piece of a stream counts as one")
    if any(one.sent > load.prompts for one in load.rates):
        found.append(
            f"some rates sent the {load.prompts} prompts more than once: a server that keeps "
            "what it has read answers those sooner"
        )
    return [f"look: {one}" for one in found]


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
