"""What a version says of itself, and how it is answered with: as it was judged.

artifacts/served.json    this, beside
artifacts/weights/       the adapter, or the merged model with its tokenizer
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llamaduo.component import Component, digest
from llamaduo.engine.transformers import Loaded, TransformersEngine
from llamaduo.errors import ModelError
from llamaduo.local import LocalModel
from llamaduo.local.hub import HubModel
from llamaduo.local.tiny import TinyModel
from llamaduo.local.wheel import WheelModel
from llamaduo.progress import Progress
from llamaduo.records import Answer, Example, Message, Record
from llamaduo.serving import Form

FILE, WEIGHTS = "served.json", "weights"

BASES: dict[str, type[Component]] = {one.__name__: one for one in (HubModel, WheelModel, TinyModel)}
"""Bases that another machine knows how to get. No version names code of any other package."""

Chat = tuple[Message, ...]


class Served(Record):
    """What answers, and how."""

    form: Form
    base: str
    """Name of a class in `BASES`; empty where all weights are here."""
    local: dict[str, Any]
    """Its fields; of a merged model, those of `Merged` but for the folder."""
    engine: dict[str, Any]
    """Fields of the engine that was judged, its type of number spelt out."""
    max_new_tokens: int

    def model(self, folder: Path) -> LocalModel:
        """Return the base, or the merged model that stands in `folder`.

        Raises:
            ModelError: for a base that this version of llamaduo does not know.
        """
        if self.form == "merged":
            return Merged(folder=folder / WEIGHTS, **self.local)
        if self.base not in BASES:
            raise ModelError(
                f"{self.base} is no kind of base that this llamaduo knows ({', '.join(BASES)}): "
                "load it with the version that its requirements name"
            )
        found = BASES[self.base].model_validate(self.local)
        assert isinstance(found, LocalModel)
        return found


class Merged(Component):
    """A folder with all weights, tokenizer and chat template, as transformers saves them."""

    name: str
    base: str
    """The hub id of what the adapter was merged into."""
    revision: str
    licence: str
    template: str | None
    end_of_turn: str
    folder: Path
    adapter: None = None
    """It is in the weights."""

    def faults(self) -> list[str]:
        """Nothing can be missing."""
        return []

    def source(self) -> tuple[str, str | None]:
        """Return the folder."""
        return str(self.folder), None


def fields_of(local: LocalModel) -> dict[str, Any]:
    """Return what makes a base of `BASES` again elsewhere."""
    assert isinstance(local, Component)
    return local.model_dump(mode="json", exclude={"adapter", "shape"})


def fields_of_merged(local: LocalModel) -> dict[str, Any]:
    """Return what `Merged` has to know beside its folder."""
    return {
        "name": local.name,
        "base": local.base,
        "revision": local.revision,
        "licence": local.licence,
        "template": local.template,
        "end_of_turn": local.end_of_turn,
    }


@dataclass(frozen=True)
class Answering:
    """A model in memory that answers chats."""

    engine: TransformersEngine
    loaded: Loaded
    max_new_tokens: int

    def say(
        self,
        chats: Sequence[Chat],
        *,
        temperature: float = 0.0,
        max_new_tokens: int | None = None,
        seed: int = 0,
        done: Mapping[Chat, Answer] | None = None,
        progress: Progress,
    ) -> Iterator[tuple[Chat, Answer]]:
        """Answer each different chat once, in an order that depends on them as a set.

        So neither the order of `chats` nor one that comes twice changes an answer, as neither
        did when the model was judged.

        Args:
            temperature: 0 takes the likeliest token.
            max_new_tokens: None: as many as the task allows.
            seed: of what is drawn; without a temperature it is without effect.
            done: answers that are known; they are not yielded again.
        """
        rows = {_name(chat): Example(id=_name(chat), messages=chat, target="") for chat in chats}
        known = {_name(chat): answer for chat, answer in (done or {}).items()}
        given = self.engine.model_copy(update={"temperature": temperature}).answers(
            self.loaded,
            list(rows.values()),
            samples=1,
            max_new_tokens=self.max_new_tokens if max_new_tokens is None else max_new_tokens,
            seed=seed,
            done=[
                answer.model_copy(update={"example": rows[name], "sample": 0})
                for name, answer in known.items()
            ],
            progress=progress,
        )
        for answer in given:
            yield answer.example.messages, answer


def _name(chat: Chat) -> str:
    return digest([message.model_dump() for message in chat])


def opened(folder: Path) -> Answering:
    """Load the version whose `artifacts/` is `folder`; its base has to be in the cache, or come.

    Raises:
        ModelError: if its base is not here and cannot be had.
    """
    served = Served.model_validate_json((folder / FILE).read_bytes())
    model = served.model(folder)
    if faults := model.faults():
        raise ModelError("; ".join(faults))
    engine = TransformersEngine.model_validate(served.engine)
    return Answering(engine, engine.loaded(model, folder / WEIGHTS), served.max_new_tokens)
