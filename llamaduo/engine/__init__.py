"""The engine: who answers the prompts."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from llamaduo.engine.asked import Asked
from llamaduo.local import LocalModel
from llamaduo.progress import Progress
from llamaduo.records import Answer, Example


@runtime_checkable
class Engine(Protocol):
    """Who answers the prompts: this process (a `LocalEngine`), or a server that is asked."""

    @property
    def asked(self) -> Asked | None:
        """The service that answers in its stead; None: it answers itself."""
        ...

    def key(self) -> dict[str, Any]:
        """Return what makes its answers."""
        ...


@runtime_checkable
class LocalEngine(Engine, Protocol):
    """Batch inference in this process."""

    def answer(
        self,
        local: LocalModel,
        adapter: Path,
        prompts: Sequence[Example],
        *,
        samples: int,
        max_new_tokens: int,
        seed: int,
        done: Sequence[Answer],
        progress: Progress,
    ) -> Iterator[Answer]:
        """Answer each prompt `samples` times, in an order that depends on the prompts alone.

        Args:
            adapter: a folder; one without `adapter_config.json` means the base as it is.
            done: answers a killed process had given; they are not given again.
        """
        ...
