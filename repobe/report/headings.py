"""Headings of panels: names and order of datasets and channels, and the choice of a panel's dataset."""

from collections.abc import Iterable

import pandas as pd

from repobe.verdicts import paper

TITLES = paper.TITLES | {
    "digits": "digits (stand-in for MNIST)",
    "digits_rgb": "digits_rgb (stand-in for CIFAR-10)",
    "fashion_mnist": "Fashion-MNIST",
    "kmnist": "KMNIST",
    "cifar100": "CIFAR-100",
}
NOTHING = "Nothing of this figure has run."  # the description of an empty figure, by which the page knows it
NOTE = " Note: "  # stands before what a reader must know, at the end of a description


def panel_title(dataset: str, channel: str | None = None) -> str:
    """The heading of a panel: its dataset, and its channel where one is given."""
    name = TITLES.get(dataset, dataset)
    return name if channel is None else f"{name}, {channel_title(channel)}"


def sized_title(dataset: str, channel: str, sizes: Iterable[float]) -> str:
    """The heading of a panel with each image size S that it shows."""
    return ", ".join([panel_title(dataset, channel), *(f"{size}×{size}" for size in sorted({*map(int, sizes)}))])


def channel_title(channel: str) -> str:
    """The channel's name in full."""
    return paper.CHANNEL_TITLES.get(channel, channel.replace("_", " "))


def over_channel(text: str) -> str:
    """`necst over awgn at 7 dB` with the names of the channels in full; a text without `over` as it is."""
    before, over, after = text.partition(" over ")
    channel, at, snr = after.partition(" at ")
    names = " and ".join(channel_title(one) for one in channel.split(" and "))
    return f"{before}{over}{names}{at}{snr}" if over else text


def datasets_in_order(datasets) -> list[str]:
    """Each dataset once: the paper's, then their stand-ins, then others by name."""
    known = list(TITLES)
    return sorted(set(datasets), key=lambda name: (known.index(name) if name in known else len(known), name))


def settings_in_order(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Each (dataset, channel) once: datasets as in `datasets_in_order`, then channels by name."""
    pairs = set(pairs)
    order = datasets_in_order(dataset for dataset, _ in pairs)
    return sorted(pairs, key=lambda pair: (order.index(pair[0]), pair[1]))


def on_one_channel(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of each dataset over one channel: AWGN where the dataset has it, else its first channel by name."""

    def chosen(channels: pd.Series) -> str:
        return "awgn" if (channels == "awgn").any() else min(channels)

    return frame[frame["channel"] == frame.groupby("dataset")["channel"].transform(chosen)]


def shared(settings: dict[str, str]) -> str:
    """The setting that all datasets share; if they differ, each dataset's own after its name."""
    if len(set(settings.values())) == 1:
        return next(iter(settings.values()))
    return "; ".join(f"{panel_title(dataset)}: {setting}" for dataset, setting in settings.items())


def dataset_shown(dataset: str, datasets: set[str]) -> str:
    """The stand-in if it has run and the paper's dataset has not; else the paper's dataset."""
    stand_in = paper.STAND_INS[dataset]
    return stand_in if dataset not in datasets and stand_in in datasets else dataset


def image_count(rows: pd.DataFrame) -> str:
    """The number of images behind each mean: 2,000, or 200/500 if rows differ."""
    return "/".join(f"{n:,}" for n in sorted(set(rows["n"])))
