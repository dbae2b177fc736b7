"""A panel: several services mark each answer, and no one of them decides alone."""

from collections.abc import Mapping

from pydantic import field_validator

from llamaduo.component import digest
from llamaduo.judge.marks import MarksJudge
from llamaduo.service import Service


class PanelJudge(MarksJudge):
    """Similarity and precision by several services, each as often as the next.

    An answer's score is the mean over the members of each one's own mean, so a member of whom
    some marks are missing counts as much as the others.
    """

    members: dict[str, Service]
    """The services, two at least, by the names that their marks carry."""

    @property
    def services(self) -> Mapping[str, Service]:
        """The members."""
        return self.members

    @field_validator("members")
    @classmethod
    def _are_different(cls, members: dict[str, Service]) -> dict[str, Service]:
        if len(members) < 2:
            raise ValueError(f"a panel has two members at least, and this one has {len(members)}")
        seen: dict[str, str] = {}
        for name, service in members.items():
            first = seen.setdefault(digest(service.key()), name)
            if first != name:
                raise ValueError(
                    f"{first} and {name} are the same service: its marks would count twice"
                )
        if "" in members:
            raise ValueError("a member has a name, which its marks carry")
        return members
