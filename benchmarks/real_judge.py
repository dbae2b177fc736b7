"""Let a real small model judge with the paper's prompt, and print how its replies end.

    python benchmarks/real_judge.py                 30 prompts, two repeats, some minutes
    python benchmarks/real_judge.py --rows 24 --repeats 1

SmolLM2-135M on llama.cpp's server of this machine answers the prompts and judges the answers, as
an OpenAI-compatible service. It is far too small to judge: what has to hold is that whatever it
says has a typed outcome, and the run ends in a verdict. Exit code 1 if not.
"""

import argparse
import os
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

from llama_server import llama_server, small_model
from mlflow_server import free_port

from llamaduo import session
from llamaduo.config import from_overrides
from llamaduo.progress import Progress
from llamaduo.records import Outcome

CONTEXT = 4096
"""Tokens; the paper's prompt with all it quotes has fewer than a thousand."""
SHOWN = 4
"""Replies of each outcome that are printed."""
VERDICTS = ("keep the service", "not enough data")


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument(
        "--rows", type=int, default=60, help="coverage rows; half of them are judged"
    )
    asked.add_argument("--repeats", type=int, default=2)
    asked.add_argument("--max-tokens", type=int, default=160)
    given = asked.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        home, port = Path(folder) / "home", free_port()
        with llama_server(small_model(Path(folder)), port, "small", Path(folder), CONTEXT):
            result = session.run(from_overrides(words(given, port, home)), Progress())
        with closing(sqlite3.connect(home / ".llamaduo/ledger.sqlite")) as db:
            replies = db.execute(
                "select outcome, cause, text from calls join replies using (key)"
                " where stage like 'judgements/%' order by at"
            ).fetchall()
    outcomes = Counter(outcome for outcome, _, _ in replies)
    took = time.monotonic() - began
    print(f"\n{len(replies)} replies of the judge in {took:.0f} s: {dict(outcomes)}")
    for outcome in outcomes:
        for _, cause, text in [one for one in replies if one[0] == outcome][:SHOWN]:
            print(f"  {outcome} ({' '.join(cause.split())[:90]}): {' '.join(text.split())[:120]}")
    print(f"verdict: {result.decision.verdict}")
    typed = set(outcomes) <= set(Outcome) and result.decision.verdict in VERDICTS
    return 0 if typed and replies else 1


def words(given: argparse.Namespace, port: int, home: Path) -> list[str]:
    """Return a run that asks the model for answers and for marks; its teacher is idle."""
    what = (
        *("name=small", "model=openai/small", f"api_base=http://127.0.0.1:{port}/v1"),
        *("key_env=null", "price.input=0.1", "price.output=0.4", "price.as_of=2026-01-02"),
        *("price.source=benchmark", f"context={CONTEXT}", "concurrency=1", "backoff=0.01"),
    )
    return [
        *("experiments=demo_tiny", "tuner=none", "engine=openai_endpoint", "engine.max_tokens=16"),
        *("service@judge.service=openai_compatible", "allow_simulated=true", "tracker=none"),
        *(f"{who}.service.{one}" for who in ("judge", "engine") for one in what),
        *("rounds=1", "samples=1", f"task.rows.limit={given.rows}", "judge.audit=0"),
        *(f"judge.repeats={given.repeats}", f"judge.max_tokens={given.max_tokens}"),
        *("baselines=[]", f"home={home}"),
    ]


if __name__ == "__main__":
    sys.exit(main())
