"""A parcel that is damaged or means harm: refused by name, before anything is put in place."""

import json
import tarfile
from pathlib import Path

import pytest
from machines import WORDS, Machines, packed, reseal, results, unpacked

from llamaduo.errors import LlamaDuoError, UsageError
from llamaduo.parcel import MANIFEST, SCHEMA


def test_settings_that_make_another_run_here_are_taken_out_again(
    parcel: Path, machines: Machines
) -> None:
    said = json.loads((parcel / MANIFEST).read_text())
    (parcel / "files/experiments").mkdir(parents=True)
    (parcel / "files/experiments/more.yaml").write_text("seed: 1\n")
    (parcel / MANIFEST).write_text(json.dumps(said | {"fingerprint": "0" * 16}))
    reseal(parcel)
    with pytest.raises(LlamaDuoError, match=r"run 0000000000000000 is .* here: it was packed by"):
        unpacked(parcel)
    assert not list(Path.cwd().rglob("*.yaml"))


def test_a_file_that_nothing_of_the_run_names_is_refused(parcel: Path) -> None:
    (parcel / "files").mkdir(exist_ok=True)
    (parcel / "files/data.jsonl").write_text("{}\n")
    (parcel / "files/conf/tuner").mkdir(parents=True)
    (parcel / "files/conf/tuner/more.yaml").write_text("defaults: [qlora]\n")
    said = json.loads((parcel / MANIFEST).read_text())
    said["overrides"] = [*said["overrides"], "tuner=more"]
    (parcel / MANIFEST).write_text(json.dumps(said))
    reseal(parcel)
    with pytest.raises(LlamaDuoError, match=r"data\.jsonl: nothing of the run names it"):
        unpacked(parcel)
    assert not list(Path.cwd().rglob("*.yaml")) and not list(Path.cwd().rglob("data.jsonl"))


def test_a_result_of_which_the_manifest_is_none_is_refused(parcel: Path) -> None:
    manifest = next(parcel.glob("store/split/*/manifest.json"))
    for text in ('{"schema": 1}', "[]"):
        manifest.write_text(text)
        reseal(parcel)
        with pytest.raises(LlamaDuoError, match=r"split/.* is not what its manifest says"):
            unpacked(parcel)


def test_a_damaged_file_is_named(parcel: Path) -> None:
    rows = next(parcel.glob("store/split/*/out/rows.jsonl"))
    rows.write_bytes(rows.read_bytes()[:-1] + b" ")
    name = rows.relative_to(parcel).as_posix()
    with pytest.raises(LlamaDuoError, match=f"{name}: damaged"):
        unpacked(parcel)
    assert not (Path.cwd() / ".llamaduo").exists()


def test_a_result_whose_own_manifest_does_not_fit_is_not_taken(parcel: Path) -> None:
    rows = next(parcel.glob("store/split/*/out/rows.jsonl"))
    rows.write_bytes(rows.read_bytes() + b"\n")
    reseal(parcel)
    with pytest.raises(LlamaDuoError, match=r"split/.* is not what its manifest says"):
        unpacked(parcel)
    assert "split" not in {name.partition("/")[0] for name in results(Path.cwd())}


def test_a_missing_file_and_a_copy_without_its_end_are_said(parcel: Path) -> None:
    gone = next(parcel.glob("store/answers/*/out/rows.jsonl"))
    gone.unlink()
    with pytest.raises(LlamaDuoError, match="missing; copy the parcel again"):
        unpacked(parcel)
    (parcel / MANIFEST).unlink()
    with pytest.raises(UsageError, match="not copied whole"):
        unpacked(parcel)


def test_another_schema_is_refused(parcel: Path) -> None:
    said = json.loads((parcel / MANIFEST).read_text())
    (parcel / MANIFEST).write_text(json.dumps(said | {"number": SCHEMA + 1}))
    with pytest.raises(LlamaDuoError, match=f"schema {SCHEMA + 1} .* this one reads {SCHEMA}"):
        unpacked(parcel)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("files/data/evil.py", "no file of this kind"),
        ("files/.bashrc", "hidden"),
        ("store/adapter/0123456789abcdef/out/optimizer.pt", "no file of this kind"),
        ("store/adapter/0123456789abcdef/out/training_args.bin", "no file of this kind"),
        ("store/adapter/0123456789abcdef/work/state.json", "no file that a parcel has"),
        ("extra.json", "no file that a parcel has"),
    ],
)
def test_what_could_run_code_or_is_no_part_is_refused(parcel: Path, name: str, said: str) -> None:
    (parcel / name).parent.mkdir(parents=True, exist_ok=True)
    (parcel / name).write_text("{}")
    reseal(parcel)
    with pytest.raises(LlamaDuoError, match=f"{name}: .*{said}"):
        unpacked(parcel)
    assert list(Path.cwd().iterdir()) == []


def test_a_path_that_leads_elsewhere_is_refused(parcel: Path, tmp_path: Path) -> None:
    said = json.loads((parcel / MANIFEST).read_text())
    for name in ("files/../../stolen.json", "/etc/stolen.json", "files\\stolen.json"):
        files = {**said["files"], name: "0" * 64}
        (parcel / MANIFEST).write_text(json.dumps(said | {"files": files}))
        with pytest.raises(LlamaDuoError, match=r"leads out of its folder|no plain path"):
            unpacked(parcel)
    (parcel / MANIFEST).write_text(json.dumps(said))
    (parcel / "files").mkdir(exist_ok=True)
    (parcel / "files/rows.jsonl").symlink_to(tmp_path)
    with pytest.raises(LlamaDuoError, match=r"files/rows\.jsonl: no regular file"):
        unpacked(parcel)


@pytest.mark.parametrize("kind", ["up", "link", "device"])
def test_an_archive_that_leads_elsewhere_is_refused(
    parcel: Path, tmp_path: Path, kind: str
) -> None:
    bad = tarfile.TarInfo("../stolen.json" if kind == "up" else "parcel/stolen.json")
    if kind != "up":
        bad.type = tarfile.SYMTYPE if kind == "link" else tarfile.CHRTYPE
        bad.linkname = "/etc/passwd"
    with tarfile.open(tmp_path / "bad.tar.gz", "w:gz") as archive:
        archive.add(parcel, arcname="parcel")
        archive.addfile(bad)
    with pytest.raises(LlamaDuoError, match=r"stolen\.json: leads out of the archive"):
        unpacked(tmp_path / "bad.tar.gz")
    assert not list(tmp_path.rglob("stolen.json"))


def test_half_an_archive_is_said(parcel: Path, tmp_path: Path, machines: Machines) -> None:
    machines.sit_at("laptop")
    packed(tmp_path / "whole.tar.gz", WORDS)
    half = (tmp_path / "whole.tar.gz").read_bytes()[:2000]
    (tmp_path / "half.tar.gz").write_bytes(half)
    with pytest.raises(LlamaDuoError, match="not copied whole"):
        unpacked(tmp_path / "half.tar.gz")


@pytest.mark.parametrize(
    "word",
    [
        "hydra.run.dir=/",
        "service@hydra.job_logging=gpt",
        "+trusted=[os]",
        "home=/",
        "--config-dir=/",
    ],
)
def test_no_override_of_a_parcel_can_have_code_run_or_move_the_home(
    parcel: Path, word: str
) -> None:
    said = json.loads((parcel / MANIFEST).read_text())
    said["overrides"].append(word)
    (parcel / MANIFEST).write_text(json.dumps(said))
    with pytest.raises(LlamaDuoError, match="which only the command line may"):
        unpacked(parcel)


def test_a_package_is_trusted_only_by_who_unpacks(parcel: Path) -> None:
    said = json.loads((parcel / MANIFEST).read_text())
    (parcel / MANIFEST).write_text(json.dumps(said | {"trusted": ["house_judge"]}))
    with pytest.raises(UsageError, match=r"add 'trusted=\[house_judge\]'"):
        unpacked(parcel)
    assert "trusted=[house_judge]" in unpacked(parcel, "trusted=[house_judge]").words
