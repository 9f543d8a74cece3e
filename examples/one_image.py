"""Sends one test image through a trained run and draws its way: in, on the air, at the receiver, at an eavesdropper.

python -m examples.one_image results/runs/digits/awgn/repobe_reconstruction/seed0 one_image.png --snr-db 7

The eavesdropper hears the same symbols and has the receiver's network, but not the key.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ["MPLBACKEND"] = "agg"  # draws to files: without a display too, and with a notebook's backend in the variable

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from torch import Tensor

import repobe
from repobe.images.resizing import images as at_size
from repobe.stages.transmission import fidelity

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#999999"  # Okabe and Ito: told apart without colour vision


def main(arguments: list[str] | None = None) -> int:
    """Draws the picture; a mistake is one line on stderr and exit code 2."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="the folder of a trained run")
    parser.add_argument("out", type=Path, help="the picture to write, .png, .pdf or .svg")
    parser.add_argument("--number", type=int, default=0, help="which test image; default: the first")
    parser.add_argument("--snr-db", type=float, default=15.0, help="default: 15")
    parser.add_argument("--seed", type=int, default=0, help="of the channel's draw; default: 0")
    o = parser.parse_args(arguments)
    try:
        draw(repobe.load(o.run), o.out, o.number, o.snr_db, o.seed)
    except (ValueError, OSError) as error:
        print(f"one_image: {error}", file=sys.stderr)
        return 2
    return 0


def draw(run: repobe.Run, out: Path, number: int, snr_db: float, seed: int) -> None:
    """Writes the picture of one test image's way to `out`; ValueError if there is no such image or nothing to draw."""
    pixels, labels = run.data.test
    if not 0 <= number < len(labels):
        raise ValueError(f"--number {number}: the test images have the numbers 0 to {len(labels) - 1}")
    if run.method.system.digital:
        raise ValueError(f"{run.spec.label} sends bits of a public code: it has no symbols and no key to draw")
    image, label = at_size(pixels[number : number + 1], run.spec.image_size), int(labels[number])

    sent = run.transmit(image)
    heard = run.channel(sent, snr_db, torch.Generator(run.data.device).manual_seed(seed))
    arrived, overheard = run.receive(heard), run.receive(heard, key=False)

    figure, axes = plt.subplots(1, 5, figsize=(15, 3.6), layout="constrained")
    show_image(axes[0], image, f"what goes in:\nclass {label}")
    show_constellation(
        axes[1], sent.symbols, heard.symbols, f"on the air: {run.method.system.k} symbols\nat {snr_db:g} dB"
    )
    show_places(axes[2], heard.symbols, run.method.system.grid, "on the air: power\nby place of the feature map")
    for panel, output, who in (
        (axes[3], arrived, "the receiver,\nwith the key"),
        (axes[4], overheard, "an eavesdropper,\nwithout the key"),
    ):
        if run.spec.task == "reconstruction":
            quality = fidelity(output, image)["psnr_db"].item()
            show_image(panel, output, f"{who}: PSNR {quality:.1f} dB")
        else:
            show_classes(panel, output, label, who)
    spec = run.spec
    figure.suptitle(f"{spec.label} over {spec.channel}: {spec.dataset} at {spec.image_size}×{spec.image_size} pixels")
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=150)
    plt.close(figure)


def show_image(axes: Axes, image: Tensor, title: str) -> None:
    """Image [1, c, h, w] in [0, 1]: 1 is white."""
    shown = image[0].permute(1, 2, 0).cpu().numpy()
    axes.imshow(shown, cmap="gray", vmin=0, vmax=1)
    axes.set_title(title)
    axes.axis("off")


def show_constellation(axes: Axes, sent: Tensor, heard: Tensor, title: str) -> None:
    """Complex[1, k] as sent, and after the channel and its equaliser, in the complex plane."""
    for symbols, colour, size, name in ((heard, ORANGE, 12, "received"), (sent, BLUE, 12, "sent")):
        x = symbols[0].cpu().numpy()
        axes.scatter(x.real, x.imag, s=size, color=colour, alpha=0.7, linewidths=0, label=name)
    moved = torch.stack([sent[0], heard[0]]).cpu().numpy()
    axes.plot(moved.real, moved.imag, color=GREY, linewidth=0.8, zorder=1)  # what the noise did to each
    axes.axhline(0, color=GREY, linewidth=0.6, zorder=0)
    axes.axvline(0, color=GREY, linewidth=0.6, zorder=0)
    axes.set_aspect("equal", "datalim")
    axes.set(xlabel="real part", ylabel="imaginary part", title=title)
    axes.legend(fontsize="small")


def show_places(axes: Axes, heard: Tensor, grid: tuple[int, int], title: str) -> None:
    """The mean power |x|² of the symbols of each place, in the order in which the air has them: a key moved them."""
    if grid == (1, 1):
        axes.set_title("(its symbols have no places)")
        axes.axis("off")
        return
    power = heard[0].abs().square().unflatten(0, (*grid, -1)).mean(dim=2)
    drawn = axes.imshow(power.cpu().numpy(), cmap="viridis", vmin=0)
    axes.figure.colorbar(drawn, ax=axes, shrink=0.75)
    axes.set_title(title)
    axes.set(xticks=[], yticks=[])


def show_classes(axes: Axes, logits: Tensor, label: int, title: str) -> None:
    """The probability of every class; the right one is blue."""
    probability = logits[0].softmax(dim=0).cpu().numpy()
    axes.bar(
        range(len(probability)), probability, color=[BLUE if c == label else GREY for c in range(len(probability))]
    )
    axes.set(ylim=(0, 1), xlabel="class", ylabel="probability", title=title)
    if len(probability) <= 20:
        axes.set_xticks(range(len(probability)))


if __name__ == "__main__":
    sys.exit(main())
