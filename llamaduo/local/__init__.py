"""The local model: its weights, its tokenizer, its chat template, its licence."""

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from llamaduo.component import digest


@runtime_checkable
class LocalModel(Protocol):
    """A base model as its YAML describes it."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    @property
    def base(self) -> str:
        """The hub id an adapter names as its base."""
        ...

    @property
    def revision(self) -> str:
        """The commit or version of the weights."""
        ...

    @property
    def licence(self) -> str:
        """SPDX name, or the licence's own; printed in the report."""
        ...

    @property
    def template(self) -> str | None:
        """Jinja chat template; None: the tokenizer's own."""
        ...

    @property
    def end_of_turn(self) -> str:
        """The token that ends an answer: trained as the last label, and stops generation."""
        ...

    @property
    def adapter(self) -> Path | None:
        """Folder of an adapter that tuning begins from; None: from the base model."""
        ...

    def key(self) -> dict[str, Any]:
        """Return what makes its weights and prompts."""
        ...

    def faults(self) -> list[str]:
        """Return what stands in the way of loading it, in words, with the fix."""
        ...

    def source(self) -> tuple[str, str | None]:
        """Return what `from_pretrained` takes: a folder and None, or a hub id and revision."""
        ...


def template_digest(model: LocalModel) -> str:
    """Name the chat template that training and serving have to share."""
    return digest(model.template, model.end_of_turn)


def cache_home() -> Path:
    """Return the per-user folder for prepared base models (XDG)."""
    import os

    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "llamaduo"
