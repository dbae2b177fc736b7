"""The LlamaDuo loop: tune, answer, judge, and grow the data until the goal is met.

Read this first. Each call on `stages` is one stage whose result is kept; a run that stops
goes on from the last stage that finished, and inside one that did not.
"""

from llamaduo.baselines import models, others
from llamaduo.decision import decide, level_of_look, undecided
from llamaduo.economics import not_worth_it
from llamaduo.errors import OverBudget
from llamaduo.experiment import Experiment
from llamaduo.findings import Assessment, Decision, Result
from llamaduo.intervals import LEVEL
from llamaduo.judging import SERVICE, Judged
from llamaduo.metrics import compare
from llamaduo.outcome import Course, as_round, in_a_line, result, unaudited
from llamaduo.records import Placed
from llamaduo.stages import Stages
from llamaduo.store import Rows
from llamaduo.tracker import Run
from llamaduo.tuner.untuned import Untuned
from llamaduo.until import Reached


def run(exp: Experiment, stages: Stages, split: Rows[Placed], shown: Run) -> Result:
    """Run `exp` to its goal, its last round or the end of its budget, and decide."""
    course = Course()
    try:
        turn(exp, stages, split, shown, course)
        judge_test(exp, stages, split, course)
        beside(exp, stages, split, course)
    except Reached:
        answer_beside(exp, stages, split, course)
        raise
    except OverBudget as stop:
        course.unfinished = str(stop)
        end_early(exp, course, stop)
    return result(exp, stages, split, course)


def turn(exp: Experiment, stages: Stages, split: Rows[Placed], shown: Run, course: Course) -> None:
    """Tune, answer, judge and grow, until something says that it is enough."""
    course.stopped = "budget"  # unless it comes to another end
    for number in range(exp.rounds):
        name = f"round {number}"
        train = stages.train(split, course.grown)
        adapter = stages.tune(train, exp.tuner, split)
        course.adapters.append(adapter)
        judged = stages.judge(name, adapter, split, exp.judge.on, look=number + 1)
        if exp.judge.on == "test":
            course.openings = stages.on_record(split, name, adapter)
        course.steering.append(judged)
        course.rounds.append(
            as_round(number, train, course.grown, adapter, judged, stages.tallies())
        )
        last = course.rounds[-1]
        shown.round(last, train=train, adapter=adapter.path, judgements=judged.rows)
        stages.progress.say(in_a_line(last, exp))
        if met(judged.assessment, exp):
            course.stopped = "goal"
            return
        if isinstance(exp.tuner, Untuned):
            course.stopped = "nothing to tune"
            return
        if why := plateau(exp, course):
            stages.progress.say(why)
            course.stopped = "plateau"
            return
        if number + 1 < exp.rounds:
            course.grown.append(stages.grow(number, split, train))
    course.stopped = "rounds"


def met(assessment: Assessment, exp: Experiment) -> bool:
    """Whether the coverage of what steers the loop has reached the goal."""
    reached = assessment.coverage.value
    return reached is not None and reached >= exp.goal.at_least


def plateau(exp: Experiment, course: Course) -> str:
    """Say so if another round is not worth its price, going by the last; else ""."""
    if exp.usd_per_point is None or len(course.rounds) < 2:
        return ""
    before, after = course.steering[-2:]
    gain = compare(
        before.assessment.name,
        after.rows,
        before.rows,
        similarity=exp.goal.similarity,
        precision=exp.goal.precision,
    )
    price = course.rounds[-1].usd - course.rounds[-2].usd
    return not_worth_it(gain.coverage, next_usd=price, usd_per_point=exp.usd_per_point)


def judge_test(exp: Experiment, stages: Stages, split: Rows[Placed], course: Course) -> None:
    """Open the sealed test for the last model, question the judge, and decide."""
    name, adapter = course.rounds[-1].assessment.name, course.adapters[-1]
    course.test = stages.judge(name, adapter, split, "test", look=course.look(exp))
    course.openings = stages.on_record(split, name, adapter)
    course.audit = stages.audit(course.test)
    if exp.goal.against == "service":
        set_beside(exp, course, stages.ceiling(split))
    course.decision = decided(exp, course, course.test)


def decided(exp: Experiment, course: Course, test: Judged) -> Decision:
    """Decide on what is known so far."""
    return decide(
        test.assessment,
        exp.goal,
        service=next((one for one in course.compared if one.name == SERVICE), None),
        audit=course.audit,
        latency=test.latency,
        level=level_of_look(course.look(exp)) if exp.judge.on == "test" else LEVEL,
    )


def beside(exp: Experiment, stages: Stages, split: Rows[Placed], course: Course) -> None:
    """Judge the baselines on the same test prompts, one by one."""
    for judged in others(exp, stages, split, course.adapters):
        if all(judged.assessment.name != one.name for one in course.compared):
            set_beside(exp, course, judged)


def answer_beside(exp: Experiment, stages: Stages, split: Rows[Placed], course: Course) -> None:
    """Have the baselines answer too, where a run is to stop after its last round."""
    if course.stopped == "budget":  # it is within a round
        return
    for model in models(exp, stages, split, course.adapters):
        stages.answers(model.adapter, split, "test", model.shots)


def set_beside(exp: Experiment, course: Course, other: Judged) -> None:
    """Take another model's figures down, and its difference to the decided one."""
    assert course.test is not None, "the test is judged first"
    course.baselines.append(other.assessment)
    course.compared.append(
        compare(
            other.assessment.name,
            course.test.rows,
            other.rows,
            similarity=exp.goal.similarity,
            precision=exp.goal.precision,
        )
    )


def end_early(exp: Experiment, course: Course, stop: OverBudget) -> None:
    """Say what can be said where the budget ended."""
    if course.decision is not None:
        said = (*course.decision.reasons, f"not every baseline was judged: {stop}")
        course.decision = course.decision.model_copy(update={"reasons": said})
    elif course.test is None or exp.goal.against == "service":
        wanted = -exp.goal.margin if exp.goal.against == "service" else exp.goal.at_least
        course.decision = undecided(str(stop), wanted)
    else:
        course.audit = unaudited(exp.judge.name, str(stop))
        course.decision = decided(exp, course, course.test)
