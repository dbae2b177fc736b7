"""An id that is another row's in another data set takes nothing of it, and bars nothing."""

import json
from pathlib import Path

from kept_world import TRAIN, bytes_under, data, forgotten, go, made, question
from small_world import Diary

from llamaduo.experiment import Experiment
from llamaduo.keeping.persons import known_rows, mark
from llamaduo.keeping.units import units
from llamaduo.task.coverage import CoverageTask
from llamaduo.task.rows import FileRows

ROW = TRAIN[15]
"""The simulated service never quotes it by itself."""


def of_another_data_set(home: Path, folder: Path) -> Experiment:
    """Return a run whose rows have the ids and targets of the first's, and other questions."""
    folder.mkdir()
    rows = [json.loads(line) for line in data(folder / "as").read_text().splitlines()]
    for row in rows:
        row["instruction"] = " ".join(reversed(row["instruction"].split())) + " otherwise"
    path = folder / "others.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    exp = made(home, Diary())
    assert isinstance(exp.task, CoverageTask)
    task = exp.task.model_copy(update={"name": "others", "rows": FileRows(path=path)})
    return exp.model_copy(update={"task": task})


def test_the_work_of_another_data_set_with_the_same_ids_stays_and_its_run_goes_on(
    home: Path, tmp_path: Path
) -> None:
    other = of_another_data_set(home, tmp_path / "other")
    private = home / ".llamaduo"
    before = {path.name for path in private.glob("store/*/*")}
    done = go(other)
    place = private / "runs" / other.fingerprint()
    theirs = bytes_under(place)
    assert done.made
    all_ = units(private / "store")
    [row] = [row for row in known_rows(home, all_) if row.question == question(ROW)][:1]
    found, proof = forgotten(home, f"{row.id}@{mark(row)}")
    assert not proof.left
    assert {unit.place.name for unit in found.units} <= before
    assert {"adapter", "answers", "judgements", "split"} <= {unit.stage for unit in found.units}
    assert bytes_under(place) == theirs
    again = go(other)
    assert (again.made, again.calls) == ([], 0)
