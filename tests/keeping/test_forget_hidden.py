"""A row is found in the calls that were sent it with placeholders."""

import json
from pathlib import Path

from kept_world import question
from small_world import Diary, Scripted

from llamaduo.desk import Desk
from llamaduo.keeping.calls import Held, holding
from llamaduo.keeping.masked import with_masked
from llamaduo.keeping.needles import Needles, of_rows
from llamaduo.ledger import Ledger
from llamaduo.privacy import Privacy
from llamaduo.privacy.redacting import guarded
from llamaduo.records import Example, Message, Request

HIDES = Privacy(personal_data="redact", ignore=("secret",))


def row(name: str) -> Example:
    text = f"{question(name)}\nwrite to {name}@example.org"
    return Example(id=name, messages=(Message(role="user", content=text),), target="yes")


def test_a_row_is_found_by_the_rest_of_its_text_where_its_values_were_hidden(
    tmp_path: Path,
) -> None:
    place = tmp_path / ".llamaduo" / "runs" / "run"
    place.mkdir(parents=True)
    config = place / "config.yaml"
    ledger, service = Ledger(tmp_path / "ledger.sqlite"), Scripted(diary=Diary())
    desk = Desk(ledger, service, recipe="asked/1", run="run", seed=0, budget=None)
    asked = [
        Request(
            messages=(Message(role="user", content="\n".join(r.instruction for r in rows)),),
            max_tokens=9,
            temperature=0,
            row=rows[0].id,
        )
        for rows in ((row("r1"), row("r2"), row("r3")), (row("r4"), row("r5")))
    ]
    guarded(desk, service, HIDES).ask(asked)

    def found() -> Held:
        def needles(run: str) -> Needles:
            return of_rows([row("r3")], [row("r1"), row("r2"), row("r4"), row("r5")])

        return holding(ledger, with_masked(tmp_path, needles))

    try:
        config.write_text(json.dumps({"privacy": {"personal_data": "ask"}}))
        assert not found().keys, "nobody would have hidden anything"
        config.write_text(json.dumps({"privacy": {"personal_data": "ask", "_target_": "x"}}))
        assert not found().keys
        config.write_text(json.dumps({"privacy": {"of a version to come": True}}))
        assert found().keys, "it may have hidden anything"
        config.write_text(json.dumps({"privacy": HIDES.model_dump(mode="json")}))
        [key] = found().keys
        [(said,)] = ledger._db.execute("select row from calls where key = ?", (key,)).fetchall()
        assert said == "r1"
        assert found().usd > 0
    finally:
        ledger.close()
