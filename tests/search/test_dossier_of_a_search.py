"""The dossier of a run whose settings were searched for."""

import re
from pathlib import Path

from search_world import searching, whole
from small_world import Diary

from llamaduo.dossier.evidence import gather
from llamaduo.dossier.render import html


def test_a_searched_run_has_a_dossier(tmp_path: Path) -> None:
    exp = searching(tmp_path, Diary(), trials=3, startup=2)
    whole(exp)
    evidence = gather(exp, tmp_path / ".llamaduo" / "runs" / exp.fingerprint())
    assert (evidence.differs, evidence.again.due) == ((), "")
    said = re.sub("<[^>]+>", "", html(evidence))
    assert "A search of 3 trials on dev chose the settings of the tuner; the best was" in said
    assert "(but for its search and what was spent)" in said
