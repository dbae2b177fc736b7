"""Who of several processes tunes on which rows."""

import pytest

from llamaduo.tuner.order import EpochOrder, Shares


@pytest.mark.parametrize("group", [None, 8])
@pytest.mark.parametrize("rows", [1, 7, 12, 13, 14])
@pytest.mark.parametrize("world", [1, 2, 4])
def test_a_step_sees_the_same_rows_whatever_the_number_of_processes(
    world: int, rows: int, group: int | None
) -> None:
    order = EpochOrder([n % 5 + 1 for n in range(rows)], seed=3, group=group)
    for epoch in (0, 1):
        order.set_epoch(epoch)
        rows_in_order = list(order)
        whole = [rows_in_order[i : i + 4] for i in range(0, rows, 4)]
        shares = [
            list(Shares(order, batch_size=4, rank=rank, world=world)) for rank in range(world)
        ]
        assert {len(share) for share in shares} == {len(whole)}
        for step, batch in enumerate(whole):
            taken = [n for share in shares for n in share[step] if n < rows]
            assert sorted(taken) == sorted(batch)
            assert all(0 < len(share[step]) <= 4 // world for share in shares)
