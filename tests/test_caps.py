"""Limits in dollars hold whatever a provider does, and raising them goes on where it stopped.

`benchmarks/caps.py` does the same with a dollar, two hundred times.
"""

from dataclasses import replace
from pathlib import Path

import pytest
from capping import changes, of_a_day, of_a_run, wrong_with
from fault_server import fault_server

LIMIT, MORE = 0.25, 0.35


@pytest.mark.parametrize("share", [0.0, 0.25], ids=["fair", "foul"])
def test_a_budget_is_not_exceeded_and_raising_it_repeats_nothing(
    share: float, tmp_path: Path
) -> None:
    with fault_server(seconds=0.02) as server:
        changes(server, seed=1, share=share)
        payer = of_a_run(server, tmp_path / "ledger.sqlite", LIMIT)
        assert wrong_with(server, [payer], LIMIT) == []
        assert wrong_with(server, [replace(payer, budget=MORE)], MORE) == []
        assert server.most > 4
        assert bool([seen for seen in server.seen if seen.fault]) == (share > 0)


def test_a_limit_of_a_day_holds_over_processes_and_raising_it_repeats_nothing(
    tmp_path: Path,
) -> None:
    with fault_server(seconds=0.02) as server:
        changes(server, seed=2, share=0.1)
        path = tmp_path / "ledger.sqlite"
        assert wrong_with(server, of_a_day(server, path, LIMIT, 4), LIMIT, tmp_path) == []
        more = of_a_day(server, path, MORE, 4)
        assert wrong_with(server, more, MORE, tmp_path) == []
