"""A base model of the Hugging Face hub."""

import os
from pathlib import Path
from typing import ClassVar, Literal

from llamaduo.component import Component
from llamaduo.local.adapter import AdapterFolder
from llamaduo.local.shape import Shape


class HubModel(Component):
    """A model by its hub id; downloaded once into the hub's own cache."""

    operational: ClassVar[frozenset[str]] = frozenset({"shape"})

    name: str
    repo: str
    """The hub id, `google/gemma-2b`."""
    revision: str
    """Commit; a branch name such as `main` may give other weights tomorrow."""
    licence: str
    """Printed in the report; a licence may forbid what you want to do with the result."""
    template: str | None = None
    """Jinja chat template; None: the tokenizer's own."""
    end_of_turn: str
    """Token that ends an answer. A wrong one gives a model that never stops."""
    adapter: AdapterFolder | None = None
    """Folder of an adapter that tuning begins from; None: from the base model."""
    gated: bool = False
    """Whether the hub wants terms accepted and a token (HF_TOKEN) before it hands it out."""
    shape: Shape | None = None
    """As its published config.json has it, to say before a download what it will take. Its
    own config.json, once it is here, goes before this. None: known once it is here."""

    @property
    def base(self) -> str:
        """The hub id."""
        return self.repo

    def faults(self) -> list[str]:
        """Say when the hub would refuse."""
        from huggingface_hub import get_token

        if self.here() is not None:
            return []
        if offline():
            return [f"{self.name}: {self.repo} is not in the hub cache, and HF_HUB_OFFLINE is set"]
        if self.gated and not get_token():
            return [
                f"{self.name}: {self.repo} is gated; accept its terms on huggingface.co "
                "and set HF_TOKEN"
            ]
        return []

    def source(self) -> tuple[str, str | None]:
        """Return hub id and revision."""
        return self.repo, self.revision

    def here(self) -> Path | None:
        """Return its folder in the hub's cache, if its config was ever downloaded."""
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(self.repo, "config.json", revision=self.revision)
        return Path(cached).parent if isinstance(cached, str) else None


def offline() -> bool:
    """Whether the hub may not be asked."""
    return os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on")


def hub_folder(kind: Literal["model", "dataset"], repo: str, revision: str) -> Path:
    """Return where the hub's cache keeps, or would keep, one revision of a repository."""
    from huggingface_hub.constants import HF_HUB_CACHE

    name = "--".join((f"{kind}s", *repo.split("/")))
    return Path(HF_HUB_CACHE) / name / "snapshots" / revision
