"""How fast JPEG2000 codes CIFAR-10 on one core, and how good 1568 symbols' worth of it is at each SNR.

REPOBE_DATA=… python -m benchmarks.jpeg2000 [dataset] [images]      cifar10 and 1000 test images, unless said otherwise
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import torch

from repobe.images import datasets as data
from repobe.images.metrics import psnr_db
from repobe.images.resizing import images, resize
from repobe.phy.channels import AWGN, FastRayleigh, Rayleigh, noise_power
from repobe.phy.links import Ideal
from repobe.systems.jpeg2000 import Codec

SNR_DB = (7, 11, 15, 19, 23)
K = 1568  # RepObE's at S = 224
TARGET = 500  # CIFAR images a second on one core, coded and decoded (issue 4)


def main(name: str = "cifar10", count: int = 1000) -> None:
    """Prints a table of rates and PSNR, and the rate beside the target."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.safetensors"
        data.build(name, Path(os.environ["REPOBE_DATA"]) if "REPOBE_DATA" in os.environ else None, path)
        pixels = data.load(path).test[0][:count]
    codec = Codec(pixels.shape[1], pixels.shape[2])
    clean = pixels.float() / 255
    print(f"{name}: {len(pixels)} test images of {pixels[0].numel()} bytes, header of {codec.header} bytes not sent")
    print("link            dB  budget  mean sent  none fits  mean of PSNR  PSNR of mean error  images/s  cores busy")
    rates = []
    for link in (Ideal(AWGN(), K), Ideal(FastRayleigh(), K), Ideal(Rayleigh(), K)):
        for snr_db in SNR_DB:
            budget = link.budget(noise_power(snr_db))
            began, cpu = time.perf_counter(), time.process_time()
            messages = [codec.encode(image, budget) for image in pixels]
            decoded = [None if message is None else codec.decode(message) for message in messages]
            seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
            sent = [i for i, image in enumerate(decoded) if image is not None]
            shown = torch.stack([decoded[i] for i in sent]).float() / 255
            psnr = psnr_db(shown, clean[sent])
            error = (shown - clean[sent]).square().mean()
            length = sum(len(messages[i]) for i in sent) / len(sent)
            rates.append(len(pixels) / cpu)
            print(
                f"{type(link.channel).__name__:13}  {snr_db:3}  {budget:6}  {length:9.1f}  {len(pixels) - len(sent):9}"
                f"  {psnr[psnr.isfinite()].mean():12.2f}  {-10 * error.log10():18.2f}  {rates[-1]:8.0f}"
                f"  {cpu / seconds:10.2f}"
            )
    print(f"messages that did not decode: {codec.failures}")
    print(f"coded and decoded by one core, at the slowest budget: {min(rates):.0f} images/s; target {TARGET}")
    for size in (64, 224):
        back = psnr_db(resize(images(pixels[:200], size), pixels.shape[2]), clean[:200])
        print(f"a perfect image at S = {size}, resized back to {pixels.shape[2]} pixels: {back.mean():.2f} dB")


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
