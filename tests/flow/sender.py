"""Four processes that send within one limit, each so many tries.

`python sender.py PRIVATE WHERE LIMIT EACH SECONDS GUARD`: each prints the moments at which it
sent, as a line of JSON.
"""

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from kept import Kept

from llamaduo.flow.window import Span, book, late


@dataclass(frozen=True)
class Limits:
    payee: str
    requests_per_minute: int | None
    tokens_per_minute: int | None = None
    hidden_tokens: int = 0


def send(kept: Kept, limits: Limits, each: int, span: Span) -> list[float]:
    """Send so many, each at its moment; return when."""
    ledger, sent = kept.open(), []
    for n in range(each):
        slot = f"{os.getpid()}/{n}"
        with ledger.transaction() as db:
            at = book(db, limits, 1, time.time(), slot, span)
        while at > time.time():
            time.sleep(max(0.0, at - time.time()))
            with ledger.transaction() as db:
                at = late(db, limits, 1, at, time.time(), slot, span)
        sent.append(time.time())
    ledger.close()
    return sent


def main(private: str, where: str, limit: int, each: int, span: Span) -> int:
    kept = Kept(Path(private), on_server=where == "server")
    children = []
    for _ in range(4):
        child = os.fork()
        if not child:
            sent = send(kept, Limits("one", limit), each, span)
            os.write(1, f"{json.dumps(sent)}\n".encode())
            os._exit(0)
        children.append(child)
    return max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)


if __name__ == "__main__":
    _, private, where, limit, each, seconds, guard = sys.argv
    sys.exit(main(private, where, int(limit), int(each), Span(float(seconds), float(guard))))
