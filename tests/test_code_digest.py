"""Which code made a number: what changes the digest, and who is told."""

import re
from pathlib import Path

import pytest

from repobe.runs import code_digest
from repobe.runs.status import stale_files

PROGRAM = '''"""What it does."""


def half(x):
    """Halves."""
    if x % 2:
        raise ValueError(f"{x} is odd")
    return x / 2
'''


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        (PROGRAM.replace("return", "# by two\n    return"), True),
        (PROGRAM.replace("Halves.", "Divides by two."), True),
        (PROGRAM.replace('"""What it does."""\n', ""), True),
        (PROGRAM.replace("x / 2", "(x / 2)"), True),
        (PROGRAM.replace("is odd", "must be even"), True),
        (PROGRAM.replace("ValueError", "TypeError"), False),
        (PROGRAM.replace("x % 2", "x % 3"), False),
        (PROGRAM.replace("x / 2", "x / 3"), False),
        (PROGRAM.replace("half", "third"), False),
    ],
)
def test_comments_docstrings_and_messages_change_no_digest_and_arithmetic_does(changed, same, tmp_path):
    before, after = (_digest(tmp_path / name / "program.py", text) for name, text in (("a", PROGRAM), ("b", changed)))
    assert (after == before) == same
    assert len(before) == 8


def _digest(path: Path, text: str) -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return code_digest.digest([path])


def test_a_file_that_is_edited_during_a_run_is_named_as_the_run_imported_it(tmp_path):
    before = _digest(tmp_path / "program.py", PROGRAM)
    assert _digest(tmp_path / "program.py", PROGRAM.replace("x / 2", "x / 3")) == before


def test_training_and_measuring_have_their_own_rooms_and_a_method_its_own_file():
    train, necst = code_digest.trained_by("necst").split("-")
    measure, same = code_digest.measured_by("necst").split("-")
    assert necst == same
    assert train != measure
    ibal = code_digest.digest([code_digest.ROOT / "baselines/ibal.py"])
    assert code_digest.trained_by("ibal").split("-") == [train, ibal]


def test_what_reads_data_or_describes_a_network_changes_no_digest():
    """A new kind of source must not train everything again: a run names its data by their own hash."""
    counted = {path.name for path in code_digest.files_of(code_digest.MEASURES)}
    assert {path.name for path in (code_digest.ROOT / "repobe").rglob("*.py")} >= code_digest.IGNORED_FILES
    assert not counted & code_digest.IGNORED_FILES
    assert {"datasets.py", "networks.py", "seeds.py", "evaluate.py", "pgd.py"} <= counted


def test_what_decides_a_gpus_arithmetic_and_how_many_images_an_audit_reads_changes_the_digest():
    devices, schema = (code_digest.ROOT / "repobe" / name for name in ("runs/devices.py", "tables/schema.py"))
    assert devices in code_digest.files_of(code_digest.TRAINS)
    assert schema in set(code_digest.files_of(code_digest.MEASURES)) - set(code_digest.files_of(code_digest.TRAINS))


def test_verdicts_follow_the_code_that_makes_them_and_figures_and_the_page_follow_both():
    """Snakemake runs a rule again when its parameters change, so each of these rules has the digest of its code."""
    judges, shows = (set(code_digest.files_of(rooms)) for rooms in (code_digest.VERDICT_CODE, code_digest.REPORT_CODE))
    suite = code_digest.ROOT / "repobe"
    assert {suite / "tables/statistics.py", suite / "verdicts/claims.py"} <= judges < shows
    assert suite / "report/page.py" in shows - judges
    files = [code_digest.ROOT / "workflow/rules" / f"{name}.smk" for name in ("tables", "figures", "report")]
    rules = "".join(file.read_text() for file in files)
    found = {rule.split(":")[0]: rule for rule in re.split(r"^rule ", rules, flags=re.MULTILINE)[1:]}
    verdicts = {"tables", "summary", "compare", "claims", "decisions", "readings"}
    assert {name for name, rule in found.items() if "code=judging_code" in rule} == verdicts
    assert {name for name, rule in found.items() if "code=showing_code" in rule} == set(found) - verdicts - {
        "layer_table"
    }
    assert code_digest.judged_by() != code_digest.shown_by()


def test_the_run_that_differs_is_named_by_rooms_and_by_file_within_a_method():
    codes = {
        f"mnist/awgn/{method}/seed{k}": "aa-" + file for k in range(3) for method, file in (("a", "1"), ("b", "2"))
    }
    assert code_digest.mixed(codes) == []
    assert code_digest.mixed(codes | {"mnist/awgn/a/seed2": "bb-1"}) == ["mnist/awgn/a/seed2"]
    assert code_digest.mixed(codes | {"mnist/awgn/b/seed0": "aa-3"}) == ["mnist/awgn/b/seed0"]
    assert code_digest.mixed(codes | {"mnist/awgn/b/seed0": ""}) == []


def test_a_run_trained_by_other_code_is_stale_from_its_model_on_and_a_measured_one_in_its_table(specs, tmp_path):
    spec = specs["undefended"]
    now = {"cost.csv": code_digest.trained_by("undefended")}
    now |= dict.fromkeys(("evasion.csv", "inversion.csv", "audit.csv"), code_digest.measured_by("undefended"))

    def stale(**departures: str) -> list[str]:
        for name, made_by in (now | {f"{key}.csv": value for key, value in departures.items()}).items():
            (tmp_path / name).write_text(f"value,code\n1,{made_by}\n")
        return stale_files(spec, tmp_path)

    assert stale() == []
    assert stale(evasion="00000000-00000000") == ["evasion.csv"]
    assert stale(evasion="00000000-00000000", cost="00000000-00000000") == ["model.safetensors"]
    assert stale(evasion="", cost="") == []  # made before tables said it


def test_a_table_with_a_cell_that_no_table_of_ours_has_is_named_where_its_code_is_read(tmp_path):
    (tmp_path / "cost.csv").write_text("value,code\n" + "x" * 200_000 + ",00000000-00000000\n")
    with pytest.raises(
        ValueError, match=rf"^{tmp_path}/cost.csv is not a CSV table \(field larger than .*; delete it and"
    ):
        code_digest.recorded(tmp_path / "cost.csv")
    (tmp_path / "cost.csv").write_text("value,code\n")
    assert code_digest.recorded(tmp_path / "cost.csv") == ""
