"""Many commands go on beside one another, and none beside one that removes."""

import threading
from pathlib import Path

import pytest
from conftest import Finished, move_in

from llamaduo import running, session
from llamaduo.dossier import render
from llamaduo.errors import LlamaDuoError
from llamaduo.progress import Progress
from llamaduo.verbs import report


def test_who_comes_while_one_is_alone_waits_for_it_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[str] = []

    def other() -> None:
        with running.beside(tmp_path, "run 0123"):
            done.append("run")

    with running.alone(tmp_path, "store forget"):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(0.2)
        done.append("forgotten")
    thread.join(10)
    assert done == ["forgotten", "run"]
    assert "waiting for the end of store forget" in capsys.readouterr().err
    with running.alone(tmp_path, "store forget"):  # what has ended keeps nobody out
        pass


def refused(home: Path) -> str:
    with (
        pytest.raises(LlamaDuoError) as error,
        running.alone(home / ".llamaduo", "store forget"),
    ):
        pass
    return str(error.value)


def test_a_run_and_its_report_keep_others_out_to_their_end(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, name = tmp_path / "home", finished.exp.fingerprint()
    home.mkdir()
    move_in(finished.home, home)
    said = []

    class SeenError(Exception):
        """Enough was seen."""

    def look(*given: object, **more: object) -> str:
        said.append(refused(home))
        raise SeenError

    with monkeypatch.context() as patch:
        patch.setattr("llamaduo.report.write", look)  # all stages are done
        with pytest.raises(SeenError):
            session.run(finished.exp.model_copy(update={"home": home}), Progress())
    with monkeypatch.context() as patch:
        patch.setattr(render, "html", look)
        with pytest.raises(SeenError):
            report.main([name, f"home={home}"])
    for one, what in zip(said, ("run", "report"), strict=True):
        assert f"\n  {what} {name}\n" in one
