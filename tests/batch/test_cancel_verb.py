"""`llamaduo ledger --cancel-batch`: by the run's own config, without saying it again."""

from contextlib import closing
from pathlib import Path

import pytest
from batch_server import INPUT, OUTPUT, Batches, serving
from batch_world import desk, requests
from kept import Kept

from llamaduo import runs
from llamaduo.config import from_overrides
from llamaduo.errors import UsageError
from llamaduo.service.chat import ChatService
from llamaduo.verbs import ledger as verb


def test_an_open_batch_is_cancelled_by_the_config_of_the_run_that_made_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef")
    with serving(Batches(done=lambda place: place < 2)) as server:
        price = f"{{input: {INPUT}, output: {OUTPUT}, batch: 0.5, as_of: 2026-01-31, source: x}}"
        words = [
            *("task=summarization", "service=openai_compatible", "service.mode=batch"),
            *("service.name=ours", "service.model=openai/ours", f"service.api_base={server.url}"),
            *(f"service.price={price}", "service.batch_poll_seconds=0.01"),
        ]
        exp = from_overrides(words)
        assert isinstance(exp.service, ChatService)
        place = tmp_path / ".llamaduo" / "runs" / exp.fingerprint()
        place.mkdir(parents=True)
        runs.remember(place, exp, None)
        kept = Kept(tmp_path / ".llamaduo", on_server=False)
        with (
            closing(kept.open()) as ledger,
            monkeypatch.context() as patch,
            pytest.raises(KeyboardInterrupt),
        ):
            patch.setattr("time.sleep", interrupt)
            desk(ledger, exp.service, run=exp.fingerprint()).ask(requests(*range(12)))
        capsys.readouterr()
        with pytest.raises(UsageError, match="no open batch is called nothing"):
            verb.main(["--cancel-batch", "nothing"])
        assert verb.main(["--cancel-batch", "all"]) == 0
        [line] = capsys.readouterr().out.splitlines()
        assert line.endswith("at ours: cancelled; 2 of 12 calls had been answered, and are kept")
        assert verb.main(["--cancel-batch", "all"]) == 0
        assert capsys.readouterr().out == "no batch is open\n"
        assert kept.account() == pytest.approx((server.usd, 0.0), abs=1e-12)


def interrupt(seconds: float) -> None:
    raise KeyboardInterrupt
