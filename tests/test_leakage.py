import torch

from repobe.attacks.leakage import BINS, DeepSet, _statistics, from_histogram, from_multiset, multiset
from repobe.phy.mapping import symbols


def test_a_deep_set_does_not_see_the_order_of_places():
    network, places = DeepSet(4, 10), torch.randn(3, 16, 4)
    torch.testing.assert_close(network(places[:, torch.randperm(16)]), network(places))


def test_a_multiset_holds_each_place_of_the_feature_map_once():
    maps = torch.arange(32.0).reshape(1, 4, 2, 4)
    places = multiset(symbols(maps), (2, 4))
    assert places.shape == (1, 8, 4)
    scale = 2**0.5 / maps.square().mean().sqrt() / 2
    torch.testing.assert_close(places[0, 5], maps.flatten(2)[0, :, 5] * scale)


def test_statistics_count_places_in_bins_and_energy_worked_by_hand():
    # One channel, edges 1 … 15: places 0.5, 0.5, 2.5, 99 fall into bins 0, 0, 2, 15.
    edges = torch.arange(1.0, BINS)[:, None]
    row = _statistics(torch.tensor([[[0.5], [0.5], [2.5], [99.0]]]), edges)[0]
    assert row[[0, 2, 15]].tolist() == [0.5, 0.25, 0.25]
    assert row[:16].sum() == 1
    torch.testing.assert_close(row[16], torch.tensor((0.25 + 0.25 + 6.25 + 99**2) / 4))


def test_a_class_written_into_the_symbols_is_read_in_any_order():
    """Class 1 has places twice as spread: both inferences find it; labels at random, neither."""
    generator = torch.Generator().manual_seed(0)
    label = torch.randint(2, (600,), generator=generator)
    places = torch.randn(600, 32, 4, generator=generator) * (1 + label)[:, None, None]
    noise = torch.randint(2, (600,), generator=generator)
    for infer in (from_multiset, from_histogram):
        for truth, low, high in ((label, 0.95, 1), (noise, 0.35, 0.65)):
            logits = infer(places[:400], truth[:400], places[400:], 2, 10, generator)
            assert low <= (logits.argmax(1) == truth[400:]).float().mean() <= high
