"""One experiment of MLflow: its runs found, made, and written to in as few calls as can be."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

KIND = "llamaduo.kind"
"""What a run stands for: `loop`, `round`, `trial` or `sweep`."""
PARENT = "mlflow.parentRunId"
LONGEST_PARAM = 6000
LONGEST_TAG = 5000
BATCH = 1000
"""Metrics that MLflow takes at once; of params and tags it takes a tenth of that."""

Curves = Mapping[str, Mapping[int, float | None]]
"""Figures by name, each by its step."""


@dataclass(frozen=True)
class Book:
    """One experiment."""

    client: Any
    """An `mlflow.MlflowClient`."""
    experiment: str
    """Its id."""

    def all(self, kind: str, tags: Mapping[str, str]) -> list[Any]:
        """Return the runs of a kind that have `tags`, oldest first."""
        wanted = {**tags, KIND: kind}
        where = " and ".join(f"tags.`{key}` = '{value}'" for key, value in wanted.items())
        order = ["attributes.start_time ASC"]
        found, page = [], None
        while True:
            part = self.client.search_runs(
                [self.experiment], filter_string=where, order_by=order, page_token=page
            )
            found += part
            page = part.token
            if not page:
                return found

    def find(self, kind: str, tags: Mapping[str, str]) -> Any | None:
        """Return the run of a kind that has `tags`, the oldest of several; None: there is none."""
        return next(iter(self.all(kind, tags)), None)

    def find_or_make(
        self, kind: str, known_by: Mapping[str, str], name: str, tags: Mapping[str, str]
    ) -> Any:
        """Return the run of a kind that is known by some tags, made if it is not there.

        Two machines that make it at once keep the older; on one machine a lock sees to it.
        """
        found = self.find(kind, known_by)
        if found is not None:
            return found
        made = self.client.create_run(
            self.experiment, run_name=name, tags={**tags, **known_by, KIND: kind}
        )
        first = self.find(kind, known_by)
        if first is None or first.info.run_id == made.info.run_id:
            return made
        self.client.delete_run(made.info.run_id)
        return first

    def news(self, run: str, curves: Curves) -> dict[str, dict[int, float | None]]:
        """Return the points that a run does not have yet: MLflow would keep the others twice."""
        there = self.client.get_run(run).data.metrics
        found: dict[str, dict[int, float | None]] = {}
        for name, curve in curves.items():
            known: dict[int, float] = {}
            if as_name(name) in there:
                history = self.client.get_metric_history(run, as_name(name))
                for one in sorted(history, key=lambda one: int(one.timestamp)):
                    known[one.step] = one.value
            found[name] = {step: at for step, at in curve.items() if known.get(step) != at}
        return found

    def write(
        self,
        run: str,
        *,
        curves: Curves | None = None,
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Log all of it, most often in one call; tags come last. What is None is left out.

        Names that MLflow would refuse, and values that are too long, are made to fit.
        """
        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000)
        points = [
            Metric(as_name(name), value, now, step)
            for name, curve in (curves or {}).items()
            for step, value in sorted(curve.items())
            if value is not None
        ]
        given = [Param(as_name(k), v[:LONGEST_PARAM]) for k, v in (params or {}).items()]
        said = [RunTag(as_name(key), value[:LONGEST_TAG]) for key, value in (tags or {}).items()]
        *before, last = _parts(points, BATCH - 2 * BATCH // 10) or [[]]
        for metrics in before:
            self.client.log_batch(run, metrics=metrics)
        *more, few = _parts(given, BATCH // 10) or [[]]
        for some in more:
            self.client.log_batch(run, params=some)
        if last or few or said:
            self.client.log_batch(run, metrics=last, params=few, tags=said)


def at(step: int, figures: Mapping[str, float | None]) -> dict[str, dict[int, float | None]]:
    """Return figures as curves of one point."""
    return {name: {step: value} for name, value in figures.items()}


def as_name(name: str) -> str:
    """Return a name that MLflow takes: letters, digits, `_-./` and spaces."""
    return "".join(c if c.isalnum() or c in "_-./ " else "_" for c in name)


def _parts(values: Sequence[Any], size: int) -> list[list[Any]]:
    def parts() -> Iterator[list[Any]]:
        left = iter(values)
        while part := list(islice(left, size)):
            yield part

    return list(parts())
