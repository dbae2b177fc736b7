"""In which order rows are tuned on: known from seed and epoch alone."""

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
