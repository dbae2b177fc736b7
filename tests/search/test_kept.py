"""What the trials of a search made is needed by its run, and is no garbage."""

import io
from pathlib import Path

from kept_world import bytes_under, same
from search_world import searched, searching
from small_world import Diary

from llamaduo import loop
from llamaduo.keeping import garbage, runs_here
from llamaduo.ledger import Ledger
from llamaduo.progress import Progress
from llamaduo.search.space import with_values
from llamaduo.stages import Stages
from llamaduo.store import Store
from llamaduo.tracker.silent import Silent


def test_what_the_trials_of_a_search_made_is_needed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    exp = searching(home, Diary())
    found = searched(exp).found
    private, name = home / ".llamaduo", exp.fingerprint()
    (private / "runs" / name).mkdir(parents=True)
    [here] = runs_here.runs_here(home, same(exp))
    assert not here.needs.finished

    best = with_values(exp, found.trial(found.best).settings)
    ledger = Ledger(private / "ledger.sqlite")
    stages = Stages(best, Store(private / "store"), ledger, Progress(io.StringIO()), name)
    loop.run(best, stages, stages.split(), Silent())
    ledger.close()
    before = bytes_under(private / "store")
    useless = garbage.garbage(home, same(exp))
    assert not useless.units
    garbage.remove(useless)
    assert bytes_under(private / "store") == before

    [here] = runs_here.runs_here(home, same(exp))
    assert here.needs.finished
    assert len([one for one in here.needs.recipes if one.startswith("adapter/")]) == 6
    again = searched(exp)
    assert (again.made, again.calls) == ([], 0)
