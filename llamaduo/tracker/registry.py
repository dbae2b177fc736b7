"""MLflow's model registry: one registered model a task, its versions, and which is champion."""

import json
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llamaduo.errors import TrackerError
from llamaduo.locks import flocked
from llamaduo.progress import Progress
from llamaduo.records import Record
from llamaduo.tracker import database
from llamaduo.tracker.brought import brought
from llamaduo.tracker.mlflow import MlflowTracker
from llamaduo.tracker.shown import FINGERPRINT

CHAMPION, CHALLENGER = "champion", "challenger"
CHAMPIONS = "llamaduo.champions"
"""Tag of a registered model: its champions by version, oldest first, the present one last."""
TASK = "llamaduo.task"
ADAPTER = "llamaduo.adapter"
"""Tag of a version: the content digest of the adapter it is of."""
PROMOTED = "llamaduo.promoted_adapters"
"""Tag of an MLflow run: the adapters of which versions stand among its artifacts."""
KEPT = 50
"""Champions that are remembered: a tag may hold 5000 characters."""
LONGEST_DESCRIPTION = 5000
"""Characters that MLflow's database has room for."""
WAITING = "another promote changes the registry; waiting for it"
QUIET = {
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_UV_AUTO_DETECT": "false",
}
"""What MLflow is told, unless the environment says something else: no bars, and no requirements
of whatever project the working folder is of."""


class Version(Record):
    """A version of a registered model."""

    name: str
    """Of the model."""
    number: str
    run: str
    """MLflow's id of the run it came from."""
    tags: dict[str, str]
    aliases: tuple[str, ...]

    @property
    def uri(self) -> str:
        """What MLflow loads it by."""
        return f"models:/{self.name}/{self.number}"


@dataclass(frozen=True)
class Registry:
    """The registry that belongs to a tracker."""

    client: Any
    where: str
    """Its address, as MLflow takes it."""

    def run_of(self, fingerprint: str, task: str) -> str | None:
        """Return the MLflow run that shows the run of this fingerprint; None: none does."""
        experiment = self.client.get_experiment_by_name(database.name_of(task))
        if experiment is None:
            return None
        wanted = f"tags.`{FINGERPRINT}` = '{fingerprint}' and tags.`llamaduo.kind` = 'loop'"
        found = self.client.search_runs([experiment.experiment_id], filter_string=wanted)
        return str(found[0].info.run_id) if found else None

    def models(self) -> list[str]:
        """Return the names of the models that llamaduo registered."""
        found, page = [], None
        while True:
            part = self.client.search_registered_models(page_token=page)
            found += [model.name for model in part if TASK in model.tags]
            page = part.token
            if not page:
                return sorted(found)

    def versions(self, name: str) -> list[Version]:
        """Return all versions of a model, oldest first."""
        model = self._model(name)
        if model is None:
            return []
        found, page = [], None
        while True:
            part = self.client.search_model_versions(f"name='{name}'", page_token=page)
            found += list(part)
            page = part.token
            if not page:
                break
        return [
            Version(
                name=name,
                number=str(one.version),
                run=str(one.run_id or ""),
                tags=dict(one.tags),
                aliases=tuple(
                    sorted(a for a, at in model.aliases.items() if str(at) == str(one.version))
                ),
            )
            for one in sorted(found, key=lambda one: int(one.version))
        ]

    def find(self, name: str, tags: Mapping[str, str]) -> Version | None:
        """Return the newest version that has all of `tags`."""
        found = [one for one in self.versions(name) if tags.items() <= one.tags.items()]
        return found[-1] if found else None

    def add(
        self, name: str, task: str, folder: Path, run: str, tags: Mapping[str, str], card: str
    ) -> Version:
        """Put a version's folder among the artifacts of its run, and register it.

        It counts from the registering on, which is one transaction: killed before it, the same
        is done again over the files that are there.
        """
        if self._model(name) is None:
            self.client.create_registered_model(name, tags={TASK: task})
        place = f"promoted/{folder.name}"
        # By this tag the run's weights are known as the adapter's, merged ones too.
        known = self.client.get_run(run).data.tags.get(PROMOTED, "").split(", ")
        adapters = dict.fromkeys([*filter(None, known), tags[ADAPTER]])
        self.client.set_tag(run, PROMOTED, ", ".join(adapters))
        self.client.log_artifacts(run, str(folder), place)
        made = self.client.create_model_version(
            name,
            source=f"runs:/{run}/{place}",  # no path: the runs may be moved
            run_id=run,
            tags=dict(tags),
            description=_short(card),
        )
        return Version(name=name, number=str(made.version), run=run, tags=dict(tags), aliases=())

    def files(self, version: Version, cache: Path) -> Path:
        """Return the folder of a version's files; from a server they are brought to `cache`."""
        return brought(self.client, version.run, self._place(version), cache)

    def _place(self, version: Version) -> str:
        """Return where a version's files stand among its run's artifacts."""
        source = self.client.get_model_version(version.name, version.number).source
        return str(source).partition(f"{version.run}/")[2]

    def say(self, version: Version, card: Path) -> None:
        """Put the file `card` among a version's, where it may be in the place of another."""
        self.client.log_artifact(version.run, str(card), self._place(version))
        said = _short(card.read_text(encoding="utf-8"))
        self.client.update_model_version(version.name, version.number, description=said)

    def tag(self, version: Version, tags: Mapping[str, str | None]) -> None:
        """Put tags on a version; one that is None is taken from it."""
        for key, value in tags.items():
            if value is not None:
                self.client.set_model_version_tag(version.name, version.number, key, value)
            elif key in version.tags:
                self.client.delete_model_version_tag(version.name, version.number, key)

    def call(self, version: Version, alias: str) -> None:
        """Have `alias` mean this version, and no other."""
        self.client.set_registered_model_alias(version.name, alias, version.number)

    def call_no_more(self, version: Version, alias: str) -> None:
        """Have `alias` mean nothing, if it means this version."""
        if self.called(version.name, alias) == version.number:
            self.client.delete_registered_model_alias(version.name, alias)

    def called(self, name: str, alias: str) -> str | None:
        """Return the number of the version that `alias` means."""
        model = self._model(name)
        found = None if model is None else model.aliases.get(alias)
        return None if found is None else str(found)

    def champions(self, name: str) -> list[str]:
        """Return the numbers of all champions that are remembered, the newest last."""
        model = self._model(name)
        try:
            found = json.loads((model.tags if model is not None else {}).get(CHAMPIONS, "[]"))
        except ValueError:
            return []
        return [str(one) for one in found] if isinstance(found, list) else []

    def remember(self, name: str, champions: list[str]) -> None:
        """Write down who has been champion, the newest last."""
        self.client.set_registered_model_tag(name, CHAMPIONS, json.dumps(champions[-KEPT:]))

    def note(self, name: str, key: str, value: str) -> None:
        """Put a tag on a registered model."""
        self.client.set_registered_model_tag(name, key, value)

    def noted(self, name: str, key: str) -> str | None:
        """Return a tag of a registered model; None: there is none."""
        model = self._model(name)
        return None if model is None else model.tags.get(key)

    def _model(self, name: str) -> Any | None:
        from mlflow.exceptions import MlflowException

        try:
            return self.client.get_registered_model(name)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise


@contextmanager
def opened(tracker: MlflowTracker, home: Path, *, alone: bool = True) -> Iterator[Registry]:
    """Open the registry of a tracker.

    Args:
        alone: one process of this home at a time; what only looks need not be.

    Raises:
        TrackerError: if nothing was ever shown there, or MLflow refuses.
    """
    folder = database.folder_of(home)
    if tracker.uri is None and not (folder / database.FILE).is_file():
        raise TrackerError(
            f"there are no runs in MLflow under {home}; home=DIR names another, and `llamaduo "
            "promote` registers the model of one that is finished"
        )
    for variable, value in QUIET.items():
        os.environ.setdefault(variable, value)
    database.be_patient()
    from mlflow.exceptions import MlflowException

    folder.mkdir(parents=True, exist_ok=True)
    where = database.address(tracker.uri, home)
    with flocked(folder / ".promoting", WAITING) if alone else nullcontext():
        try:
            with database.locked(home):  # not while a model answers: runs go on beside
                if tracker.uri is None:
                    database.put_right(home, Progress())
                client = database.client_of(tracker.uri, home)
            yield Registry(client, where)
        except MlflowException as error:
            raise TrackerError(
                f"the registry at {where} cannot be used: {database.in_a_line(error)}"
            ) from None


def name_of(task: str) -> str:
    """Return a task's name as one that a registered model may have, and a URI may hold."""
    return "".join(c if c.isalnum() or c in "_-." else "-" for c in task)


def save(
    into: Path, served: Path, *, code: Path, max_new_tokens: int, requirements: list[str]
) -> None:
    """Write a model that MLflow loads by running `code`; nothing of it is pickled.

    Args:
        into: a folder that is not there.
        served: a file that goes to its `artifacts/`.
        max_new_tokens: that it answers with unless told otherwise.
        requirements: what loading it takes, with versions.
    """
    with warnings.catch_warnings():  # of its own import, and that no example was run
        warnings.simplefilter("ignore")
        import mlflow.pyfunc
        from mlflow.models import Model, ModelSignature
        from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema
        from mlflow.types.schema import AnyType

        mlflow.pyfunc.save_model(
            str(into),
            python_model=str(code),
            artifacts={"served": str(served)},
            signature=ModelSignature(
                inputs=Schema([ColSpec(AnyType())]),
                outputs=Schema([ColSpec("string")]),
                params=ParamSchema(
                    [
                        ParamSpec("temperature", "double", 0.0),
                        ParamSpec("max_new_tokens", "long", max_new_tokens),
                        ParamSpec("seed", "long", 0),
                    ]
                ),
            ),
            pip_requirements=requirements,
        )
    described = Model.load(str(into))
    ours = described.flavors["python_function"]  # no path of this machine: only names count
    ours["model_code_path"] = code.name
    ours["artifacts"]["served"]["uri"] = ours["artifacts"]["served"]["path"]
    described.save(str(into / "MLmodel"))


def _short(card: str) -> str:
    more = "\n\n(The rest is in card.md of the version.)"
    if len(card) <= LONGEST_DESCRIPTION:
        return card
    return card[: LONGEST_DESCRIPTION - len(more)].rpartition("\n")[0] + more
