"""Codes, decoder, QAM and their table: against the parity checks, enumeration, theory and, where it is, sionna."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
import torch

from repobe.phy import block_errors as blocks
from repobe.phy import channels, qam
from repobe.phy.ldpc import BASE, Code
from repobe.phy.links import Coded

EVERY = list(itertools.product(BASE, blocks.LENGTHS))


@pytest.mark.parametrize(("rate", "bits"), EVERY)
def test_every_codeword_passes_every_parity_check_begins_with_its_message_and_has_the_rate(rate, bits):
    code = Code(rate, bits)
    message = torch.randint(2, (30, code.message)) == 1
    codeword = code.encode(message)
    assert codeword.shape == (30, bits)
    assert torch.equal(codeword[:, : code.message], message)
    assert code.message / bits == pytest.approx(float(np.divide(*map(int, rate.split("/")))))
    assert not (code.matrix().astype(int) @ codeword.numpy().T % 2).any()


def test_the_standards_longest_half_rate_code_has_its_degrees_and_no_cycle_of_four():
    """802.16e, rate 1/2, n = 2304: 76 ones in the base matrix, columns of 2, 3 and 6, rows of 6 and 7, girth 6."""
    matrix = Code("1/2", 2304).matrix().astype(np.float32)
    assert matrix.sum() == 76 * 96
    assert set(matrix.sum(axis=0)) == {2, 3, 6}
    assert set(matrix.sum(axis=1)) == {6, 7}
    overlap = matrix @ matrix.T
    np.fill_diagonal(overlap, 0)
    assert overlap.max() == 1


@pytest.mark.parametrize(("rate", "bits"), EVERY)
def test_a_noiseless_block_decodes_and_a_single_wrong_bit_is_corrected(rate, bits):
    code = Code(rate, bits)
    codeword = code.encode(torch.randint(2, (24, code.message)) == 1)
    llr = 4.0 * (1 - 2 * codeword.float())
    wrong = torch.arange(24) * (bits // 24)  # one in each column of squares
    for given in (llr, llr.scatter(1, wrong[:, None], -llr.gather(1, wrong[:, None]))):
        decided, holds = code.decode(given)
        assert holds.all()
        assert torch.equal(decided, codeword)


def test_noise_alone_is_not_taken_for_a_codeword():
    decided, holds = Code("1/2", 1536).decode(torch.randn(20, 1536))
    assert not holds.any()
    assert decided.shape == (20, 1536)


def min_sum(matrix: np.ndarray, llr: np.ndarray, iterations: int) -> np.ndarray:
    """Normalised min-sum of one block, an edge at a time."""
    neighbours = [np.flatnonzero(row) for row in matrix]
    told = {(c, v): 0.0 for c, around in enumerate(neighbours) for v in around}
    for _ in range(iterations):
        total = llr.copy()
        for (_, v), value in told.items():
            total[v] += value
        asked = {edge: total[edge[1]] - value for edge, value in told.items()}
        for c, around in enumerate(neighbours):
            for v in around:
                others = [asked[c, o] for o in around if o != v]
                told[c, v] = 0.8 * np.prod(np.sign(others)) * min(map(abs, others))
    for (_, v), value in told.items():
        llr = llr + value * (np.arange(len(llr)) == v)
    return llr < 0


@pytest.mark.parametrize("rate", BASE)
def test_the_decoder_is_min_sum_written_out_edge_by_edge(rate):
    code = Code(rate, 240)
    llr = torch.randn(4, 240, dtype=torch.float64) + 0.7
    decided, _ = code.decode(llr, iterations=3)
    for block, mine in zip(llr.numpy(), decided.numpy(), strict=True):
        assert np.array_equal(min_sum(code.matrix(), block, 3), mine)


def capacity_and_dispersion(snr: float) -> tuple[float, float]:
    """Capacity and dispersion of the channel ±1 + N(0, 1/snr), in bits, by quadrature (Polyanskiy et al. 2010)."""
    y = np.linspace(-12, 12, 20001)
    density = np.exp(-(y**2) / 2) / math.sqrt(2 * math.pi) * (y[1] - y[0])
    information = 1 - np.log1p(np.exp(-2 * snr - 2 * math.sqrt(snr) * y)) / math.log(2)
    mean = (density * information).sum()
    return mean, (density * information**2).sum() - mean**2


def best_block_error_rate(bits: int, rate: float, snr_db: float) -> float:
    """The normal approximation of the best code's: Q(√(n/V) (C − R + log₂ n / 2n))."""
    capacity, dispersion = capacity_and_dispersion(10 ** (snr_db / 10))
    excess = math.sqrt(bits / dispersion) * (capacity - rate + math.log2(bits) / (2 * bits))
    return math.erfc(excess / math.sqrt(2)) / 2


def test_the_waterfall_is_right_of_the_best_codes_and_within_a_decibel_and_a_half():
    """QPSK at half rate: 1 bit a symbol, each bit at Es/N0, so that Eb/N0 is Es/N0; Shannon's limit is 0.19 dB."""
    assert capacity_and_dispersion(10**0.0187)[0] == pytest.approx(0.5, abs=1e-3)
    grid = np.arange(0, 2, 0.01)
    even, rare = (grid[np.argmax([best_block_error_rate(1536, 0.5, s) < e for s in grid])] for e in (0.5, 0.01))
    code, generator = Code("1/2", 1536), torch.Generator().manual_seed(1)
    failed = blocks.block_errors(code, "QPSK", even, channels.AWGN(), 100, generator)
    assert failed > 70  # the best code loses 50 ± 5
    failed = blocks.block_errors(code, "QPSK", rare + 1.5, channels.AWGN(), 200, generator)
    assert failed <= 6  # the best code would lose as many 1.5 dB earlier


@pytest.mark.parametrize("modulation", qam.BITS)
def test_symbols_have_unit_power_and_neighbours_differ_in_one_bit(modulation):
    bits = qam.BITS[modulation]
    every = qam.patterns(bits)
    points = qam.modulate(every, modulation)[:, 0]
    assert points.abs().square().mean().item() == pytest.approx(1, abs=1e-6)
    distance = (points[:, None] - points).abs()
    distance.fill_diagonal_(9)
    nearest = distance < distance.min() * 1.01
    assert nearest.sum() >= 2**bits
    differing = (every[:, None] ^ every).sum(dim=2)
    assert (differing[nearest] == 1).all()


@pytest.mark.parametrize("modulation", qam.BITS)
def test_log_likelihood_ratios_are_the_enumeration_of_all_symbols(modulation):
    bits, n0 = qam.BITS[modulation], 0.3
    every = qam.patterns(bits)
    points = qam.modulate(every, modulation)[:, 0].to(torch.complex128)
    y = torch.complex(*torch.randn(2, 1, 5, dtype=torch.float64))
    likelihood = torch.exp(-(y[0, :, None] - points).abs().square() / n0)
    expected = [
        torch.log(likelihood[:, ~every[:, bit]].sum(dim=1) / likelihood[:, every[:, bit]].sum(dim=1))
        for bit in range(bits)
    ]
    measured = qam.llr(y.to(torch.complex64), n0, modulation)
    torch.testing.assert_close(measured, torch.stack(expected, dim=1).flatten()[None].float(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("modulation", "per_symbol"), [("BPSK", 2), ("QPSK", 1)])
def test_hard_bits_flip_as_often_as_theory_says(modulation, per_symbol):
    code = torch.randint(2, (1, 200_000)) == 1
    n0 = channels.noise_power(5)
    x = qam.modulate(code, modulation)
    flipped = (qam.llr(channels.AWGN()(x, n0), n0, modulation) < 0) != code
    expected = math.erfc(math.sqrt(per_symbol / n0 / 2)) / 2  # Q(√(2 Es/N0)) and Q(√(Es/N0))
    assert flipped.float().mean().item() == pytest.approx(expected, rel=0.1)


def test_a_fading_symbols_ratios_weigh_by_its_own_noise():
    y, n0 = torch.tensor([[0.5 + 0j, 0.5 + 0j]]), torch.tensor([[0.1, 1.0]])
    torch.testing.assert_close(qam.llr(y, n0, "BPSK"), torch.tensor([[20.0, 2.0]]))  # 4 Re(y) / n0


def test_the_table_falls_from_all_lost_to_none_and_fading_needs_a_higher_snr(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "STEP_DB", 2.0)
    table = blocks.simulate(10, lengths=(24,))
    table.to_csv(tmp_path / "blocks.csv", index=False)
    pd.testing.assert_frame_equal(blocks.read(tmp_path / "blocks.csv"), table)
    assert len(table.groupby(["channel", "bits", "modulation", "rate"])) == 2 * 4 * 4
    end = {}
    for curve, rows in table.groupby(["channel", "modulation", "rate"]):
        assert (rows["snr_db"].diff().dropna() == 2).all()
        assert rows["block_error_rate"].iloc[-1] == 0
        end[curve] = rows["snr_db"].iloc[-1]
    assert end["awgn", "BPSK", "1/2"] < end["awgn", "16-QAM", "1/2"] < end["awgn", "64-QAM", "5/6"]
    assert np.mean([end["rayleigh_fast", *c[1:]] - end[c] for c in end if c[0] == "awgn"]) > 2


def test_a_missing_or_foreign_table_is_named_with_the_fix(tmp_path):
    with pytest.raises(ValueError, match=r"none.csv does not exist; `python -m repobe block_error_rates .*none.csv`"):
        blocks.read(tmp_path / "none.csv")
    for content in ("", "a,b\n1,2\n", ",".join(blocks.COLUMNS) + "\nawgn,240,QPSK,1/2,3,1.5,10\n"):
        (tmp_path / "other.csv").write_text(content)
        with pytest.raises(ValueError, match="is not a table of block error rates"):
            blocks.read(tmp_path / "other.csv")


def table_of(*curves) -> pd.DataFrame:
    rows = [
        ("awgn", bits, modulation, rate, snr_db, lost, 100)
        for bits, modulation, rate, points in curves
        for snr_db, lost in points.items()
    ]
    return pd.DataFrame(rows, columns=blocks.COLUMNS)


def test_the_scheme_chosen_delivers_the_most_payload():
    """k = 480: QPSK holds 4 blocks of 240 bits, 16-QAM 8; at half rate 480 and 960 bits of payload."""
    table = table_of(
        (240, "QPSK", "1/2", {0: 1.0, 10: 0.0}), (240, "16-QAM", "1/2", {0: 1.0, 9: 0.19, 10: 0.1, 11: 0.05, 20: 0})
    )
    link = Coded(channels.AWGN(), 480, table)
    assert link.budget(channels.noise_power(10)) == 480 // 8  # 960 · 0.9⁸ = 413 < 480
    assert link.budget(channels.noise_power(11)) == 960 // 8  # 960 · 0.95⁸ = 637 > 480
    assert link.scheme(channels.noise_power(11)).blocks == 8
    assert link.budget(channels.noise_power(-1)) == 0
    assert Coded(channels.AWGN(), 480, table, outage=0.01).budget(channels.noise_power(11)) == 480 // 8
    assert Coded(channels.AWGN(), 59, table).budget(channels.noise_power(20)) == 0  # of 236 bits no block of 240


def test_a_scheme_that_delivers_less_payload_is_chosen_where_its_messages_are_worth_more():
    """The same two schemes at 11 dB: 60 bytes always arrive, 120 with 0.95⁸ = 0.66. Who needs 50 takes the first."""
    table = table_of(
        (240, "QPSK", "1/2", {0: 1.0, 10: 0.0}), (240, "16-QAM", "1/2", {0: 1.0, 9: 0.19, 10: 0.1, 11: 0.05, 20: 0})
    )
    n0 = channels.noise_power(11)
    for needed, taken in ((50, 60), (100, 120)):
        link = Coded(channels.AWGN(), 480, table, value=lambda size, delivery, of=needed: delivery * (size >= of))
        assert link.budget(n0) == taken
        assert link.delivery(n0) == pytest.approx(1 if taken == 60 else 0.95**8)


def test_messages_arrive_as_often_as_all_their_blocks_do():
    table = table_of((240, "QPSK", "1/2", {0: 1.0, 10: 0.2, 20: 0.1}))
    link = Coded(channels.AWGN(), 240, table)
    n0 = torch.full((20_000,), channels.noise_power(15), dtype=torch.float64)
    arrived = link.arrives(n0, torch.Generator().manual_seed(0)).double().mean().item()
    assert arrived == pytest.approx(0.85**2, abs=0.01)  # halfway between 0.2 and 0.1; two blocks


def test_blocks_that_share_one_h_are_lost_together():
    """A code that fails below 6 dB and never above it: exp(−10^0.6 · n0), however many blocks there are."""
    table = table_of((240, "QPSK", "1/2", {5.999: 1.0, 6.001: 0.0}))
    link = Coded(channels.Rayleigh(), 1200, table)
    n0 = channels.noise_power(11)
    expected = math.exp(-(10**0.6) * n0)
    assert link.delivery(n0) == pytest.approx(expected, abs=2e-3)
    arrived = link.arrives(torch.full((20_000,), n0, dtype=torch.float64), torch.Generator().manual_seed(0))
    assert arrived.double().mean().item() == pytest.approx(expected, abs=0.012)


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "bits"), EVERY)
def test_the_decoder_decides_every_bit_as_sionna_does(rate, bits):
    """The same matrix and ratios; 2, 8 and 30 iterations, near the waterfall, where many blocks fail.

    Needs a package that the suite does without:
    uv run --with sionna-no-rt==2.2.0 python -m pytest tests/test_ldpc.py -m slow
    """
    ldpc = pytest.importorskip("sionna.phy.fec.ldpc")
    code, generator = Code(rate, bits), torch.Generator().manual_seed(2)
    codeword = code.encode(torch.randint(2, (200, code.message), generator=generator) == 1)
    n0 = {"1/2": 0.78, "2/3": 0.5, "3/4": 0.4, "5/6": 0.3}[rate]
    y = channels.AWGN()(qam.modulate(codeword, "QPSK"), n0, generator)
    llr = qam.llr(y, n0, "QPSK")
    for iterations in (2, 8, 30):
        theirs = ldpc.LDPCBPDecoder(
            code.matrix(),
            cn_update="minsum",
            num_iter=iterations,
            llr_max=None,
            c2v_callbacks=[lambda message, iteration: 0.8 * message],
            device="cpu",
        )(-llr)
        mine, holds = code.decode(llr, iterations)
        failed = (mine != codeword).any(dim=1)
        assert 0 < failed.sum() <= 200
        differs = (mine != (theirs == 1)).any(dim=1)
        # Sums in another order: a ratio near 0 may fall on its other side, seen in at most two blocks, a bit in each.
        assert differs[~holds].sum() <= 4
        assert (mine != (theirs == 1))[~holds].sum() <= 8
        assert differs[holds].sum() <= 2  # theirs goes on where mine stops, and now and then leaves the codeword
        assert abs(failed.sum() - (codeword != (theirs == 1)).any(dim=1).sum()) <= 2
