import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from repobe.__main__ import main
from repobe.runs import checksums
from repobe.runs.config import ROOT
from repobe.runs.grid import grid
from repobe.runs.spec import Spec
from repobe.tables import agreement, merging, outcomes, results, schema, summaries
from repobe.tables.merging import merge
from repobe.verdicts import claims, comparison, decisions, readings, verification
from repobe.verdicts.collection import collect
from repobe.verdicts.records import record
from repobe.verdicts.show import show

DERIVED = (summaries.summary, comparison.compare, claims.judge, decisions.weigh, readings.judge)
ROW = {"eps": 0.0, "split": "test", "draws_sd": 0.01, "draws": 5, "symbols_k": 8}


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A results folder of two methods on `mnist`, of which every number is made up, with all that follows from it."""
    values = {
        "datasets": {"mnist": {"image_size": 32}}, "channels": ["rayleigh"],
        "methods": {"undefended": {}, "repobe": {}}, "seeds": [0], "snr_db": [7.0, 23.0], "threads": 1,
        "training": {"epochs": 1, "batch_size": 8, "learning_rate": 0.1},
        "evaluation": {"draws": 5, "attacks": {"paper": {"kind": "pgd", "images": 50}}},
        "inversion": {"attackers": [], "snr_db": [23], "epochs": 1},
        "audit": {"trials": 1, "snr_db": [7], "known_messages": [1]},
    }  # fmt: skip
    random, folder, specs = np.random.default_rng(0), tmp_path_factory.mktemp("verified") / "results", []
    for spec in grid(values):
        run = folder / "runs" / spec.path
        run.mkdir(parents=True)
        (run / "spec.yaml").write_text(spec.dump())
        specs.append(run / "spec.yaml")
        counts, rows = {}, []
        for snr in spec.snr_db:
            for attack, metric, n in (("none", "natural_accuracy", 200), ("paper", "adversarial_accuracy", 50)):
                right = random.binomial(5, 0.9, n).astype(np.uint8)
                counts[snr, attack] = (right, 5)
                row = {"snr_test_db": snr, "attack": attack, "metric": metric, "value": right.mean() / 5, "n": n}
                rows.append(spec.columns | ROW | row | {"images_sd": None})
            # No image of any other attack is kept.
            other = {"snr_test_db": snr, "attack": "worst", "metric": "adversarial_accuracy", "value": 0.1, "n": 50}
            rows.append(spec.columns | ROW | other | {"images_sd": None})
        outcomes.write(outcomes.rows(spec, counts, np.arange(200)), run / "outcomes.parquet")
        write(run / "evasion.csv", rows, "evasion")
        write(run / "inversion.csv", [], "inversion")
        heard = {"quantity": "wrong_key_accuracy", "grid": "4x4", "schedule": "fixed", "snr_db": 7.0, "code": "aa-bb"}
        heard |= {"known_messages": None, "value": 0.17, "keys_sd": 0.1, "n": 20}
        write(run / "audit.csv", [spec.columns | heard] if spec.label == "repobe" else [], "audit")
        cost = dict.fromkeys(schema.VALUES["cost"], 1) | {"device": "cpu", "precision": "float32", "code": "aa-bb"}
        cost["images_per_second"] = 55_000  # all images, in a second
        write(run / "cost.csv", [spec.columns | cost], "cost")
        pd.DataFrame({"epoch": [1], "validation_score": [0.9]}).to_csv(run / "history.csv", index=False)
        np.savez_compressed(run / "reconstructions.npz", original=np.zeros((2, 1, 32, 32), np.uint8))
        about = {"run": spec.path, "commit": "0123456789abcdef", "device": "cpu", "threads": 1}
        about |= {"train_wall_seconds": 3.0, "finished": "2026-11-24T21:00:00Z"}
        (run / "provenance.json").write_text(json.dumps(about))
    white = {
        "method": "random_features",
        "dataset": "none",
        "image_size": 224,
        "channel": "awgn",
        "snr_train_db": "none",
    }
    white |= {"seed": 0, "quantity": "distinct_ciphers", "grid": "2x2", "value": 4.0, "n": 16}
    write(folder / "cipher_audit.csv", [white], "audit")
    results.tables(folder, specs)
    for make in DERIVED:
        make(folder)
    return folder


def test_an_accuracy_over_keys_is_as_sure_as_the_test_images_that_the_dataset_has(original):
    """200 here: Wilson's interval of 0.17 is 0.1243 to 0.2281, and Student's over 20 keys reaches 0.0468 either way."""
    found = results.read(original / "summary" / "audit.csv").query("quantity == 'wrong_key_accuracy'")
    low, high = 0.17 - np.hypot(0.0468, 0.17 - 0.1243), 0.17 + np.hypot(0.0468, 0.2281 - 0.17)
    assert (found["low"].item(), found["high"].item()) == pytest.approx((low, high), abs=2e-4)


@pytest.fixture
def made(original, tmp_path):
    return shutil.copytree(original, tmp_path / "results")


def write(path, rows, table):
    columns = schema.columns(table)
    pd.DataFrame(rows, columns=columns).to_csv(path, index=False)


def verify(folder, capsys) -> tuple[int, list[str]]:
    code = main(["verify", str(folder)])
    lines = capsys.readouterr().out.splitlines()
    told = (" agree", ": as sealed", "not compared")
    return code, [line for line in lines if not any(words in line for words in told)]


def test_what_was_made_agrees(made, capsys):
    assert verify(made, capsys) == (0, [])


def test_each_line_is_said_before_the_next_file_is_compared(made):
    lines = verification.verify(made)
    assert next(lines) == ("tables/audit.csv: as sealed", True)
    (made / "readings.csv").unlink()
    assert [line for line, agrees in lines if not agrees] == ["readings.csv: is missing"]


def change_a_digit(path, place: int, column: str) -> tuple[int, str, str]:
    """The last digit of the `place`th cell of the column that is not empty; (its line, what it was, what it is)."""
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    row = frame.index[frame[column] != ""][place]
    was = frame.loc[row, column]
    now = was[:-1] + str((int(was[-1]) + 1) % 10)
    frame.loc[row, column] = now
    frame.to_csv(path, index=False)
    return row + 2, was, now


@pytest.mark.parametrize(
    ("name", "place", "column"),
    [
        ("summary/evasion.csv", 2, "mean"),
        ("summary/evasion.csv", 0, "high"),
        ("summary/cost.csv", 1, "flops"),
        ("summary/audit.csv", 0, "mean"),
        ("comparison.csv", 2, "ours"),
        ("claims.csv", 0, "difference"),
        ("evidence.csv", 0, "snr_db"),
    ],
)
def test_a_digit_changed_in_a_derived_table_is_named_with_its_cell(name, place, column, made, capsys):
    line, was, now = change_a_digit(made / name, place, column)
    assert verify(made, capsys) == (1, [f"{name}: DIFFERS, line {line}, {column}: {now}; recomputed {was}"])


def test_a_digit_changed_in_a_raw_table_shows_in_all_that_follows_from_it(made, capsys):
    path = made / "tables" / "evasion.csv"
    text = path.read_text()
    value = str(pd.read_csv(path)["value"][4])
    path.write_text(text.replace(f",{value},", f",{float(value) - 0.1:.3f},", 1))
    code, lines = verify(made, capsys)
    assert code == 1
    named = [line.split(":")[0] for line in lines]
    assert named[:3] == [
        "tables/evasion.csv",
        "tables/evasion.csv against tables/outcomes.parquet",
        "summary/evasion.csv",
    ]
    assert "comparison.csv" in named


def test_an_outcome_changed_is_found_by_the_accuracies(made, capsys):
    path = made / "tables" / "outcomes.parquet"
    rows = outcomes.read(path)
    rows.loc[7, "correct"] = rows.loc[7, "correct"] - 1
    outcomes.write(pa.Table.from_pandas(rows, outcomes.SCHEMA, preserve_index=False), path)
    _, lines = verify(made, capsys)
    assert lines[0] == "tables/outcomes.parquet: CHANGED since it was sealed"
    assert "DIFFER in 1 of 8, first method undefended" in lines[1]


def test_a_row_that_is_gone_and_a_file_that_is_gone_are_named(made, capsys):
    path = made / "claims.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    (made / "decisions.csv").unlink()
    assert verify(made, capsys) == (
        1,
        ["claims.csv: DIFFERS, it has 20 rows; recomputed 21", "decisions.csv: is missing"],
    )


@pytest.mark.parametrize("name", ["evasion.csv", "audit.csv", "provenance.json", "outcomes.parquet"])
def test_a_raw_table_that_is_cut_or_missing_is_named_with_its_path(name, made, capsys):
    path = made / "tables" / name
    path.write_bytes(path.read_bytes()[:-20])
    code, lines = verify(made, capsys)
    assert code == 1
    assert lines[0] == f"tables/{name}: CHANGED since it was sealed"
    assert not any("/tmp/tmp" in line for line in lines)
    path.unlink()
    code, lines = verify(made, capsys)
    assert code == 1
    assert lines[0] == f"tables/{name}: is missing"


def test_where_nothing_lies_there_is_nothing_to_verify(tmp_path, capsys):
    assert main(["verify", str(tmp_path)]) == 2
    assert "there is nothing to verify" in capsys.readouterr().err


def contents(folder):
    return {path.name: path.read_bytes() for path in (folder / "tables").iterdir()}


def test_one_folders_tables_merged_are_themselves(made, tmp_path):
    merge(tmp_path / "merged", [made])
    assert contents(tmp_path / "merged") == contents(made)


def test_one_method_at_two_image_sizes_is_refused(made, tmp_path):
    """Its runs would count as seeds of one training."""
    cost = results.read(made / "tables" / "cost.csv", "cost")
    results.refuse_two_sizes(cost, "")
    with pytest.raises(ValueError, match=r"^mnist/rayleigh/\w+ has runs at 32×32 and 64×64 pixels; one size only$"):
        results.refuse_two_sizes(pd.concat([cost, cost.assign(image_size=64)]), "one size only")
    reference = ROOT / "results" / "reference"
    with pytest.raises(ValueError, match=r"^mnist/awgn/\w+ has runs at 32×32 and 224×224 pixels; merge folders of one"):
        merge(tmp_path / "both", [reference / "attacks", reference / "security224"])
    assert not (tmp_path / "both").exists()


def test_a_page_of_several_folders_shows_a_number_from_the_tables_of_its_own(made, tmp_path):
    (made / "summary" / "layer_table.csv").write_text("layer\n")
    collect(tmp_path / "all", [made])
    assert show("n21", tmp_path / "all") == show("n21", made)
    assert record("n21", tmp_path / "all")["rows"] == record("n21", made)["rows"] != []


def test_parts_that_were_run_apart_merge_to_what_one_run_makes(made, tmp_path, capsys):
    specs = sorted(made.glob("runs/*/*/*/*/spec.yaml"))
    for name, spec in zip("ab", reversed(specs), strict=True):
        (tmp_path / name).mkdir()
        shutil.copy(made / "cipher_audit.csv", tmp_path / name)
        results.tables(tmp_path / name, [spec])
    both = tmp_path / "both"
    assert main(["merge", str(both), str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    for make in DERIVED:
        make(both)
    assert verify(both, capsys) == (0, [])
    rows = ["method", "snr_test_db", "attack"]
    one, other = (results.read(folder / "tables/evasion.csv", "evasion").sort_values(rows) for folder in (made, both))
    pd.testing.assert_frame_equal(one.reset_index(drop=True), other.reset_index(drop=True))
    shared, own = results.read(both / "tables/audit.csv", "audit")["method"]
    assert (shared, own) == ("random_features", "repobe")  # both parts have the first


def test_runs_of_another_config_or_of_two_contents_of_a_dataset_are_not_gathered(made, tmp_path):
    specs = sorted(made.glob("runs/*/*/*/*/spec.yaml"))
    described = checksums.of_specs(path.read_text() for path in specs)
    results.tables(made, specs, described)
    with pytest.raises(ValueError, match=r"runs holds runs of another config; `python -m repobe status` with your"):
        results.tables(made, specs, described[::-1])
    for spec, content in zip(specs, "ab", strict=True):
        path = spec.parent / "provenance.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"data_sha256": content}))
        if path.with_name("train.sha256.json").exists():
            path.with_name("train.sha256.json").unlink()
    said = "mnist/rayleigh/undefended/seed0 and mnist/rayleigh/repobe/seed0 were made from different data; delete"
    with pytest.raises(ValueError, match=said):
        results.tables(made, specs)


def test_a_merge_that_fails_leaves_the_tables_that_were_there(made, monkeypatch):
    before = {path.name: path.read_bytes() for path in (made / "tables").iterdir()}

    def full(*_) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(results, "seal", full)
    with pytest.raises(OSError, match="No space left"):
        merge(made, [made])
    assert {path.name: path.read_bytes() for path in (made / "tables").iterdir()} == before
    assert not list(made.glob("tables.*"))


def test_of_a_run_made_again_nothing_of_the_first_is_kept(made, tmp_path):
    (spec,) = made.glob("runs/mnist/rayleigh/repobe/seed0/spec.yaml")
    evasion = results.read(spec.parent / "evasion.csv", "evasion")
    results.write(evasion[evasion["snr_test_db"] == 7].assign(value=0.5), spec.parent / "evasion.csv")
    np.savez_compressed(spec.parent / "reconstructions.npz", original=np.ones((2, 1, 32, 32), np.uint8))
    about = json.loads((spec.parent / "provenance.json").read_text()) | {"commit": "f" * 16}
    (spec.parent / "provenance.json").write_text(json.dumps(about))
    again = tmp_path / "again"
    again.mkdir()
    shutil.copy(made / "cipher_audit.csv", again)
    results.tables(again, [spec])
    merge(made, [made, again])
    rows = results.read(made / "tables/evasion.csv", "evasion")
    assert set(rows.loc[rows["method"] == "repobe", "value"]) == {0.5}
    assert set(rows.loc[rows["method"] == "repobe", "snr_test_db"]) == {7}
    assert set(rows.loc[rows["method"] == "undefended", "snr_test_db"]) == {7, 23}
    pictures = results.pictures_of(made / "tables/reconstructions.npz")
    assert {name: picture.max() for name, picture in pictures.items()} == {
        "mnist/rayleigh/undefended/seed0/original": 0,
        "mnist/rayleigh/repobe/seed0/original": 1,
    }
    commits = {entry["run"]: entry["commit"] for entry in json.loads((made / "tables/provenance.json").read_text())}
    assert commits == {"mnist/rayleigh/undefended/seed0": "0123456789abcdef", "mnist/rayleigh/repobe/seed0": "f" * 16}


def test_of_a_method_with_a_model_for_each_snr_only_the_one_made_again_is_replaced(made, tmp_path):
    """Each is tested at its own SNR."""
    (spec,) = made.glob("runs/mnist/rayleigh/repobe/seed0/spec.yaml")
    folders = {}
    for snr in (7, 23):
        run = tmp_path / f"{snr}" / "runs" / f"mnist/rayleigh/repobe/seed0_{snr}db"
        shutil.copytree(spec.parent, run)
        train_at(run, snr, tested=[snr], matched=True, snr_db=[snr])
        about = json.loads((run / "provenance.json").read_text()) | {"run": f"mnist/rayleigh/repobe/seed0_{snr}db"}
        (run / "provenance.json").write_text(json.dumps(about))
        folders[snr] = run
    first, again = tmp_path / "first", tmp_path / "again"
    for folder, snrs in ((first, (7, 23)), (again, (7,))):
        folder.mkdir()
        shutil.copy(made / "cipher_audit.csv", folder)
        results.tables(folder, [folders[snr] / "spec.yaml" for snr in snrs])
    merge(tmp_path / "merged", [first, again])
    one, other = (results.read(f / "tables/evasion.csv", "evasion") for f in (first, tmp_path / "merged"))
    assert len(one) == len(other)
    assert set(other["snr_train_db"]) == {"7", "23"}


def train_at(run, snr, tested, **described):
    """Makes a run that of a model trained at one SNR and tested at these; described: what else its spec says."""
    values = Spec.load(run / "spec.yaml").as_dict() | {"snr_train_db": [snr]} | described
    (run / "spec.yaml").write_text(Spec.from_dict(values).dump())
    for name in ("evasion.csv", "cost.csv", "inversion.csv", "audit.csv"):
        table = pd.read_csv(run / name).assign(snr_train_db=str(snr))
        if name == "evasion.csv":
            table = table[table["snr_test_db"].isin(tested)]
        table.to_csv(run / name, index=False)
    counted = outcomes.read(run / "outcomes.parquet").assign(snr_train_db=str(snr))
    counted = counted[counted["snr_test_db"].isin(tested)]
    counted = pa.Table.from_pandas(counted, preserve_index=False).select(outcomes.SCHEMA.names)
    outcomes.write(counted.cast(outcomes.SCHEMA), run / "outcomes.parquet")


def of_one_snr(made, folder, snr):
    """The run of RepObE, gathered in `folder`, as a model that was trained at one SNR and tested at 7 and 23 dB."""
    shutil.copytree(made / "runs" / "mnist/rayleigh/repobe/seed0", run := folder / "runs/mnist/rayleigh/repobe/seed0")
    train_at(run, snr, tested=[7, 23])
    shutil.copy(made / "cipher_audit.csv", folder)
    results.tables(folder, [run / "spec.yaml"])
    return folder


def trained_again(made, folder, **columns):
    """The run of RepObE as another machine gives it: other seconds, and these columns of evasion.csv."""
    shutil.copytree(made / "runs" / "mnist/rayleigh/repobe/seed0", run := folder / "runs/mnist/rayleigh/repobe/seed0")
    shutil.copy(made / "cipher_audit.csv", folder)
    evasion = pd.read_csv(run / "evasion.csv").assign(**columns)
    evasion.to_csv(run / "evasion.csv", index=False)
    pd.read_csv(run / "cost.csv").assign(train_seconds=99, code="cc-dd").to_csv(run / "cost.csv", index=False)
    pd.DataFrame({"epoch": [1], "validation_score": [0.9], "seconds": [7.0]}).to_csv(run / "history.csv", index=False)
    results.tables(folder, [run / "spec.yaml"])
    return folder


def test_merge_says_that_a_run_trained_twice_has_the_same_tables(made, tmp_path):
    first, second = (trained_again(made, tmp_path / name) for name in "ab")
    history = second / "runs/mnist/rayleigh/repobe/seed0/history.csv"
    history.write_text(history.read_text().replace("7.0", "8.5"))
    results.tables(second, [history.parent / "spec.yaml"])
    replaced, agreed = merge(tmp_path / "both", [first, second])
    assert replaced.endswith("replaces 1 runs of the folders before it: mnist/rayleigh/repobe/seed0")
    assert agreed == "1 of 1 runs that were trained twice have the same tables, seconds aside"
    one, both = (len(outcomes.read(tmp_path / name / "tables" / "outcomes.parquet")) for name in ("b", "both"))
    assert both == one > 0  # those of the first folder are gone


def test_how_long_a_recovery_took_is_no_difference_of_a_run():
    rows = pd.DataFrame({"quantity": ["recovery_seconds", "key_recovered"], "value": ["0.5", "0.9"]})
    each = [
        agreement.run_hashes(rows.assign(value=values), np.zeros(2, int), ["a"])
        for values in (["0.5", "0.9"], ["7", "0.9"], ["0.5", "0.8"])
    ]
    assert each[0] == each[1] != each[2]


def test_a_column_that_only_other_runs_fill_makes_no_difference(made, tmp_path):
    """As the losses of RepObE's Eq. 16 do, which history.csv has beside a run of NECST's or not."""
    first, second = (trained_again(made, tmp_path / name) for name in "ab")
    history = second / "runs/mnist/rayleigh/repobe/seed0/history.csv"
    pd.read_csv(history).assign(eve=None).to_csv(history, index=False)
    results.tables(second, [history.parent / "spec.yaml"])
    assert "eve" in pd.read_csv(second / "tables/history.csv")
    for sources in ([first, second], [second, first]):
        assert merge(tmp_path / "both", sources)[1].startswith("1 of 1 runs that were trained twice have the same")


def test_a_whole_number_with_a_point_makes_no_difference(made, tmp_path):
    """As an SNR has beside a run that leaves it empty: pandas has no integers in a column with a gap."""
    first, second = (trained_again(made, tmp_path / name) for name in "ab")
    history = second / "runs/mnist/rayleigh/repobe/seed0/history.csv"
    history.write_text(history.read_text().replace("1,0.9", "1.0,0.9"))
    results.tables(second, [history.parent / "spec.yaml"])
    texts = [(folder / "tables/history.csv").read_text() for folder in (first, second)]
    assert [",1.0,0.9" in text for text in texts] == [False, True]
    assert merge(tmp_path / "both", [first, second])[1].startswith("1 of 1 runs that were trained twice have the same")


def test_merge_names_the_tables_of_a_run_trained_twice_that_differ(made, tmp_path):
    first, second = trained_again(made, tmp_path / "a"), trained_again(made, tmp_path / "b", value=0.25)
    _, differs = merge(tmp_path / "both", [first, second])
    run = "mnist/rayleigh/repobe/0/mixed (evasion.csv)"
    assert differs == f"1 of 1 runs that were trained twice have other tables: {run}"


def test_merge_compares_the_outcomes_of_every_image(made, tmp_path):
    first, second = (trained_again(made, tmp_path / name) for name in "ab")
    run = second / "runs/mnist/rayleigh/repobe/seed0"
    table = outcomes.stored(run / "outcomes.parquet").to_pandas()
    table.loc[17, "correct"] = 5 - table.loc[17, "correct"]
    outcomes.write(pa.Table.from_pandas(table, preserve_index=False).cast(outcomes.SCHEMA), run / "outcomes.parquet")
    results.tables(second, [run / "spec.yaml"])
    assert merge(tmp_path / "both", [first, second])[1].endswith("mnist/rayleigh/repobe/0/mixed (outcomes.parquet)")


def test_merge_says_nothing_of_runs_trained_once(made, tmp_path):
    assert merge(tmp_path / "both", [made]) == []


def test_merge_writes_over_no_run_that_it_does_not_read(made, tmp_path):
    """A folder with one run more than the source, as when new runs are merged into committed ones."""
    merge(tmp_path / "committed", [made])
    told = tmp_path / "committed" / "tables" / "provenance.json"
    entries = json.loads(told.read_text())
    told.write_text(json.dumps([*entries, entries[0] | {"run": "mnist/awgn/another/seed0"}]))
    (told.parent / "sha256.json").unlink()  # of the file as it was
    with pytest.raises(
        ValueError, match=r"has runs that no source has \(1: mnist/awgn/another/seed0 …\); name .*commit"
    ):
        merge(tmp_path / "committed", [made])


def test_merge_leaves_out_the_runs_that_it_is_told_to(made, tmp_path):
    merge(tmp_path / "one", [made], "*/undefended")
    for name in ("evasion", "cost", "history", "outcomes"):
        path = tmp_path / "one" / "tables" / f"{name}.{'parquet' if name == 'outcomes' else 'csv'}"
        frame = outcomes.read(path) if name == "outcomes" else pd.read_csv(path)
        assert set(frame["method"]) == {"repobe"}, name
    pictures = results.pictures_of(tmp_path / "one" / "tables" / "reconstructions.npz")
    assert list(pictures) == ["mnist/rayleigh/repobe/seed0/original"]
    about = json.loads((tmp_path / "one" / "tables" / "provenance.json").read_text())
    assert [entry["run"] for entry in about] == ["mnist/rayleigh/repobe/seed0"]
    audited = results.read(tmp_path / "one" / "tables" / "audit.csv", "audit")
    assert audited["method"].tolist() == ["random_features", "repobe"]
    with pytest.raises(ValueError, match=r"--without: no run matches '[*]/necst'"):
        merge(tmp_path / "two", [made], "*/repobe */necst")


def test_the_runs_to_leave_out_may_be_given_one_by_one(made, tmp_path, capsys):
    """The second had replaced the first in silence."""
    given = ["--without", "*/necst", "--without", "*/undefended"]
    assert main(["merge", str(tmp_path / "one"), str(made), *given]) == 2
    assert "--without: no run matches '*/necst'" in capsys.readouterr().err


def test_seeds_of_two_lengths_of_training_are_refused(made, tmp_path):
    """They would count as seeds of one training."""
    longer = tmp_path / "longer"
    (spec,) = made.glob("runs/mnist/rayleigh/repobe/seed0/spec.yaml")
    shutil.copytree(spec.parent, run := longer / "runs/mnist/rayleigh/repobe/seed1")
    values = Spec.load(spec).as_dict()
    epochs = values["training"]["epochs"]
    values |= {"seed": 1, "training": values["training"] | {"epochs": epochs + 1}}
    (run / "spec.yaml").write_text(Spec.from_dict(values).dump())
    for name in ("evasion.csv", "cost.csv", "inversion.csv", "audit.csv"):
        pd.read_csv(run / name).assign(seed=1).to_csv(run / name, index=False)
    counted = outcomes.read(run / "outcomes.parquet").assign(seed=1)
    counted = pa.Table.from_pandas(counted, preserve_index=False).select(outcomes.SCHEMA.names)
    outcomes.write(counted.cast(outcomes.SCHEMA), run / "outcomes.parquet")
    history = pd.DataFrame({"epoch": range(1, epochs + 2), "validation_score": 0.9, "seconds": 7.0})
    history.to_csv(run / "history.csv", index=False)
    about = json.loads((run / "provenance.json").read_text()) | {"run": "mnist/rayleigh/repobe/seed1"}
    (run / "provenance.json").write_text(json.dumps(about))
    shutil.copy(made / "cipher_audit.csv", longer)
    results.tables(longer, [run / "spec.yaml"])
    said = rf"^mnist/rayleigh/repobe has trainings of {epochs} and {epochs + 1} epochs; leave the older ones out by "
    with pytest.raises(ValueError, match=said):
        merge(tmp_path / "both", [made, longer])
    merge(tmp_path / "both", [made, longer], "*/repobe/seed0")
    assert set(pd.read_csv(tmp_path / "both/tables/cost.csv").query("method == 'repobe'")["seed"]) == {1}


def test_a_run_trained_on_a_mixture_of_snrs_and_on_one_alone_is_refused(made, tmp_path):
    """No claim means both; one model for each SNR (matched training) is one run."""
    each = {"dataset": "mnist", "channel": "awgn", "method": "repobe", "seed": "0"}
    merging._refuse_two_mixtures(pd.DataFrame([each | {"snr_train_db": snr} for snr in ("7", "23")]), {})
    alone = of_one_snr(made, tmp_path / "alone", 7)
    where = rf"at a mixture of SNRs \({made}\) and 7 dB \({alone}\)"
    said = rf"^mnist/rayleigh/repobe/seed0 was trained {where}; leave out one folder, or the run by --without$"
    with pytest.raises(ValueError, match=said):
        merge(tmp_path / "both", [made, alone])
    merge(tmp_path / "both", [made, alone], "*/repobe/seed0")
    assert set(pd.read_csv(tmp_path / "both/tables/cost.csv")["method"]) == {"undefended"}


def test_models_for_two_snrs_that_were_tested_at_the_same_snr_are_refused_with_the_folders_of_both(made, tmp_path):
    each = {"dataset": "mnist", "channel": "awgn", "method": "repobe", "seed": "0"}
    tested = pd.DataFrame([each | {"snr_train_db": snr, "snr_test_db": snr} for snr in ("7", "23")])
    merging._refuse_two_models(tested, {})
    first, second = (of_one_snr(made, tmp_path / f"at {snr}", snr) for snr in (23, 15))
    where = rf"at 23 dB \({first}\) and 15 dB \({second}\), each tested at 7 dB"
    said = rf"^mnist/rayleigh/repobe/seed0 was trained {where}; leave out one folder, or the run by --without$"
    with pytest.raises(ValueError, match=said):
        merge(tmp_path / "both", [first, second])
    assert not (tmp_path / "both").exists()


def test_tables_changed_by_hand_are_not_merged(made, tmp_path):
    change_a_digit(made / "tables" / "evasion.csv", 0, "value")
    with pytest.raises(ValueError, match=r"tables/evasion.csv: CHANGED since it was sealed"):
        merge(tmp_path / "merged", [made])
    assert not (tmp_path / "merged").exists()


def test_show_gives_the_printed_number_ours_and_its_source(made):
    text = show("n21", made)
    assert "Fig. 4b: adversarial accuracy of undefended, mnist over rayleigh at 7 dB" in text
    ours = pd.read_csv(made / "comparison.csv").set_index("id").loc["n21"]
    assert "0.7912" in text
    assert f"{ours['ours']:.4f} [{ours['low']:.4f}, {ours['high']:.4f}]" in text
    assert "mnist/rayleigh/undefended/seed0: commit 0123456789ab, trained 3.0 s on cpu, 1 threads" in text
    assert "repobe/seed0" not in text
    assert "ours is at        32×32 pixels, where the paper has 224×224; 1 epochs, 1 seed(s)" in text
    assert "points; tolerance 0.5\n" in text
    assert "gates             trained: no; competent: " in text
    assert "undefended has no training of half the epochs beside it" in text
    assert text.endswith(f"run it at the paper's size\n{ours['command']}")


def test_show_says_what_judges_a_claim_and_what_weighs_a_decision(made):
    text = show("c08", made)
    assert "Adversarial training costs RepObE little" in text
    assert "not run" in text
    text = show("c03", made)
    assert "itself at 7 dB" in text
    assert "mnist/awgn/repobe mnist/rayleigh/repobe" in text
    assert "no run in" in show("D7", made)
    assert "the objective that PGD maximises" in " ".join(show("D7", made).split())
    assert "no run measures its effect" in show("D16", made)
    assert show("d16", made) == show("D16", made)
    text = " ".join(show("p06", made).split())
    assert "no method's number of channel uses k is stated" in text
    assert "In these tables k is 1 (" in text
    assert show("C3", made) == show("c03", made)


@pytest.mark.parametrize("name", ["tables/evasion.csv", "tables/history.csv", "summary/evasion.csv"])
def test_show_names_a_table_that_is_gone(name, made):
    (made / name).unlink()
    with pytest.raises(ValueError, match=f"{name} does not exist"):
        show("n21", made)


def test_show_names_the_folders_below_that_have_results(made, tmp_path):
    shutil.copytree(made, tmp_path / "elsewhere" / "reference" / "small")
    said = show("n21", tmp_path / "elsewhere")
    assert f"these have results: {tmp_path / 'elsewhere' / 'reference' / 'small'}." in said


def test_a_page_of_several_folders_knows_them_from_any_folder(made, tmp_path, monkeypatch):
    shutil.copytree(made, tmp_path / "sets" / "small")
    (tmp_path / "sets" / "small" / "summary" / "layer_table.csv").write_text("layer\n")
    monkeypatch.chdir(tmp_path)
    collect(Path("all"), [Path("sets/small")])
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert "our rows, each with its 95 % interval over images" in show("n21", tmp_path / "all")
    with pytest.raises(ValueError, match=r"verify each: python -m repobe verify \.\./sets/small"):
        next(verification.verify(tmp_path / "all"))


def test_a_page_of_several_folders_names_a_damaged_layer_table(made, tmp_path):
    (made / "summary" / "layer_table.csv").write_bytes(b"lay\xffer\n")
    with pytest.raises(ValueError, match=f"^{made}/summary/layer_table.csv is damaged .*; delete it and run again"):
        collect(tmp_path / "all", [made])


def test_a_verdict_that_is_gone_and_a_damaged_table_are_named_with_their_file(made, tmp_path):
    shutil.copytree(made, folder := tmp_path / "made")
    for name, row in (("comparison.csv", "n01"), ("claims.csv", "c02")):
        path = folder / name
        path.write_text("".join(line for line in path.read_text().splitlines(True) if not line.startswith(row)))
        (folder / f"{path.stem}.sha256.json").unlink(missing_ok=True)
        with pytest.raises(ValueError, match=f"{name} has no row {row}; delete it and run snakemake again"):
            show(row, folder)
    evidence = folder / "evidence.csv"
    evidence.write_bytes(evidence.read_bytes().replace(b"awgn", b"aw\xffn", 1))
    with pytest.raises(ValueError, match=f"{evidence} is damaged"):
        verification._cells(evidence)
    evidence.write_text("id\n" + "x" * 200_000 + "\n")
    with pytest.raises(ValueError, match=rf"{evidence} is not a CSV table \(field larger than field limit"):
        verification._cells(evidence)


def test_a_page_of_several_folders_is_not_verified_but_each_folder_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results" / "all").mkdir(parents=True)
    (tmp_path / "results" / "all" / "sets.json").write_text('{"mnist32": "../reference/mnist32", "other": "../other"}')
    each = "python -m repobe verify results/reference/mnist32; python -m repobe verify results/other"
    with pytest.raises(ValueError, match=f"verify each: {each}"):
        next(verification.verify(tmp_path / "results" / "all"))


def test_show_without_tables_says_so_and_an_unknown_name_is_refused(tmp_path):
    assert f"Nothing was measured in {tmp_path}" in show("n21", tmp_path)
    assert f"Nothing was measured in {tmp_path}" in show("c04", tmp_path)
    with pytest.raises(ValueError, match=f"^{tmp_path}/typo does not exist: name a folder of results with --results"):
        show("c04", tmp_path / "typo")
    with pytest.raises(
        ValueError,
        match="'n99' is not a number, claim, decision or contradiction; known are n01 to n31, c01 to c21, D1",
    ):
        show("n99", tmp_path)
