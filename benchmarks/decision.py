"""Does the decision keep its word? Against known truth: intervals, verdicts, advised n, early stop.

    python benchmarks/decision.py [--runs 2000]

Every model here is a simulation whose true coverage and mean are known: K = 4 answers a prompt,
clustered, marks in 0..100 of three shapes. What is tested is the code that a run uses.
"""

import argparse
import sys
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from llamaduo.decision import level_of_look, same_at_both_ends, settle
from llamaduo.intervals import LEVEL, bounded_means, wilson
from llamaduo.judge import Stop
from llamaduo.judge.stopping import FEWEST, Tallies, to_judge_again
from llamaduo.metrics import difference, share
from llamaduo.power import prompts_needed

K, M = 4, 10
LIMIT = 90.0
"""Mark from which a prompt is covered."""
COVERAGES = (0.5, 0.7, 0.9, 0.95)
SIZES = (16, 25, 100, 400)
LIMIT_JUDGED = 80.0
"""The same where a judge strays: marks are cut at 100, and by 15 points few means pass 90."""
LARGE = 400_000
"""Prompts from which the truth of a shape is taken."""

Floats = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator, int, float], Floats]


def normal(draw: np.random.Generator, prompts: int, shift: float) -> Floats:
    """Prompts differ by 8 points, answers to one by 6."""
    of = draw.normal(shift, 8, (prompts, 1)) + draw.normal(0, 6, (prompts, K))
    return np.asarray(np.clip(of, 0, 100))


def skewed(draw: np.random.Generator, prompts: int, shift: float) -> Floats:
    """Most prompts near 100, with a long tail below."""
    lost = draw.gamma(1.0, 8, (prompts, 1)) + draw.gamma(0.5, 6, (prompts, K))
    return np.asarray(np.clip(100 + shift - lost, 0, 100))


def two_humped(draw: np.random.Generator, prompts: int, shift: float) -> Floats:
    """Right or wrong: `shift` is the share of prompts that are mostly answered right."""
    right = draw.random((prompts, 1)) < shift
    chance = np.where(right, 1.0, 0.15)
    good = draw.random((prompts, K)) < chance
    marks = np.where(good, draw.normal(96, 2, (prompts, K)), draw.normal(30, 12, (prompts, K)))
    return np.asarray(np.clip(marks, 0, 100))


SHAPES: dict[str, tuple[Draw, tuple[float, float]]] = {
    "normal": (normal, (60, 130)),
    "skewed": (skewed, (-30, 60)),
    "two-humped": (two_humped, (0, 1)),
}


def world(shape: str, coverage: float) -> tuple[float, float, float]:
    """Return the shift that gives a true coverage, that coverage, and the true mean."""
    draw, (low, high) = SHAPES[shape]
    for _ in range(40):
        middle = (low + high) / 2
        means = draw(np.random.default_rng(1), LARGE, middle).mean(axis=1)
        if float(np.mean(means >= LIMIT)) < coverage:
            low = middle
        else:
            high = middle
    return high, float(np.mean(means >= LIMIT)), float(means.mean())


def intervals(runs: int) -> bool:
    """Print how often 95 % intervals hold the truth."""
    print(f"\n95 % intervals: share of runs whose interval holds the truth, K = {K};")
    print(f"{runs} runs for means, {50 * runs} for coverage ({8_000_000 // SIZES[-1]} at the last)")
    print(f"{'shape':<12}{'coverage':>9}{'mean':>7}  " + "".join(f"{f'n={n}':>16}" for n in SIZES))
    print(f"{'':<28}  " + "".join(f"{'coverage   mean':>16}" for _ in SIZES))
    good = True
    for shape, (draw, _) in SHAPES.items():
        for coverage in COVERAGES:
            shift, true, mean = world(shape, coverage)
            cells = []
            for n in SIZES:
                many = min(50 * runs, 8_000_000 // n)
                marks = draw(np.random.default_rng(n), many * n, shift).mean(axis=1)
                marks = marks.reshape(many, n)
                hits = (marks >= LIMIT).sum(axis=1)
                ends = {int(h): wilson(int(h), n) for h in set(hits.tolist())}
                held = np.mean([ends[int(h)][0] <= true <= ends[int(h)][1] for h in hits])
                low, high = bounded_means(marks[:runs].T, least=0, most=100)
                meant = np.mean((low <= mean) & (mean <= high))
                least = 0.93 if n >= 100 else 0.92
                good &= bool(held >= least and meant >= least)
                cells.append(f"{100 * held:>9.1f}{100 * meant:>7.1f}")
            print(f"{shape:<12}{100 * true:>9.1f}{mean:>7.1f}  " + "".join(cells))
    return good


def verdicts(runs: int) -> bool:
    """Print false switches at the boundary, with one look and with five."""
    print(f"\nfalse `switch` where true coverage is the goal, % of {runs} runs")
    print(f"{'goal':>5}" + "".join(f"{f'n={n}':>9}" for n in (16, 25, 50, 100, 200, 400, 1000)))
    good = True
    for looks in (1, 5):
        print(
            f"  {looks} look{'s' if looks > 1 else ', at test once'}"
            + (" at one test, a new model each; stops at the first switch" if looks > 1 else "")
        )
        for goal in COVERAGES:
            cells = []
            for n in (16, 25, 50, 100, 200, 400, 1000):
                draw = np.random.default_rng(n + looks)
                switched = np.zeros(runs, dtype=bool)
                for look in range(1, looks + 1):
                    level = LEVEL if looks == 1 else level_of_look(look)
                    hits = draw.binomial(n, goal, runs)
                    says = {
                        h: settle(m := share("", h, n, level), m, 100 * goal) == "switch"
                        for h in set(hits.tolist())
                    }
                    switched |= np.array([says[int(h)] for h in hits])
                wrong = 100 * switched.mean()
                good &= bool(wrong <= 6.0)
                cells.append(f"{wrong:>9.1f}")
            print(f"{100 * goal:>5.0f}" + "".join(cells))
    return good


def keeps() -> bool:
    """Print false `keep the service` where true coverage is the goal: exact, by the binomial."""
    from scipy.stats import binom

    sizes = (16, 25, 50, 100, 200, 400, 1000)
    print("\nfalse `keep the service` where true coverage is the goal, one look, %, exact")
    print(f"{'goal':>5}" + "".join(f"{f'n={n}':>9}" for n in sizes))
    worst = 0.0
    for goal in COVERAGES:
        cells = []
        for n in sizes:
            ends = [share("", hits, n) for hits in range(n + 1)]
            says = [settle(m, m, 100 * goal) == "keep the service" for m in ends]
            wrong = 100 * float(binom.pmf(np.arange(n + 1), n, goal)[says].sum())
            worst = max(worst, wrong)
            cells.append(f"{wrong:>9.1f}")
        print(f"{100 * goal:>5.0f}" + "".join(cells))
    return worst <= 8.0


def beside(runs: int) -> bool:
    """Print false switches where the model is just `margin` points under the service."""
    print(f"\nfalse `switch` where coverage is 5 points under the service's, margin 5; % of {runs}")
    sizes = (50, 100, 200, 400, 1000)
    print(f"{'pairs that differ':>18}" + "".join(f"{f'n={n}':>9}" for n in sizes))
    good = True
    for apart in (0.06, 0.15, 0.30):
        cells = []
        for n in sizes:
            shares = [(apart - 0.05) / 2, (apart + 0.05) / 2, 1 - apart]
            counts = np.random.default_rng(n).multinomial(n, shares, runs)
            ends = [difference(int(ours), int(theirs), n) for ours, theirs, _ in counts]
            wrong = 100 * float(np.mean([settle(m, m, -5.0) == "switch" for m in ends]))
            good &= wrong <= 6.0
            cells.append(f"{wrong:>9.1f}")
        print(f"{100 * apart:>17.0f}%" + "".join(cells))
    return good


def advice(runs: int) -> bool:
    """Print the advised n, its power, and the n that simulation finds."""
    print(
        f"\nadvised test prompts: power at them, and the least n with 80 % by simulation ({runs})"
    )
    print(f"{'truth':>6}{'goal':>6}{'advised':>9}{'power %':>9}{'simulated n':>13}{'ratio':>7}")
    good = True
    for truth, goal in (
        (95, 90),
        (99, 90),
        (97, 90),
        (85, 90),
        (75, 90),
        (80, 70),
        (60, 70),
        (98, 95),
        (90, 95),
        (60, 50),
        (90, 50),
    ):
        advised = prompts_needed(truth, goal)
        assert advised is not None
        power = settled(advised, truth, goal, runs)
        found = by_simulation(truth, goal, runs, advised)
        good &= bool(power >= 0.8 - 3 * (0.16 / runs) ** 0.5 and abs(advised / found - 1) <= 0.25)
        print(
            f"{truth:>6}{goal:>6}{advised:>9}{100 * power:>9.1f}{found:>13}{advised / found:>7.2f}"
        )
    return good


def settled(n: int, truth: float, goal: float, runs: int, seed: int = 0) -> float:
    """Return the share of simulated tests of `n` prompts that reach the right verdict."""
    hits = np.random.default_rng((n, seed)).binomial(n, truth / 100, runs)
    right = "switch" if truth > goal else "keep the service"
    says = {h: settle(m := share("", h, n), m, goal) == right for h in set(hits.tolist())}
    return float(np.mean([says[int(h)] for h in hits]))


def by_simulation(truth: float, goal: float, runs: int, near: int) -> int:
    """Return the least n from which tests of simulated marks settle it in 80 % of runs.

    The power of a test of whole prompts goes up and down with n; the least is taken from
    which the mean of five neighbouring n stays over 80 %.
    """
    step = max(near // 50, 1)
    ns = list(range(step, 2 * near + 5 * step, step))
    powers = np.array([settled(n, truth, goal, runs, seed=1) for n in ns])
    smooth = np.convolve(powers, np.ones(5) / 5, mode="valid")
    short = np.flatnonzero(smooth < 0.8)
    return ns[int(short[-1]) + 3] if len(short) else ns[0]


def early(runs: int, prompts: int) -> bool:
    """Print what early stopping spares, and how often the verdict is that of all repeats."""
    goal = 90.0
    print(
        f"\nearly stop, M = {M}, K = {K}, {prompts} prompts, goal {goal:g} %: judge calls spared, "
        f"same verdict as with all repeats; {runs} runs a cell"
    )
    print(f"{'shape':<12}{'coverage':>9}" + "".join(f"{f'SD {sd}':>20}" for sd in (5, 10, 15)))
    grid: list[tuple[float, float]] = []
    for shape in SHAPES:
        for coverage in (0.70, 0.80, 0.85, 0.90, 0.95, 0.99):
            cells = []
            for spread in (5.0, 10.0, 15.0):
                shift = judged_world(shape, coverage, spread)
                spared, same, moved = tries(shape, shift, spread, prompts, runs, goal)
                cells.append(f"{100 * spared:>8.1f}{100 * same:>7.1f}{moved:>5.2f}")
                if coverage != 0.90:
                    grid.append((spared, same))
            mark = " (boundary)" if coverage == 0.90 else ""
            print(f"{shape:<12}{100 * coverage:>9.0f}" + "".join(cells) + mark)
    spared, same = (float(np.mean([cell[i] for cell in grid])) for i in (0, 1))
    print(
        f"over the grid without the boundary: {100 * spared:.1f} % spared, {100 * same:.2f} % same"
    )
    print("columns of a cell: spared %, same verdict %, points that the mean mark moved by")
    return spared >= 0.40 and same >= 0.99


def divided(runs: int, prompts: int) -> bool:
    """Print the same for judges that are sure of most prompts and of two minds on the others."""
    goal, limit = 90.0, 85.0
    print(f"\nthe same for a judge of two minds: 100 or 20, K = 1, {prompts} prompts, {runs} runs")
    print(f"{'divided on':>12}{'marks of 100':>14}{'spared %':>10}{'same %':>8}")
    good = True
    for share_, high in ((0.1, 0.75), (0.15, 0.85), (0.2, 0.75)):
        asked, same = 0, 0
        for run in range(runs):
            draw = np.random.default_rng((run, int(100 * share_), 7))
            doubtful = draw.random(prompts) < share_
            right = draw.random(prompts) < 0.97
            chance = np.where(doubtful, high, np.where(right, 1.0, 0.0))
            marks = np.where(draw.random((prompts, 1, M)) < chance[:, None, None], 100.0, 20.0)
            asked_, same_, _ = one_test(marks, limit, goal)
            asked, same = asked + asked_, same + same_
        spared = 100 * (1 - asked / (runs * prompts * M))
        kept = 100 * same / runs
        good &= kept >= 90
        print(f"{100 * share_:>11.0f}%{100 * high:>13.0f}%{spared:>10.1f}{kept:>8.1f}")
    return good


def judged(
    draw: np.random.Generator, shape: str, prompts: int, shift: float, spread: float
) -> Floats:
    """Return marks of every repeat: shape (prompts, K, M), whole numbers as judges give them."""
    truth = SHAPES[shape][0](draw, prompts, shift)
    noise = draw.normal(0, spread, (prompts, K, M))
    return np.asarray(np.clip(np.round(truth[:, :, None] + noise), 0, 100))


def judged_world(shape: str, coverage: float, spread: float) -> float:
    """Return the shift at which a judge with this spread covers a share, with all repeats.

    Where no shift does (a judge that strays by 15 points gives few prompts a mean over 90),
    the nearest.
    """
    low, high = SHAPES[shape][1]
    for _ in range(25):
        middle = (low + high) / 2
        marks = judged(np.random.default_rng(1), shape, 20_000, middle, spread)
        if float(np.mean(marks.mean(axis=(1, 2)) >= LIMIT_JUDGED)) < coverage:
            low = middle
        else:
            high = middle
    return high


def tries(
    shape: str, shift: float, spread: float, prompts: int, runs: int, goal: float
) -> tuple[float, float, float]:
    """Return the share of calls spared, of verdicts kept, and how far the mean mark moved."""
    asked, same, moved = 0, 0, 0.0
    for run in range(runs):
        draw = np.random.default_rng((run, int(1000 * abs(shift)), int(spread)))
        marks = judged(draw, shape, prompts, shift, spread)
        asked_, same_, moved_ = one_test(marks, LIMIT_JUDGED, goal)
        asked, same, moved = asked + asked_, same + same_, moved + moved_
    return 1 - asked / (runs * prompts * M), same / runs, moved / runs


def one_test(marks: Floats, limit: float, goal: float) -> tuple[int, bool, float]:
    """Judge one test by turns.

    Args:
        marks: shape (prompts, answers, M), what the judge would say each time.

    Returns:
        The repeats asked for (of one answer of each prompt), whether the verdict is that of
        all repeats, and how far the mean mark moved.
    """
    stop = Stop(limit, limit, lambda ends: same_at_both_ends(*ends[0], goal, LEVEL))
    prompts = len(marks)
    times = np.full(prompts, FEWEST)
    while True:
        again = [i for i in to_judge_again(so_far(marks, times), M, stop) if times[i] < M]
        if not again:
            break
        times[again] += 1
    seen = np.array([marks[i, :, : times[i]].mean() for i in range(prompts)])
    whole = marks.mean(axis=(1, 2))
    both = [share("", int((of >= limit).sum()), prompts) for of in (seen, whole)]
    same = settle(both[0], both[0], goal) == settle(both[1], both[1], goal)
    return int(times.sum()), same, float(seen.mean() - whole.mean())


def so_far(marks: Floats, times: npt.NDArray[np.int64]) -> Tallies:
    """Return the tallies of the first marks of each answer, `times` of its prompt."""
    prompts, answers, _ = marks.shape
    seen = Tallies(np.repeat(np.arange(prompts), answers).tolist(), [""] * prompts)
    given = np.where(np.arange(M) < times[:, None, None], marks, 0).reshape(prompts * answers, M)
    seen.count[:] = np.repeat(times, answers)
    seen.total[:] = given.sum(axis=1)[:, None]
    seen.square[:] = (given**2).sum(axis=1)[:, None]
    return seen


def main() -> int:
    """Print all tables; 1 if one of them misses what is claimed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--early-runs", type=int, default=100)
    given = parser.parse_args()
    good = {
        "intervals": intervals(given.runs),
        "false switches": verdicts(given.runs),
        "false keeps": keeps(),
        "against the service": beside(given.runs),
        "advised n": advice(given.runs),
        "early stop": early(given.early_runs, 100),
        "early stop, judges of two minds": divided(given.early_runs, 100),
    }
    print()
    for name, kept in good.items():
        print(f"{name}: {'as claimed' if kept else 'NOT as claimed'}")
    return 0 if all(good.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
