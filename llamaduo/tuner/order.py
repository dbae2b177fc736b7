"""In which order rows are tuned on, and who takes which: known from seed and epoch alone."""

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler
from transformers.trainer_pt_utils import get_length_grouped_indices


class EpochOrder(Sampler[int]):
    """Every row once an epoch, in an order that a resumed training finds again.

    transformers' own sampler draws from the global random state, which after a kill in the
    middle of an epoch is not what it was when the epoch began.
    """

    def __init__(self, lengths: Sequence[int], *, seed: int, group: int | None) -> None:
        """Order rows of `lengths` tokens; with `group`, so many of like length follow."""
        self.lengths, self.seed, self.group, self.epoch = list(lengths), seed, group, 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch is ordered next; the trainer does, also when it goes on."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        drawn = torch.Generator().manual_seed(self.seed + self.epoch)
        if self.group is None:
            return iter(torch.randperm(len(self.lengths), generator=drawn).tolist())
        return iter(get_length_grouped_indices(self.lengths, self.group, generator=drawn))


class Shares(Sampler[list[int]]):
    """What one of several processes takes of every batch.

    A step then sees the same rows whatever the number of processes, and each once an epoch;
    accelerate's own shares fill the last batch up with rows of the first.
    """

    def __init__(self, order: EpochOrder, *, batch_size: int, rank: int, world: int) -> None:
        """Share batches of `batch_size` rows among `world` processes, of which this is `rank`."""
        self.sampler = order  # by this name accelerate finds it, and sets its epoch
        self.batch_size, self.rank, self.world = batch_size, rank, world

    def __len__(self) -> int:
        return -(-len(self.sampler) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        """Yield row numbers; where a short last batch leaves nothing, the number after the last."""
        rows = list(self.sampler)
        for at in range(0, len(rows), self.batch_size):
            yield rows[at : at + self.batch_size][self.rank :: self.world] or [len(rows)]
