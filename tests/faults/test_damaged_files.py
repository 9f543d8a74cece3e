"""Every kind of file that a run leaves behind: cut, emptied, or altered by one bit, it is refused by whoever reads it.

The refusal is one line with the file's name and the fix. Tried here: the files of `READERS`, each in four ways.
"""

import io
import json
import shutil
from pathlib import Path

import pytest
import torch

from repobe.__main__ import main
from repobe.runs import checksums
from repobe.verdicts.verification import verify

RUN = "runs/digits/awgn/repobe/seed0"
GATHER, MEASURE = ["tables", ".", f"{RUN}/spec.yaml"], ["measure", f"{RUN}/spec.yaml", "--device", "cpu"]
READERS = {  # each file of <results> with a stage that reads it
    f"{RUN}/spec.yaml": GATHER,
    f"{RUN}/model.safetensors": MEASURE,
    f"{RUN}/history.csv": GATHER,
    f"{RUN}/cost.csv": GATHER,
    f"{RUN}/provenance.json": GATHER,
    f"{RUN}/evasion.csv": GATHER,
    f"{RUN}/outcomes.parquet": GATHER,
    f"{RUN}/inversion.csv": GATHER,
    f"{RUN}/reconstructions.npz": GATHER,
    f"{RUN}/audit.csv": GATHER,
    f"{RUN}/train.sha256.json": GATHER,
    "data/digits.safetensors": MEASURE,
    "data/digits.classifier.safetensors": MEASURE,
    "cipher_audit.csv": GATHER,
    "tables/evasion.csv": ["summary", "."],
    "tables/inversion.csv": ["summary", "."],
    "tables/audit.csv": ["claims", "."],
    "tables/cost.csv": ["readings", "."],
    "tables/history.csv": ["claims", "."],
    "tables/outcomes.parquet": ["claims", "."],
    "tables/reconstructions.npz": ["summary", "."],
    "tables/provenance.json": ["summary", "."],
    "tables/sha256.json": ["summary", "."],
    "summary/evasion.csv": ["compare", "."],
    "claims.csv": ["show", "c01", "--results", "."],
}


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def emptied(content: bytes) -> bytes:
    return b""


def first_bit(content: bytes) -> bytes:
    return bytes([content[0] ^ 1]) + content[1:]


def one_bit(content: bytes) -> bytes:
    """In the last tenth: in a table a digit, in a model a weight."""
    place = len(content) * 9 // 10
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize("damage", [cut, emptied, first_bit, one_bit])
@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_refused_in_one_line_that_names_it(name, damage, results, monkeypatch, capsys):
    monkeypatch.chdir(results)
    path = Path(name)
    path.write_bytes(damage(path.read_bytes()))
    capsys.readouterr()
    assert main(READERS[name]) == 2
    (line,) = [
        line for line in capsys.readouterr().err.splitlines() if line.startswith("repobe: ") and "auto" not in line
    ]
    # One digit of a list is one file's checksum; the line names that file, and the list where it is no list any more.
    named = path.name if not name.endswith("sha256.json") else ("sha256" if damage is not one_bit else "list")
    assert named in line
    assert "run again" in line


@pytest.mark.parametrize("name", [name for name in READERS if name.startswith(("runs", "cipher", "tables"))])
def test_verify_tells_of_every_file_that_was_altered_before_or_after_gathering(name, results):
    path = results / name
    path.write_bytes(one_bit(path.read_bytes()))
    told = next(line for line, agrees in verify(results) if not agrees)  # the first, before anything is computed again
    assert path.name in told or "sha256" in name


def test_verify_of_altered_results_ends_with_1(results, capsys):
    path = results / "tables" / "evasion.csv"
    path.write_bytes(one_bit(path.read_bytes()))
    assert main(["verify", str(results)]) == 1
    assert "tables/evasion.csv: CHANGED since it was sealed" in capsys.readouterr().out.splitlines()


def test_verify_says_how_many_files_of_the_runs_agree(results, capsys):
    assert main(["verify", str(results)]) == 0
    out = capsys.readouterr().out
    # spec, model, history, cost, provenance, evasion, outcomes, inversion, reconstructions, audit; classifier; cipher.
    assert "runs: 12 files agree with their checksums" in out.splitlines()


def test_results_of_an_earlier_version_verify_and_are_said_to_have_no_checksum(results, capsys):
    for path in results.rglob("*sha256.json"):
        if path.parent.name != "tables":
            path.unlink()
    assert main(["verify", str(results)]) == 0
    assert "runs: 1 of 1 have no files with checksums here: not compared" in capsys.readouterr().out.splitlines()
    shutil.rmtree(results / "runs")  # as committed
    assert main(["verify", str(results)]) == 0


@pytest.mark.parametrize("damage", [cut, emptied, first_bit, one_bit])
def test_a_damaged_checkpoint_is_refused_and_stays(damage, finished, run, capsys):
    path = run / "resume.pt"
    path.write_bytes(damage((finished.parent / "resume.pt").read_bytes()))
    assert main(["train", str(run / "spec.yaml"), "--device", "cpu"]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(
        f"repobe: {path} is damaged (its checksum differs); delete it to train this run from its start"
    )
    assert path.exists()


class Hostile:
    """A pickle that makes a file when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return Path.touch, (self.mark,)


def pickled(mark: Path) -> bytes:
    """As a file with a right checksum, which everybody can compute."""
    content = io.BytesIO()
    torch.save({"digest": Hostile(mark)}, content)
    return checksums.sealed(content.getvalue())


def test_no_checkpoint_and_no_part_runs_what_a_pickle_holds(run, tmp_path, capsys):
    from repobe.runs.result_cache import ResultCache

    mark = tmp_path / "was_run"
    (run / "resume.pt").write_bytes(pickled(mark))
    assert main(["train", str(run / "spec.yaml"), "--device", "cpu"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"repobe: {run / 'resume.pt'} is damaged (Weights only")
    (run / "partial_test.pt").write_bytes(pickled(mark))
    assert ResultCache(run / "partial_test", run / "spec.yaml", code="1").packed == {}
    assert not mark.exists()


def test_a_damaged_part_of_a_measurement_is_computed_again(run, capsys):
    from repobe.runs.result_cache import ResultCache

    cache = ResultCache(run / "partial_test", run / "spec.yaml", code="1")
    assert cache("sum", lambda: {"value": 3}) == {"value": 3}
    assert cache("sum", lambda: {"value": 4}) == {"value": 3}
    path = run / "partial_test" / "sum.pt"
    path.write_bytes(one_bit(path.read_bytes()))
    assert cache("sum", lambda: {"value": 4}) == {"value": 4}
    cache.pack()
    again = ResultCache(run / "partial_test", run / "spec.yaml", code="1")
    assert again("sum", lambda: {"value": 5}) == {"value": 4}
    assert not path.parent.exists()
    whole = run / "partial_test.pt"
    whole.write_bytes(one_bit(whole.read_bytes()))
    again = ResultCache(run / "partial_test", run / "spec.yaml", code="1")
    assert again("sum", lambda: {"value": 5}) == {"value": 5}
    other = ResultCache(run / "partial_test", run / "spec.yaml", code="2")
    assert other("sum", lambda: {"value": 6}) == {"value": 6}  # other code computes it again


@pytest.mark.parametrize("name", ["evasion.csv", "cost.csv", "inversion.csv", "audit.csv"])
def test_a_cut_table_of_a_run_is_blamed_itself_and_not_the_joined_one(name, results, run, capsys):
    """Without checksums, as of an earlier version: the table is checked before it is joined."""
    for path in run.glob("*.sha256.json"):
        path.unlink()
    path = run / name
    path.write_bytes(path.read_bytes()[:-12])
    assert main(["tables", str(results), str(run / "spec.yaml")]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(f"repobe: {path}")
    assert "tables/" not in line


def test_half_a_history_is_noticed_without_checksums(results, run, capsys):
    (run / "train.sha256.json").unlink()
    path = run / "history.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:3]))
    assert main(["tables", str(results), str(run / "spec.yaml")]) == 2
    assert f"{path} does not end with epoch 3, as spec.yaml has it" in capsys.readouterr().err


def test_a_table_of_another_run_is_noticed(results, run, capsys):
    (run / "evaluate.sha256.json").unlink()
    path = run / "evasion.csv"
    path.write_text(path.read_text().replace("repobe,digits", "undefended,digits"))
    assert main(["tables", str(results), str(run / "spec.yaml")]) == 2
    assert f"{path}, line 2: method is undefended, but repobe in spec.yaml" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"<html>"])
def test_a_damaged_archive_of_pictures_is_one_line_without_checksums(content, results, run, capsys):
    (run / "invert.sha256.json").unlink()
    (run / "reconstructions.npz").write_bytes(content)
    assert main(["tables", str(results), str(run / "spec.yaml")]) == 2
    assert f"{run / 'reconstructions.npz'} is missing or damaged" in capsys.readouterr().err


def test_a_flipped_bit_of_a_compressed_picture_is_one_line_without_checksums(results, run, capsys):
    (run / "invert.sha256.json").unlink()
    path = run / "reconstructions.npz"
    whole, codes = path.read_bytes(), []
    for place in range(60, len(whole), len(whole) // 25):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        codes.append(main(["tables", str(results), str(run / "spec.yaml")]))
        assert codes[-1] == 0 or f"{path} is missing or damaged" in capsys.readouterr().err
    assert set(codes) <= {0, 2}
    assert codes.count(2) > 20  # of 25; some bytes of an archive say nothing


def test_a_list_is_plain_json_of_sha256_sums(run):
    listed = json.loads((run / "train.sha256.json").read_text())
    assert list(listed) == ["model.safetensors", "history.csv", "cost.csv", "provenance.json"]
    assert all(value == checksums.of(run / name) for name, value in listed.items())
