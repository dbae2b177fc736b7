"""`llamaduo load URL [MODEL]`: a served version under load, with the prompts of its task.

URL is that of the server, with or without /v1; with none, `serving.url`.

Requests come in at a rate, whether or not the ones before are answered: users do not wait for
each other. A test that sends the next request when one is answered slows down with the server,
and so never sees a queue.
"""

import argparse
import math

from llamaduo.errors import UsageError
from llamaduo.verbs import VERBS, arguments, asking, versioned


def main(words: list[str]) -> int:
    """Measure, print, draw, write down, and tag the version."""
    from llamaduo import plots, running
    from llamaduo.deploy.given import given as served_as
    from llamaduo.home import writable
    from llamaduo.load import about, measure, tool
    from llamaduo.load.plan import Plan, mixed
    from llamaduo.load.text import costing, table
    from llamaduo.progress import Progress
    from llamaduo.tracker.registry import opened

    given = arguments.read(parser(), words)
    url, rest = asking.address(given.words, "load")
    rates = rates_of(given.rates)
    for flag, value in (("--seconds", given.seconds), ("--p95-ms", given.p95_ms)):
        if value is not None and not 0 < value < math.inf:
            raise UsageError(f"load: {flag} {value:g}: a number above 0")
    tool.program()
    found = versioned.find(rest, "load")
    held, progress = found.held, Progress()
    objective = about.objective_of(held, given.p95_ms, found.exp.goal.latency_p95_ms)
    serving = found.exp.serving
    form, _ = serving.delivered(served_as(held))
    plan = Plan(
        endpoint=serving.endpoint(held.version.name, form, url),
        chats=mixed([one.messages for one in held.references], found.exp.seed),
        max_new_tokens=held.served.max_new_tokens,
        temperature=float(held.served.engine.get("temperature", 0)),
        seconds=given.seconds,
        arrivals=given.arrivals,
        seed=found.exp.seed,
    )
    private = writable(found.home / ".llamaduo", "home")
    with running.beside(private, f"load {held.version.name}"):
        measure.ask_once(plan)
        measuring = measure.Measuring(plan, progress)
        if given.sweep:
            seen = measure.sweep(measuring.rates, measuring.one_alone(), objective)
        else:
            seen = measuring.rates(rates)
        load = about.load_of(held, plan, seen, by=measuring.name, objective_ms=objective)
        path = about.keep(load, found.home)
        picture = path.with_suffix(".png")
        plots.save(plots.load_by_rate(load), picture)
    print("\n".join(table(load)))
    print(f"measurement: {path}\nfigure: {picture}")
    with opened(found.tracker, found.home) as registry:
        registry.tag(held.version, dict(about.tags(load)))
        for file in (path, picture):
            registry.client.log_artifact(held.version.run, str(file), "loads")
    if load.knee is not None:
        print(f"cost: {costing(load, path)}")
    return 0


def rates_of(text: str) -> list[float]:
    """Read `1,2,4`.

    Raises:
        UsageError: for what are no rising numbers above 0.
    """
    try:
        found = [float(word) for word in text.split(",")]
    except ValueError:
        found = []
    if not found or found != sorted(set(found)) or not 0 < found[0] <= found[-1] < math.inf:
        raise UsageError(f"load: --rates {text}: rising numbers above 0, such as 0.5,1,2,4")
    return found


def parser() -> argparse.ArgumentParser:
    """Return what reads the verb's arguments."""
    made = arguments.parser(
        "load", VERBS["load"], word="URL MODEL", meaning=f"URL of the server; {versioned.MEANING}"
    )
    made.usage = (
        "llamaduo load [URL] [MODEL] [key=value ...] [--rates 1,2,4,8 | --sweep] [--seconds 30]\n"
        "       [--p95-ms N] [--arrivals poisson|constant]"
    )
    either = made.add_mutually_exclusive_group()
    either.add_argument(
        "--rates", default="1,2,4,8", metavar="R,R", help="requests a second, rising; 1,2,4,8"
    )
    either.add_argument(
        "--sweep", action="store_true", help="from a low rate on, doubled until it is too much"
    )
    made.add_argument(
        "--seconds", type=float, default=30.0, help="of each rate, after a warm-up; 30"
    )
    made.add_argument(
        "--p95-ms",
        type=float,
        metavar="N",
        help="what 95 of 100 answers have to come in; goal.latency_p95_ms of its run if not given",
    )
    made.add_argument(
        "--arrivals",
        choices=("poisson", "constant"),
        default="poisson",
        help="as users come, in crowds and gaps, or evenly; poisson",
    )
    return made
