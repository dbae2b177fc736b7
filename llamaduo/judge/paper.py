"""The paper's judge: one service marks, by default the one that teaches."""

from collections.abc import Mapping

from llamaduo.judge.marks import MarksJudge
from llamaduo.service import Service


class PaperJudge(MarksJudge):
    """Similarity and precision by one service, the mean of `repeats` calls."""

    service: Service

    @property
    def services(self) -> Mapping[str, Service]:
        """The one service; its marks carry no name."""
        return {"": self.service}
