"""The report in a real browser: everything shows, tables sort and filter, nothing leaves the page."""

import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from repobe.report import canvas, cells, headings, saving, sections
from repobe.report import page as report
from repobe.tables.results import write
from repobe.verdicts.claims import COLUMNS

BROWSERS = shutil.which("chromium"), shutil.which("chromedriver")
NEEDED = pytest.mark.skipif(
    not all(BROWSERS),
    reason="chromium or chromedriver is not on PATH (Debian: apt-get install chromium chromium-driver)",
)
RUN = {"image_size": 16, "channel": "awgn", "snr_train_db": "mixed"}
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"]


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    """results/report.html of small tables, with text that would be a script if it were not escaped."""
    root = tmp_path_factory.mktemp("report")
    results, figures = root / "results", root / "figures"
    (results / "summary").mkdir(parents=True)
    figures.mkdir()
    bounds = {"sd": None, "low": 0.85, "high": 0.95, "seeds": 1, "n": 100}
    key = {"method": "repobe", "dataset": "digits", **RUN}
    evasion = [
        key
        | {"snr_test_db": snr, "attack": "none", "eps": 0.0, "split": "test", "metric": "natural_accuracy"}
        | {"mean": mean, **bounds, "draws_sd": 0.01, "symbols_k": 8}
        for snr, mean in [(7, 0.9), (11, 0.1), (15, 0.95), (23, 0.3)]
    ]
    evasion.append(evasion[0] | {"method": "repobe_half", "mean": 0.2})
    inversion = [
        key
        | {"snr_tap_db": 23, "attacker": attacker, "knowledge": "encoder", "metric": metric, "mean": mean, **bounds}
        | {"symbols_k": 8}
        for attacker in ("mean_image", "keyless")
        for metric, mean in [("ssim", 0.21), ("attacker_accuracy", 0.1234)]
    ]
    audit = [
        key
        | {"quantity": "key_recovered", "grid": "2x2", "schedule": "fixed", "known_messages": 1, "snr_db": snr}
        | {"mean": 0.75, **bounds}
        for snr in (0, 7)
    ]
    leaked = key | {"schedule": None, "known_messages": None, "snr_db": 23} | bounds
    audit += [
        leaked | {"grid": grid, "quantity": quantity, "mean": mean, "n": n}
        for grid, quantity, mean, n in [
            ("2x2", "wrong_key_accuracy", 0.4321, 20),
            ("16x16", "wrong_key_accuracy", 0.1111, 20),
            ("16x16", "multiset_label_accuracy", 0.8765, 500),
            ("2x2", "histogram_label_accuracy", 0.8764, 500),
        ]
    ]
    audit += [leaked | {"grid": "2x2", "quantity": "right_key_accuracy", "mean": 0.7773, "n": 20}]
    # Of half a training the page quotes nothing: 0.4321 would be a range.
    audit += [leaked | {"method": "repobe_half", "grid": "2x2", "quantity": "wrong_key_accuracy", "mean": 0.2, "n": 20}]
    audit += [
        leaked
        | {"grid": "2x2", "quantity": "ciphertext_only_accuracy", "schedule": "fixed", "mean": mean, "n": 20}
        | {"known_messages": messages}
        for messages, mean in [(10, 0.5551), (100, 0.6662)]
    ]
    cost = [
        key
        | {"device": "cpu", "threads": 1, "parameters": 10, "symbols_k": 8, "flops": 1.0, "train_seconds": 2.0}
        | {"precision": "float32", "images_per_second": 5.0, "peak_memory_mb": 1.0, "seeds": 1}
    ]
    for name, rows in [("evasion", evasion), ("inversion", inversion), ("audit", audit), ("cost", cost)]:
        write(pd.DataFrame(rows), results / "summary" / f"{name}.csv")
    empty = dict.fromkeys([*COLUMNS, "comparisons", "evidence"])
    compared = {"quantity": "natural_accuracy", "method": "repobe", "rival": "necst", "channel": "awgn", "snr_db": 7.0}
    compared |= {"margin": 0.02, "difference": 0.031, "low": 0.022, "high": 0.04, "p_holm": 0.004, "seeds": 1}
    compared |= {"images": 100, "scale": "16×16, k = 8; the paper 224×224, k = 1568"}
    text = {"where": "Sec. 4", "figure": "3a-3b"}
    claims = [
        empty
        | text
        | {"id": "c01", "claim": "<script>alert(1)</script>", "verdict": "reproduced, at 16×16"}
        | compared,
        empty | text | {"id": "c02", "figure": "3c", "claim": "another", "verdict": "not run", "evidence": "none"},
    ]
    write(pd.DataFrame(claims), results / "claims.csv")
    every = [
        empty | {"id": "c01", "outcome": "yes", "p": 0.001} | compared,
        empty | {"id": "c02", "outcome": "not run", "evidence": "necst_dp_005 over awgn"},
    ]
    write(pd.DataFrame(every), results / "evidence.csv")
    number = {"where": "Sec. 4", "figure": "3a", "dataset": "mnist", "channel": "awgn", "method": "repobe"}
    number |= {"quantity": "natural_accuracy", "snr_db": "7", "relation": "equals", "command": "snakemake --cores all"}
    comparison = [
        number
        | {"id": "n01", "printed": 0.992, "ours": 0.92, "low": 0.91, "high": 0.93, "difference": -0.072}
        | {
            "seeds": 1,
            "n": 9,
            "verdict": "differs, at 64×64",
            "trained": "yes",
            "competent": "yes",
            "why": None,
            "spread": "none known",
        }
        | {"scale": "64×64, k = 128; the paper 224×224, k = 1568"},
        number | {"id": "n02", "printed": 0.99, "verdict": "not run"},
        number
        | {"id": "n10", "printed": 0.5, "ours": 0.6, "low": 0.4, "high": 0.7, "difference": 0.1}
        | {"seeds": 1, "n": 9, "verdict": "agrees", "spread": "seeds", "scale": "32×32, k = 32; the paper 224×224"},
    ]
    write(pd.DataFrame(comparison), results / "comparison.csv")
    columns = ["id", "change", "dataset", "channel", "quantity", "variant", "reference", "difference", "low", "high"]
    read = {"claim": "c08", "reading": "r01", "dataset": "mnist", "outcome": "holds", "lead": 0.0123}
    read |= {
        "low": 0.001,
        "high": 0.02,
        "lowest": 0.001,
        "method": "repobe_adversarial",
        "rival": "undefended",
        "snr_db": 7.0,
    }
    read |= {"quantity": "natural_accuracy", "channel": "awgn", "margin": -0.01, "size": 16, "hold": 2, "fail": 0}
    read |= {"undecided": 0, "not_run": 1}
    write(
        pd.DataFrame([read, read | {"reading": "r00", "outcome": "fails", "low": -0.5, "lowest": -0.5}]),
        results / "readings.csv",
    )
    weighed = ["D8", "beta 1", "digits", "awgn", "natural_accuracy", 0.91, 0.9, 0.01, -0.02, 0.04, 1, 321]
    write(pd.DataFrame([weighed], columns=[*columns, "seeds", "n"]), results / "decisions.csv")
    run = {"run": "digits/awgn/repobe/seed0", "spec_sha256": "ab" * 32, "commit": "cd" * 20, "device": "cpu"}
    run |= {"threads": 1, "python": "3.11.7", "torch": "2.13.0+cu130", "torchvision": "0.28.0"}
    run |= {"train_wall_seconds": 12345.6, "finished": "2026-11-25T10:18:50Z", "set": "ablations"}
    run |= {"data_sha256": "ef" * 32, "code": "75289473-84952367"}
    longest = {"run": "cifar10/rayleigh/necst_dp_09_reconstruction/seed0", "commit": "12" * 20 + "+changes"}
    (results / "summary" / "provenance.json").write_text(json.dumps([run, run | longest]))
    canvas.theme()
    for name, width in [("fig3a", 5), ("fig_cost", 11), ("fig_left_over", 5)]:
        figure, axes = plt.subplots(figsize=(width, 3))
        axes.imshow([[0, 1], [1, 0]])
        saving.save(figure, figures / name, pd.DataFrame({"x": [1]}), "Fig. X", 'A "drawing" of two & four')
    report.write(results, figures)
    return results / "report.html"


def test_the_page_shows_points_with_their_intervals_and_escapes_what_it_is_given(page):
    text = page.read_text()
    assert "<script>alert" not in text
    assert "+3.10 points (+2.20 to +4.00)" in text  # a claim's difference is in its card as it stands
    assert "−7.20 points (−8.20 to −6.20)" in text  # of a printed number: ours 0.91 to 0.93 less 0.992
    again = "snakemake results/runs/digits/awgn/repobe/seed0/evasion.csv --cores all --configfile config/config.yaml"
    assert f"{again} --forcerun train" in text  # targets first: --configfile takes all that follows
    assert "0.75 of the trials" in text  # the threat model quotes the audit
    assert "0.1234 of its pictures" in text
    assert text.count('role="img" aria-label="A &quot;drawing&quot; of two &amp; four"') == 2


def test_the_page_states_the_rules_by_which_verdicts_are_given(page):
    """D27 names four rivals that nothing defines; by D34 five seeds are the first whose own spread is used."""
    text = page.read_text()
    rivals = "ESCST (our reconstruction); NECST-DP; VAE; IBAL, images"
    assert f"a rival that we rebuilt without a published definition ({rivals}) do not count against a claim" in text
    assert "A verdict of fewer than 5 seeds counts the spread that is pooled over all methods with several" in text


def test_a_printed_number_keeps_its_digits(page):
    """The paper prints 0.9920, not 0.992."""
    numbers = _section(page.read_text(), "numbers")
    assert ">0.9920<" in numbers
    assert ">0.9900<" in numbers


def test_a_printed_number_stands_beside_ours_its_size_and_what_it_was_measured_on(page):
    row = _section(page.read_text(), "numbers").split(">n01</th>")[1].split("</tr>")[0]
    shown = re.findall(r"<td[^>]*>([^<]*)</td>", row)
    assert shown[:2] == ["✗\u00a0differs, at 64×64", "64×64, k = 128"]
    assert shown[2:6] == ["Fig. 3a, MNIST, AWGN, 7 dB: RepObE, accuracy", "0.9920", "0.9200", "0.9100 to 0.9300"]
    assert "9 images, 1 seed; spread between seeds none known" in shown


def _card(page: Path, id_: str) -> str:
    return " ".join(page.read_text().split(f'id="{id_}"')[1].split("</article>")[0].split())


def test_a_claims_card_has_verdict_reason_size_figure_and_the_command_that_measures_ours(page):
    card = _card(page, "c01")
    assert "✓ reproduced, at 16×16</strong>" in card
    assert "16×16, k = 8; the paper 224×224, k = 1568" in card
    assert "The only comparison lies surely on the claim's side of its margin." in card.replace("&#39;", "'")
    assert "accuracy over AWGN at 7 dB, RepObE minus NECST: +3.10 points (+2.20 to +4.00), p = 0.004 (Holm)" in card
    assert "the claim wants more than +2.00" in card
    assert '<use href="#fig3a-figure_1"/>' in card
    assert "10,000" not in card
    assert "100 test images, 1 seed" in card


def test_claims_that_have_not_run_are_folded_below_the_others(page):
    """On one's own dataset they are nearly all, and would stand before what was measured."""
    shown, folded = page.read_text().split('<details id="unrun"><summary>Claims that have not run here (1)</summary>')
    assert '<article class="claim reproduced" id="c01"' in shown
    assert '<article class="claim not-run" id="c02"' in folded.partition("</details>")[0] + folded
    assert 'id="c02"' not in shown


def test_the_head_gives_no_verdict_without_the_size_it_was_measured_at(page):
    chips = re.findall(r'<a class="chip[^>]*>([^<]*)</a>', page.read_text())
    assert chips == ["✓ 1 reproduced, at 16×16", "– 1 not run", "✓ 1 agrees, at 32×32", "✗ 1 differs, at 64×64",
                     "– 1 not run"]  # fmt: skip
    assert 'title="reproduced, at 16×16 (16×16, k = 8; the paper 224×224, k = 1568): ' in page.read_text()


def test_claims_of_two_sizes_and_exact_ones_say_so_together():
    scales = ["64×64, k = 128; the paper", "224×224, k = 1568", None, "64×64, k = 32; the paper"]
    frame = pd.DataFrame({"verdict": ["reproduced"] * 4, "scale": scales})
    assert sections.counts(frame) == [("reproduced", "✓", 4, "at 64×64 and 224×224 and exact")]


def test_the_table_of_runs_leaves_out_what_is_told_once_for_all_of_them(page):
    text = _section(page.read_text(), "provenance")
    about, table = text.split('<table id="provenance-table"')
    assert "<dt>torch</dt><dd>2.13.0+cu130</dd>" in about
    assert "<dt>commit</dt><dd>121212121212+changes, cdcdcdcdcdcd</dd>" in about
    headings = re.findall(r'<th scope="col">([^<]*)</th>', table)
    expected = ["run", "set", "config hash (SHA-256)", "commit", "training, wall (s)", "finished", "data (SHA-256)"]
    assert headings == [*expected, "code"]
    assert ">2026-11-25 10:18<" in table


def test_the_exact_counts_of_the_key_space_are_shown_once_however_many_folders_count_them():
    counted = {"quantity": "distinct_ciphers", "grid": "2x2", "mean": 4.0, "n": 16, "schedule": None, "snr_db": None}
    counted |= dict.fromkeys(["dataset", "image_size", "channel", "method", "snr_train_db", "known_messages"])
    rows = pd.DataFrame([counted | {"set": "mnist32", "command": "a"}, counted | {"set": "cifar32", "command": "b"}])
    assert sections.cipher(rows)["key_space"]["total"] == 1


def test_a_number_pooled_over_a_channel_names_it_as_figures_do():
    assert headings.over_channel("pooled from 3 methods over rayleigh at 7 dB").endswith(
        "methods over Rayleigh fading at 7 dB"
    )
    assert headings.over_channel("none known") == "none known"
    assert headings.over_channel("1 method over awgn and rayleigh") == "1 method over AWGN and Rayleigh fading"


def test_a_claim_that_did_not_run_names_the_missing_runs_as_figures_do(page):
    assert "NECST-DP0.05 over AWGN did not run" in _card(page, "c02")


def test_every_claim_stands_on_the_page_outside_of_any_box_that_scrolls(page):
    text = page.read_text()
    for part in text.split('<div class="box"')[1:]:
        assert "<article" not in part.split("</table>")[0]
    assert text.count('<article class="claim') == 2


def test_the_page_names_methods_as_figures_do(page):
    text = page.read_text().replace(_section(page.read_text(), "decisions"), "")  # they explain configs in their words
    text = re.sub(r"<code>.*?</code>", "", text, flags=re.DOTALL)
    cells_and_cards = re.findall(r">([^<>]*repobe_adversarial[^<>]*)<", text)
    assert cells_and_cards == []
    assert "RepObE, Eq. 16" in text


def test_no_ranking_shows_a_half_training(page):
    """Nor the table of equal channel uses; the table of every accuracy does."""
    text = page.read_text(encoding="utf-8")
    every, channel_uses = _section(text, "accuracy").split("<h3>Equal channel uses</h3>")
    assert "RepObE, half the training" in every
    assert "RepObE, half the training" not in _section(text, "leaderboard") + channel_uses


def test_the_page_quotes_what_allows_a_reading(page):
    text = _section(page.read_text(), "claims")
    assert "r01: ε of Eq. 16 is 0.016" in text
    assert "adjust the magnitude of KL divergence loss" in text
    assert "0.0010 to 0.0200" in text
    assert "2 hold, 0 fail, 0 open, 1 not run" in text


def _section(text: str, name: str) -> str:
    return text.split(f'<section aria-labelledby="{name}">')[1].split("</section>")[0]


def test_the_cipher_section_says_what_was_measured_and_why(page):
    text = _section(page.read_text(), "cipher")
    assert "derives the secret of its two ends from its seed" in text
    assert "a key is as secret as the seed" in text
    assert "The highest of these rows is 0.8765 (RepObE on digits (stand-in for MNIST) over AWGN)" in text
    # 2!² = 2² ciphers on 2×2 places, 16!² = 2^88.5 on 16×16: the small grid first.
    assert "0.4321 at 2×2 places (2<sup>2.0</sup> ciphers), 0.1111 at 16×16 places (2<sup>88.5</sup> ciphers)" in text
    assert "many of them are nearly the same" in text
    assert "Keys found from overheard messages" in text
    assert "0.5551" in text  # its row of 10 messages; the threat model tells the one of 100
    assert "overhears 100 messages under one fixed key, and knows none of them" in page.read_text()
    told = "reads 0.6662 of the images at 23 dB; with the sender's key it reads 0.7773 of them, with wrong keys 0.4321"
    assert told in page.read_text()
    assert "in a deep fade" in text


def test_each_cell_is_labelled_by_the_heading_of_its_column(page):
    """A phone shows the label in place of the heading."""
    tables = re.findall(r"<table[^>]*>.*?</table>", page.read_text(), re.DOTALL)
    assert len(tables) > 10
    for table in tables:
        head, body = table.split("<tbody>")
        headings = re.findall(r'<th scope="col"[^>]*>([^<]*)</th>', head)
        for row in re.findall(r"<tr[^>]*>.*?</tr>", body, re.DOTALL):
            assert re.findall(r'data-label="([^"]*)"', row) == headings, table[:60]


def test_counts_are_whole_and_digests_short_but_sorted_in_full():
    rows = [
        {"quantity": "distinct_ciphers", "mean": 576.0, "commit": "cd" * 20},
        {"quantity": "log2_keys_printed", "mean": 13.169925, "commit": None},
        {"quantity": "multiset_label_accuracy", "mean": 1.0, "commit": None},
    ]
    found = cells.table(pd.DataFrame(rows), ["mean", "commit"])["rows"]
    assert [row[0]["text"] for row in found] == ["576", "13.1699", "1.0000"]
    assert (found[0][1]["text"], found[0][1]["sort"]) == ("cdcdcdcdcdcd", "cd" * 20)


def test_a_table_of_recovery_has_a_row_for_each_size_and_training():
    columns = {"dataset": "digits", "channel": "awgn", "method": "repobe", "quantity": "key_recovered", "n": 100}
    columns |= {"schedule": "fixed", "known_messages": 1, "seeds": 1, "low": 0.0, "high": 1.0, "command": "again"}
    rows = [
        columns | {"image_size": size, "grid": f"{size // 8}x{size // 8}", "snr_train_db": trained, "snr_db": snr}
        | {"mean": size / 100 + (trained == "7") / 10 + snr / 1000}
        for size in (32, 64) for trained in ("7", "mixed") for snr in (0, 7)
    ]  # fmt: skip
    cells = [{cell["text"] for cell in row} for row in sections.cipher(pd.DataFrame(rows))["recovery"]["rows"]]
    assert len(cells) == 4
    for found, row in zip(cells, (dict(size="32", trained="7", means={"0.4200", "0.4270"}),
                                  dict(size="32", trained="mixed", means={"0.3200", "0.3270"}),
                                  dict(size="64", trained="7", means={"0.7400", "0.7470"}),
                                  dict(size="64", trained="mixed", means={"0.6400", "0.6470"})),
                          strict=True):  # fmt: skip
        assert {row["size"], row["trained"]} | row["means"] <= found


def test_the_weighed_decisions_say_how_many_seeds_and_images_they_are_of(page):
    text = _section(page.read_text(), "decisions")
    assert "of one training each: another seed may lie outside" in text
    assert "no correction for the number of comparisons" in text
    headings, row = text.split('<table id="weighed-table"')[1].split("</thead>")
    assert ">seeds<" in headings
    assert ">321<" in row
    assert "+1.00 points (−2.00 to +4.00)" in row


def threats(leaks: dict, withstood: dict) -> str:
    """The threat model alone, in one line, of these numbers."""
    cipher = {"recovered": {}, "told": None, "overheard": None, "wrong_key": None, "bits": {}, "slowest_ms": None}
    page = report.environment().get_template("threats.html.j2").render(leaks=leaks, withstood=withstood, cipher=cipher)
    return " ".join(page.split())


def row_of(page: str, name: str) -> str:
    """The table row whose heading is `name`."""
    return page.split(f"<code>{name}</code></th>")[1].split("</tr>")[0]


def test_the_threat_model_says_of_each_attacker_what_it_knows_and_what_it_got():
    leak = {"method": "repobe", "dataset": "digits", "channel": "awgn", "floor_accuracy": 0.1, "ssim": 0.7}
    leaks = {
        name: leak | {"accuracy": accuracy, "floor_ssim": 0.3}
        for name, accuracy in [("keyless", 0.12), ("keyless_adaptive", 0.8), ("same_key", 0.89), ("fresh_key", 0.88)]
    }
    least = {"method": "repobe", "dataset": "digits", "channel": "awgn", "snr_test_db": 23.0, "eps": 0.016}
    page = threats(leaks, {"paper": least | {"mean": 0.41}, "square": least | {"mean": 0.73}})
    for name, knows, number in [
        ("keyless", "the encoder, images like those sent", "0.1200 of its pictures"),
        ("keyless_adaptive", "keys of its own, fresh for each message", "0.8000 of its pictures"),
        ("same_key", "pairs of image and message under the one fixed key", "0.8900 of its pictures"),
        ("fresh_key", "each under its own unknown key", "0.8800 of its pictures"),
        ("with_key", "the encoder and the key", "Not run in these tables."),
        ("legitimate", "no upper bound", "Not run in these tables."),
        ("paper", "weights, channel statistics and the key", "0.4100, of RepObE on digits"),
        ("strong", "EOT-PGD", "Not run in these tables."),
        ("autoattack", "AutoAttack", "Not run in these tables."),
        ("transfer", "another system's weights", "Not run in these tables."),
        ("square", "no weights", "0.7300, of RepObE on digits (stand-in for MNIST) over AWGN at 23 dB, eps 0.016."),
    ]:
        assert knows in row_of(page, name).replace("&#39;", "'"), name
        assert number in row_of(page, name), name
    assert "36 ciphers and 4×4 have 576" in page


def test_of_an_attack_the_row_that_leaves_repobe_least_is_quoted_at_a_small_radius():
    columns = ["method", "attack", "eps", "metric", "mean"]
    rows = [
        ("repobe", "paper", 0.016, "adversarial_accuracy", 0.5),
        ("repobe_adversarial", "paper", 0.016, "adversarial_accuracy", 0.4),
        ("repobe", "paper", 0.1, "adversarial_accuracy", 0.1),  # a radius that shows
        ("undefended", "paper", 0.016, "adversarial_accuracy", 0.2),
        ("repobe_half", "paper", 0.016, "adversarial_accuracy", 0.1),  # it only tells a gate
        ("repobe", "paper", 0.016, "natural_accuracy", 0.3),
        ("repobe", "autoattack_rand", 0.016, "adversarial_accuracy", 0.35),
        ("repobe", "paper_common", 0.016, "adversarial_accuracy", 0.38),  # the same attack on fewer images
        ("repobe", "square", 0.0, "adversarial_accuracy", 0.9),
    ]
    found = sections.withstood(pd.DataFrame(rows, columns=columns))
    assert {kind: (row["method"], row["mean"]) for kind, row in found.items()} == {
        "paper": ("repobe_adversarial", 0.4),
        "autoattack": ("repobe", 0.35),
    }


def test_what_attackers_rebuild_stands_once_for_each_snr_that_a_model_was_trained_at():
    run = {"method": "repobe", "dataset": "digits", "image_size": 16, "channel": "awgn", "snr_tap_db": 23}
    rows = [
        run
        | {"snr_train_db": snr, "attacker": attacker, "metric": metric, "mean": mean, "low": mean - 0.1}
        | {"high": mean + 0.1, "seeds": 1, "n": 100}
        for snr, mean in [("7", 0.5), ("23", 0.7)]
        for attacker in ("mean_image", "keyless")
        for metric in ("ssim", "attacker_accuracy")
    ]
    found = sections.rebuilt_images(pd.DataFrame(rows))
    keyless = found[found["attacker"] == "keyless"].set_index("snr_train_db")
    assert len(found) == 4
    assert keyless["accuracy"].to_dict() == {"7": 0.5, "23": 0.7}
    assert keyless["low"].to_dict() == pytest.approx({"7": 0.4, "23": 0.6})


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    profile = tmp_path_factory.mktemp("profile")
    chromium, driver = BROWSERS
    # Started here and not by the driver, which gives up on a busy machine before the browser is there.
    command = [chromium, *FLAGS, f"--user-data-dir={profile}", "--remote-debugging-port=0", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        port = profile / "DevToolsActivePort"
        patience = time.monotonic() + 120
        while not (port.exists() and port.read_text().strip()):
            assert process.poll() is None, "chromium ended at once"
            assert time.monotonic() < patience, "chromium did not open its port"
            time.sleep(0.1)
        options = webdriver.ChromeOptions()
        options.debugger_address = f"127.0.0.1:{port.read_text().split()[0]}"
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        opened = webdriver.Chrome(options=options, service=Service(driver))
        yield opened
        opened.quit()
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def opened(browser, page):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )
    browser.get(page.as_uri())
    return browser


def _column(browser, table: str, number: int) -> list[str]:
    """A column's cells as a reader sees them: hidden rows are left out."""
    return browser.execute_script(
        "return [...document.querySelectorAll(arguments[0] + ' tbody tr')].filter(row => row.offsetParent)"
        ".map(row => row.cells[arguments[1]].textContent)",
        f"#{table}-table",
        number,
    )


def _heading(browser, table: str, text: str):
    (found,) = [
        button for button in browser.find_elements("css selector", f"#{table}-table th button") if button.text == text
    ]
    return found


@NEEDED
def test_every_drawing_shows_and_nothing_is_fetched_or_complains(opened):
    boxes = opened.execute_script(
        "return [...document.querySelectorAll('figure svg, figure svg image')].map(one => one.getBoundingClientRect())"
        ".map(box => [box.width, box.height])"
    )
    assert len(boxes) == 4  # two drawings, a picture in each
    assert all(width > 50 and height > 50 for width, height in boxes)
    assert [entry for entry in opened.get_log("browser") if entry["level"] == "SEVERE"] == []
    events = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert opened.current_url in asked  # the log works
    assert [url for url in asked if not url.startswith(("data:", opened.current_url))] == []


@NEEDED
def test_a_table_sorts_by_mouse_and_keyboard_and_says_so(opened):
    mean = _heading(opened, "accuracy", "mean")
    mean.click()
    assert _column(opened, "accuracy", 8) == ["0.1000", "0.2000", "0.3000", "0.9000", "0.9500"]
    heading = mean.find_element("xpath", "..")
    assert heading.get_attribute("aria-sort") == "ascending"
    mean.send_keys("\ue007")  # Enter
    assert _column(opened, "accuracy", 8) == ["0.9500", "0.9000", "0.3000", "0.2000", "0.1000"]
    assert heading.get_attribute("aria-sort") == "descending"
    # What has not run comes last, whichever way.
    for _ in range(2):
        _heading(opened, "numbers", "95 % interval").click()
        assert _column(opened, "numbers", 0)[-1] == "n02"


@NEEDED
def test_a_table_filters_by_words_and_by_verdict(opened):
    assert _column(opened, "numbers", 0) == ["n01", "n02", "n10"]
    field = opened.find_element("css selector", "[aria-label='Filter printed numbers']")
    field.send_keys("0.99 not")
    assert _column(opened, "numbers", 0) == ["n02"]
    field.clear()
    chip = opened.find_element("css selector", "section[aria-labelledby=numbers] button[data-verdict=agrees]")
    chip.click()
    assert _column(opened, "numbers", 0) == ["n10"]
    assert chip.get_attribute("aria-pressed") == "true"
    chip.click()
    assert len(_column(opened, "numbers", 0)) == 3
    # The summary at the top leads to the rows that it counts.
    opened.find_element("css selector", "header a[data-verdict=differs]").click()
    assert _column(opened, "numbers", 0) == ["n01"]
    assert opened.current_url.endswith("#numbers")


@NEEDED
def test_the_chip_of_what_has_not_run_opens_the_folded_claims_and_another_hides_them(opened):
    folded = opened.find_element("id", "unrun")
    unrun, reproduced = (
        opened.find_element("css selector", f"#claim-tools button[data-verdict='{verdict}']")
        for verdict in ("not run", "reproduced")
    )
    assert [click() or bool(folded.get_attribute("open")) for click in (unrun.click, unrun.click)] == [True, False]
    reproduced.click()
    assert not folded.is_displayed()
    reproduced.click()
    assert folded.is_displayed()


@NEEDED
def test_no_table_scrolls_sideways_on_a_laptop(opened):
    boxes = opened.execute_script(
        "return [...document.querySelectorAll('.box')].map(box => [box.ariaLabel, box.clientWidth, box.scrollWidth])"
    )
    assert "runs" in [name for name, _, _ in boxes]
    assert [name for name, inner, wide in boxes if wide > inner] == []


@NEEDED
def test_a_phone_scrolls_down_and_never_sideways(opened):
    opened.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    )
    opened.get(opened.current_url)
    wide, inner = opened.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
    assert (wide, inner) == (390, 390)
    # A row of a table is a card there: each cell stands below the one before it, with its heading.
    first, second, label = opened.execute_script(
        "const row = document.querySelector('#numbers-table tbody tr');"
        "return [row.cells[0].getBoundingClientRect().bottom, row.cells[1].getBoundingClientRect().top,"
        " getComputedStyle(row.cells[1], '::before').content]"
    )
    assert second >= first
    assert label == '"verdict"'
    # A label that does not fit beside its value wraps, and never runs into it.
    unwrapped = opened.execute_script(
        "return [...document.querySelectorAll('tbody th, tbody td')].filter(cell => cell.offsetParent &&"
        " getComputedStyle(cell).whiteSpace !== 'normal').map(cell => cell.className)"
    )
    assert unwrapped == []


@NEEDED
def test_a_long_table_loads_its_rows_when_a_reader_comes_near_them(browser, tmp_path):
    """2,000 rows: 40 are in the HTML, the others in its JSON, which sorting and filtering know too."""
    frame = pd.DataFrame({"id": [f"x{number:04d}" for number in range(2000)], "mean": [n / 2000 for n in range(2000)]})
    long = cells.table(frame, ["id", "mean"])
    assert (len(long["rows"]), long["total"]) == (cells.AT_ONCE, 2000)
    source = report.environment().from_string(
        '{% from "macros.html.j2" import table %}<div style="height: 5000px"></div>{{ table("long", "x", "x", long) }}'
        '<div id="claim-tools"></div><div id="value"></div><script>{% include "script.js" %}</script>'
    )
    (tmp_path / "long.html").write_text("<!doctype html><meta charset=utf-8>" + source.render(long=long))
    browser.get((tmp_path / "long.html").as_uri())
    assert len(_column(browser, "long", 0)) == cells.AT_ONCE
    field = browser.find_element("css selector", "[aria-label='Filter x']")
    field.send_keys("x1999")
    assert _column(browser, "long", 1) == ["0.9995"]
    field.clear()
    field.send_keys(" ")
    _heading(browser, "long", "mean").click()
    _heading(browser, "long", "mean").click()
    assert _column(browser, "long", 0)[:2] == ["x1999", "x1998"]
    browser.execute_script("window.scrollTo(0, document.body.scrollHeight)")
    patience = time.monotonic() + 20
    while len(_column(browser, "long", 0)) == cells.AT_ONCE and time.monotonic() < patience:
        time.sleep(0.05)
    assert len(_column(browser, "long", 0)) > cells.AT_ONCE


@NEEDED
def test_nothing_is_cut_when_the_page_is_printed(opened):
    """A4, landscape: no table is wider than the paper."""
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    opened.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 1040, "height": 720, "deviceScaleFactor": 1, "mobile": False}
    )
    wide = opened.execute_script(
        "return [...document.querySelectorAll('table, article, figure')].filter(one => one.scrollWidth > 1040 ||"
        " one.getBoundingClientRect().right > 1041).map(one => one.id)"
    )
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert wide == []


@NEEDED
def test_paper_shows_the_headings_of_a_long_table_on_each_sheet_how_many_rows_are_there_and_where_all_are(
    browser, tmp_path
):
    """Chromium repeats headings on each sheet, but paints no buttons there: so on paper a heading is its text."""
    frame = pd.DataFrame({"id": [f"x{number}" for number in range(50)], "mean": [number / 50 for number in range(50)]})
    source = report.environment().from_string(
        '{% from "macros.html.j2" import table %}<style>{% include "style.css" %}</style>'
        '<div style="height: 5000px"></div>{{ table("long", "x", "Values", rows, "all.csv") }}'
        '<div id="claim-tools"></div><div id="value"></div><script>{% include "script.js" %}</script>'
    )
    (tmp_path / "long.html").write_text(
        "<!doctype html><meta charset=utf-8>" + source.render(rows=cells.table(frame, ["id", "mean"]))
    )
    browser.get((tmp_path / "long.html").as_uri())
    say = (
        "return [getComputedStyle(document.querySelector('th button')).display,"
        " document.querySelector('caption').innerText]"
    )
    on_screen = browser.execute_script(say)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    on_paper = browser.execute_script(say)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert on_screen[1] == "Values"
    assert on_paper == ["contents", "Values. 40 of 50 rows; all of them are in all.csv"]
