"""Which answers a judge is shown to question it."""

from judges import marked, text

from llamaduo.audit.kinds import Kind, taken_apart
from llamaduo.judge.probes import probes
from llamaduo.records import Answer, Judgement


def rows(n: int, right: int = 0) -> list[Judgement]:
    """Return judged answers to `n` prompts, the first `right` of them the reference itself."""
    found = []
    for i in range(n):
        target = text(f"r{i}", 5 * i + 1)
        candidate = f" {target}\n" if i < right else text(f"a{i}", 9)
        found.append(marked(f"t{i}", 90, candidate=candidate, target=target, sample=2))
    return found


def of(shown: list[Answer], kind: Kind) -> dict[str, Answer]:
    apart = [(taken_apart(a.example.id), a) for a in shown]
    return {row: answer for (row, is_), answer in apart if is_ is kind}


def test_of_each_prompt_there_are_four_and_the_prompt_itself_is_kept() -> None:
    judged = rows(12)
    shown = probes(judged, 12, seed=42)
    assert len(shown) == 48
    for judgement in judged:
        row, text_ = judgement.answer.example, judgement.answer.text
        swap, same, other, back = (of(shown, kind)[row.id] for kind in Kind)
        assert (swap.example.target, swap.text, swap.sample) == (text_, row.target, 2)
        assert (same.example.target, same.text) == (row.target, row.target)
        assert (other.example.target, back.text) == (row.target, row.target)
        assert other.text == back.example.target != row.target
        assert other.text in {j.answer.example.target for j in judged}
        assert {a.example.messages for a in (swap, same, other, back)} == {row.messages}


def test_the_longest_reference_is_the_wrong_answer_to_the_prompt_of_the_shortest() -> None:
    shown = of(probes(rows(10), 10, seed=0), Kind.OTHER)
    assert [shown[f"t{i}"].text.split()[0] for i in range(10)] == [f"r{9 - i}" for i in range(10)]


def test_prompts_with_something_to_swap_come_first_and_others_make_up_the_number() -> None:
    shown = probes(rows(20, right=15), 8, seed=1)
    assert set(of(shown, Kind.SWAP)) == {f"t{i}" for i in range(15, 20)}
    assert len(of(shown, Kind.SAME)) == 8


def test_the_draw_is_of_the_seed_and_a_larger_one_keeps_the_smaller() -> None:
    judged = rows(40)
    few, more = (of(probes(judged, n, seed=7), Kind.SWAP) for n in (10, 20))
    assert few.items() <= more.items()
    assert probes(judged, 10, seed=7) == probes(judged[::-1], 10, seed=7)
    assert set(of(probes(judged, 10, seed=8), Kind.SWAP)) != set(few)


def test_only_whole_judged_answers_with_text_in_them_are_swapped() -> None:
    judged = rows(4)
    cut = judged[0].answer.model_copy(update={"finish": "length"})
    judged[0] = judged[0].model_copy(update={"answer": cut})
    judged[1] = judged[1].model_copy(update={"score": None})
    judged[2] = marked("t2", 5, candidate=" \n", target="r2")
    assert set(of(probes(judged, 4, seed=0), Kind.SWAP)) == {"t3"}


def test_one_answer_of_a_prompt_is_drawn_and_keeps_its_number() -> None:
    judged = [
        marked("t", 50, candidate=f"a{sample}", target="r", sample=sample) for sample in range(4)
    ]
    drawn = [of(probes(judged, 1, seed), Kind.SWAP)["t"] for seed in range(40)]
    assert {answer.sample for answer in drawn} == {0, 1, 2, 3}
    assert all(answer.example.target == f"a{answer.sample}" for answer in drawn)


def test_where_all_references_say_one_thing_no_answer_is_wrong() -> None:
    judged = [marked(f"t{i}", 50, candidate="no", target="yes") for i in range(5)]
    shown = probes(judged, 5, seed=0)
    assert len(of(shown, Kind.SAME)) == 5
    assert not of(shown, Kind.OTHER)
    assert not of(shown, Kind.BACK)
    judged[2] = marked("t2", 50, candidate="no", target="maybe")
    wrong = of(probes(judged, 5, seed=0), Kind.OTHER)
    assert {row: answer.text == "maybe" for row, answer in wrong.items()} == {
        f"t{i}": i != 2 for i in range(5)
    }


def test_an_audit_of_no_prompts_shows_nothing() -> None:
    assert probes(rows(5), 0, seed=0) == []
    assert probes([], 30, seed=0) == []
