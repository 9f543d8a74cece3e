"""The tables of the documents: the paper's numbers beside ours, and its claims with their verdicts."""

import pandas as pd
import pytest
from unmarked import unmarked

from repobe.report import printed
from repobe.report.quotes import refresh
from repobe.tables.results import write_derived

SCALE = "32×32, k = 32; the paper 224×224, k = 1568"
CURVE = {"figure": "3a", "dataset": "mnist", "channel": "awgn", "method": "repobe", "quantity": "natural_accuracy"}


def number(name: str, snr: str, relation: str, paper: float, ours: float | None, verdict: str, **other) -> dict:
    row = {"id": name, "snr_db": snr, "relation": relation, "printed": paper, "ours": ours, "verdict": verdict}
    return CURVE | row | {"scale": SCALE if ours else None, "competent": "yes" if ours else None} | other


@pytest.fixture
def folders(tmp_path):
    """`small` has four numbers and two claims at 32×32; `large` has one number of them at 64×64."""
    of_small = [
        number("n01", "7", "equals", 0.9943, 0.99391, "inconclusive: not trained"),
        number("n02", "23", "equals", 0.9966, 0.99424, "agrees, at 32×32"),
        number("n09", "7-23", "minimum", 0.9903, 0.9913, "differs, at 32×32", method="repobe_adversarial"),
        number("n21", "7", "equals", 0.7912, None, "not run", method="undefended", quantity="adversarial_accuracy"),
    ]
    of_large = [
        row | {"scale": SCALE.replace("32×32, k = 32", "64×64, k = 128"), "ours": 0.5, "verdict": "inconclusive"}
        if row["id"] == "n21"
        else row | {"verdict": "not run", "ours": None, "scale": None}
        for row in of_small
    ]
    claims = [
        {"id": "c03", "claim": "It rises", "scale": SCALE, "verdict": "inconclusive: not trained"},
        {"id": "c12", "claim": "It is exact", "scale": None, "verdict": "reproduced"},
        {"id": "c20", "claim": "It is best", "scale": None, "verdict": "not run"},
    ]
    for name, rows in {"small": of_small, "large": of_large}.items():
        (tmp_path / name).mkdir()
        write_derived(pd.DataFrame(rows), tmp_path / name / "comparison.csv")
        write_derived(pd.DataFrame(claims).assign(competent="yes"), tmp_path / name / "claims.csv")
    return [tmp_path / "small", tmp_path / "large"]


def test_the_numbers_of_one_curve_share_a_row_with_the_verdict_of_each(folders):
    rows = printed.numbers(folders).splitlines()[2:]
    assert rows[0] == (
        "| n01, n02 | 3a | RepObE, MNIST, AWGN: accuracy, 7 and 23 dB | 0.9943, 0.9966 | 0.9939, 0.9942 | 32×32 "
        "| n01: inconclusive: not trained; n02: agrees, at 32×32 |"
    )
    assert rows[1] == (
        "| n09 | 3a | RepObE, Eq. 16, MNIST, AWGN: accuracy, lowest of 7 to 23 dB | 0.9903 | 0.9913 | 32×32 "
        "| differs, at 32×32 |"
    )


def test_a_number_is_shown_by_the_folder_that_measured_it(folders):
    assert printed.numbers(folders).splitlines()[-1].endswith("| 0.7912 | 0.5000 | 64×64 | inconclusive |")
    assert printed.numbers(folders[:1]).splitlines()[-1].endswith("| 0.7912 | – | – | not run |")


def test_a_claim_that_needs_no_image_holds_at_any_size(folders):
    assert printed.claims(folders).splitlines()[2:] == [
        "| c03 | It rises | 32×32 | inconclusive: not trained |",
        "| c12 | It is exact | any size | reproduced |",
        "| c20 | It is best | – | not run |",
    ]


def test_a_document_gets_the_whole_table_below_its_comment(folders):
    comment = "<!-- claims of small large -->\n"
    text = f"Before.\n\n{comment}| old |\n|---|\n| 0.1 |\n\nAfter.\n"
    wanted = f"Before.\n\n{comment}{printed.claims(folders)}\nAfter.\n"
    assert refresh(text, folders[0].parent) == wanted
    assert refresh(f"Before.\n\n{comment}\nAfter.\n", folders[0].parent) == wanted
    assert "exact" not in unmarked(wanted)
