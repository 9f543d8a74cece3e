"""The report in a real browser: everything shows, tables sort and filter, nothing leaves the page."""

import json
import shutil
import subprocess
import time
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from repobe.report import canvas, saving, sections
from repobe.report import page as report
from repobe.tables.results import write

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
    (results / "tables").mkdir()
    figures.mkdir()
    bounds = {"sd": None, "low": 0.85, "high": 0.95, "seeds": 1, "n": 100}
    key = {"method": "repobe", "dataset": "digits", **RUN}
    evasion = [
        key
        | {"snr_test_db": snr, "attack": "none", "eps": 0.0, "split": "test", "metric": "natural_accuracy"}
        | {"mean": mean, **bounds, "draws_sd": 0.01, "symbols_k": 8}
        for snr, mean in [(7, 0.9), (11, 0.1), (15, 0.95), (23, 0.3)]
    ]
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
    cost = [
        key
        | {"device": "cpu", "threads": 1, "parameters": 10, "symbols_k": 8, "flops": 1.0, "train_seconds": 2.0}
        | {"precision": "float32"}
    ]
    for name, rows in [("evasion", evasion), ("inversion", inversion), ("audit", audit), ("cost", cost)]:
        write(pd.DataFrame(rows), results / "summary" / f"{name}.csv")
    claims = [
        {"id": "c01", "where": "Sec. 4", "figure": "3a", "claim": "<script>alert(1)</script>", "verdict": "reproduced"}
        | {"evidence": "alpha", "rival": "necst", "margin": 0.02, "difference": 0.031, "low": 0.022, "high": 0.04},
        {"id": "c02", "where": "Sec. 4", "figure": "3b", "claim": "another", "verdict": "not run", "evidence": "none"},
    ]
    write(pd.DataFrame(claims), results / "claims.csv")
    compared = {"id": "c01", "outcome": "yes", "rival": "necst", "difference": 0.031, "p": 0.001}
    write(pd.DataFrame([compared]), results / "evidence.csv")
    number = {"where": "Sec. 4", "figure": "3a", "dataset": "mnist", "channel": "awgn", "method": "repobe"}
    number |= {"quantity": "natural_accuracy", "snr_db": "7", "relation": "equals", "command": "snakemake --cores all"}
    comparison = [
        number
        | {"id": "n01", "printed": 0.9, "ours": 0.92, "low": 0.91, "high": 0.93, "difference": 0.02}
        | {"seeds": 1, "n": 9, "verdict": "differs, at 64×64", "trained": "yes", "competent": "yes"},
        number | {"id": "n02", "printed": 0.99, "verdict": "not run"},
        number
        | {"id": "n10", "printed": 0.5, "ours": 0.6, "low": 0.4, "high": 0.7, "difference": 0.1}
        | {"seeds": 1, "n": 9, "verdict": "agrees"},
    ]
    write(pd.DataFrame(comparison), results / "comparison.csv")
    columns = ["id", "change", "dataset", "channel", "quantity", "variant", "reference", "difference", "low", "high"]
    read = {"claim": "c08", "reading": "r01", "dataset": "mnist", "outcome": "holds", "lead": 0.0123}
    read |= {"low": 0.001, "high": 0.02, "method": "repobe_adversarial", "rival": "undefended", "snr_db": 7.0}
    write(pd.DataFrame([read, read | {"reading": "r00", "outcome": "fails", "low": -0.5}]), results / "readings.csv")
    weighed = ["D8", "beta 1", "digits", "awgn", "natural_accuracy", 0.91, 0.9, 0.01, -0.02, 0.04, 1, 321]
    write(pd.DataFrame([weighed], columns=[*columns, "seeds", "n"]), results / "decisions.csv")
    run = {"run": "digits/awgn/repobe/seed0", "spec_sha256": "ab" * 32, "commit": "cd" * 20, "device": "cpu"}
    run |= {"threads": 1, "python": "3", "torch": "2", "train_wall_seconds": 1.0}
    (results / "tables" / "provenance.json").write_text(json.dumps([run]))
    canvas.theme()
    for name, width in [("fig3a", 5), ("fig_wide", 11)]:
        figure, axes = plt.subplots(figsize=(width, 3))
        axes.imshow([[0, 1], [1, 0]])
        saving.save(figure, figures / name, pd.DataFrame({"x": [1]}), "Fig. X", 'A "drawing" of two & four')
    report.write(results, figures)
    return results / "report.html"


def test_the_page_shows_points_with_their_intervals_and_escapes_what_it_is_given(page):
    text = page.read_text()
    assert "<script>alert" not in text
    assert "+3.10 points (+2.20 to +4.00)" in text  # a claim's difference is in the table as it stands
    assert "+2.00 points (+1.00 to +3.00)" in text  # of a printed number: ours 0.91 to 0.93 less 0.9
    again = "snakemake results/runs/digits/awgn/repobe/seed0/evasion.csv --cores all --configfile config/config.yaml"
    assert f"{again} --forcerun train" in text  # targets first: --configfile takes all that follows
    assert "0.75 of the trials" in text  # the threat model quotes the audit
    assert "0.1234 of its pictures" in text
    assert text.count('role="img" aria-label="A &quot;drawing&quot; of two &amp; four"') == 2


def test_the_page_names_the_reading_kindest_to_the_paper_and_quotes_what_allows_it(page):
    text = _section(page.read_text(), "claims")
    assert "r01: ε of Eq. 16 is 0.016" in text
    assert "adjust the magnitude of KL divergence loss" in text
    assert "0.001 to 0.02" in text


def _section(text: str, name: str) -> str:
    return text.split(f'<section aria-labelledby="{name}">')[1].split("</section>")[0]


def test_the_cipher_section_says_what_was_measured_and_why(page):
    text = _section(page.read_text(), "cipher")
    assert "derives the secret of its two ends from its seed" in text
    assert "a key is as secret as the seed" in text
    assert "The highest of these rows is 0.8765 (<code>repobe</code> on digits over awgn)" in text
    # 2!² = 2² ciphers on 2×2 places, 16!² = 2^88.5 on 16×16: the small grid first.
    assert "0.4321 at 2×2 places (2<sup>2.0</sup> ciphers), 0.1111 at 16×16 places (2<sup>88.5</sup> ciphers)" in text
    assert "many of them are nearly the same" in text
    assert "in a deep fade" in text


def test_a_table_of_recovery_has_a_row_for_each_size_and_training(page):
    columns = {"dataset": "digits", "channel": "awgn", "method": "repobe", "quantity": "key_recovered", "n": 100}
    columns |= {"schedule": "fixed", "known_messages": 1, "seeds": 1, "low": 0.0, "high": 1.0, "command": "again"}
    rows = [
        columns | {"image_size": size, "grid": f"{size // 8}x{size // 8}", "snr_train_db": trained, "snr_db": snr}
        | {"mean": size / 100 + (trained == "7") / 10 + snr / 1000}
        for size in (32, 64) for trained in ("7", "mixed") for snr in (0, 7)
    ]  # fmt: skip
    cells = [{cell["text"] for cell in row} for row in sections.cipher(pd.DataFrame(rows))["recovery"]["rows"]]
    assert len(cells) == 4
    for found, row in zip(cells, (dict(size="32", trained="7", means={"0.42", "0.427"}),
                                  dict(size="32", trained="mixed", means={"0.32", "0.327"}),
                                  dict(size="64", trained="7", means={"0.74", "0.747"}),
                                  dict(size="64", trained="mixed", means={"0.64", "0.647"})), strict=True):  # fmt: skip
        assert {row["size"], row["trained"]} | row["means"] <= found


def test_the_weighed_decisions_say_how_many_seeds_and_images_they_are_of(page):
    text = _section(page.read_text(), "decisions")
    assert "of one training each: another seed may lie outside" in text
    assert "no correction for the number of comparisons" in text
    headings, row = text.split('<table id="weighed-table">')[1].split("</thead>")
    assert ">seeds<" in headings
    assert ">321<" in row
    assert "+1.00 points (−2.00 to +4.00)" in row


def threats(leaks: dict, withstood: dict) -> str:
    """The threat model alone, in one line, of these numbers."""
    cipher = {"recovered": {}, "told": None, "wrong_key": None, "bits": {}, "slowest_ms": None}
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
        ("keyless", "the encoder, images like those sent", "0.12 of its pictures"),
        ("keyless_adaptive", "keys of its own, fresh for each message", "0.8 of its pictures"),
        ("same_key", "pairs of image and message under the one fixed key", "0.89 of its pictures"),
        ("fresh_key", "each under its own unknown key", "0.88 of its pictures"),
        ("with_key", "the encoder and the key", "Not run in these tables."),
        ("legitimate", "no upper bound", "Not run in these tables."),
        ("paper", "weights, channel statistics and the key", "0.41, of <code>repobe</code> on digits"),
        ("strong", "EOT-PGD", "Not run in these tables."),
        ("autoattack", "AutoAttack", "Not run in these tables."),
        ("transfer", "another system's weights", "Not run in these tables."),
        ("square", "no weights", "0.73, of <code>repobe</code> on digits over awgn at 23 dB, eps 0.016."),
    ]:
        assert knows in row_of(page, name).replace("&#39;", "'"), name
        assert number in row_of(page, name), name
    assert "36 ciphers and 4×4 have 576" in page
    assert "the ceiling" not in page
    assert "weakest of them" not in page


def test_of_an_attack_the_row_that_leaves_repobe_least_is_quoted_at_a_small_radius():
    columns = ["method", "attack", "eps", "metric", "mean"]
    rows = [
        ("repobe", "paper", 0.016, "adversarial_accuracy", 0.5),
        ("repobe_adversarial", "paper", 0.016, "adversarial_accuracy", 0.4),
        ("repobe", "paper", 0.1, "adversarial_accuracy", 0.1),  # a radius that shows
        ("undefended", "paper", 0.016, "adversarial_accuracy", 0.2),
        ("repobe", "paper", 0.016, "natural_accuracy", 0.3),
        ("repobe", "autoattack_rand", 0.016, "adversarial_accuracy", 0.35),
        ("repobe", "square", 0.0, "adversarial_accuracy", 0.9),
    ]
    found = sections.withstood(pd.DataFrame(rows, columns=columns))
    assert {kind: (row["method"], row["mean"]) for kind, row in found.items()} == {
        "paper": ("repobe_adversarial", 0.4),
        "autoattack": ("repobe", 0.35),
    }


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
    assert _column(opened, "accuracy", 8) == ["0.1", "0.3", "0.9", "0.95"]
    heading = mean.find_element("xpath", "..")
    assert heading.get_attribute("aria-sort") == "ascending"
    mean.send_keys("\ue007")  # Enter
    assert _column(opened, "accuracy", 8) == ["0.95", "0.9", "0.3", "0.1"]
    assert heading.get_attribute("aria-sort") == "descending"
    # What has not run comes last, whichever way.
    for _ in range(2):
        _heading(opened, "numbers", "ours").click()
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
def test_a_phone_scrolls_down_and_never_sideways(opened):
    opened.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    )
    opened.get(opened.current_url)
    wide, inner = opened.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
    assert (wide, inner) == (390, 390)
    box = "document.querySelector('#numbers-table').parentElement"
    assert opened.execute_script(f"return {box}.scrollWidth > {box}.clientWidth")  # the table does, in its box
