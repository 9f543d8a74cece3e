"""RepObE (IJCAI 2025): a benchmark and reproduction suite for encrypted semantic communication of images.

The public API sends your own images through a trained run:

    import repobe
    run = repobe.load("results/runs/digits/awgn/repobe/seed0")
    symbols = run.transmit(images)
    images_or_logits = run.receive(run.channel(symbols, snr_db=7))

Everything else in this package is internal. Torch is imported by `load`, not by `import repobe`.
"""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from os import PathLike

    import torch
    from torch import Tensor

    from repobe.images.datasets import Data
    from repobe.runs.spec import Spec
    from repobe.training.method import Method

__all__ = ["Run", "Transmission", "load"]


@dataclass(frozen=True, eq=False)
class Transmission:
    """Messages on the air, with their sender and their message numbers, which the receiver needs to read them.

    symbols: Complex[b, k], with mean power 1 for each message as sent; for a digital run (JPEG2000), the decoded images
    Float[b, c, n, n] instead, because its code is public. run: the folder of the run that sent them. session, first:
    message i has the number first + i in that session; with a key for each message, this number decides the key.
    snr_db: None before the channel; for a digital run, the SNR that it was coded for. received: whether the symbols
    have crossed the channel.

    To put in symbols of your own, for instance after a channel of your own, use dataclasses.replace.
    """

    symbols: Tensor = field(repr=False)
    run: str
    session: str
    first: int
    snr_db: float | None = None
    received: bool = False

    def __len__(self) -> int:
        return len(self.symbols)


class Run:
    """A trained run: its transmitter, its channel and its receiver, with their shared keys. `load` makes it.

    spec: describes the run; method: the trained Method, for what this class does not offer (gradients, for instance);
    data: the run's dataset; data.test is (uint8 [n, c, h, w], labels int64 [n]).
    """

    def __init__(self, spec: Spec, method: Method, data: Data, folder: str, session: str) -> None:
        self.spec, self.method, self.data = spec, method, data
        self._folder, self._session, self._sent, self._attacked = folder, session, 0, 0

    def __repr__(self) -> str:
        return f"<repobe.Run {self._folder}: {self.spec.task}, S = {self.spec.image_size}, k = {self.method.system.k}>"

    def transmit(
        self, images: Tensor, snr_db: float | None = None, generator: torch.Generator | None = None
    ) -> Transmission:
        """Encodes images, encrypts them if the run has a key, and returns what is on the air.

        images: Image [b, c, h, w] of any size h×w, resized to S×S; c as in the run's dataset. Floating point in [0, 1],
        or uint8, which is divided by 255; a tensor on any device, or an array. snr_db: only for a digital run, which
        chooses its code by the SNR. generator: gives random transmitters their numbers; on the run's device. Every call
        uses fresh message numbers and so, with a key for each message, fresh keys.

        ValueError: another shape, number of channels or type, a value outside [0, 1] or NaN, snr_db missing or no
        number, or a generator of another device.
        """
        import torch

        from repobe.images.resizing import gathered
        from repobe.phy.channels import noise_power
        from repobe.stages.transmission import batches

        system = self.method.system
        if system.digital and snr_db is None:
            raise ValueError("this run chooses its code by the SNR: give transmit and channel the same snr_db")
        image = self._checked(images)
        n0 = None if snr_db is None else noise_power(_decibels(snr_db))
        _check_device(generator, self.data.device)
        keys = self.method.keys.session(self._session)
        key, first = keys.sending(self._sent, len(image)), self._sent
        self._sent += len(image)
        with torch.no_grad():
            cut = batches(self.method, len(image))
            sent = gathered((system.transmit(image[p], key and key[p], n0, generator) for p in cut), len(image))
        coded_for = snr_db if system.digital else None
        return Transmission(sent, self._folder, self._session, first, coded_for)

    def channel(self, symbols: Transmission, snr_db: float, generator: torch.Generator | None = None) -> Transmission:
        """One draw of the run's channel: fading if it has any, noise, and the equaliser if the receiver knows h.

        symbols: what `transmit` returned. snr_db: the average SNR of a complex symbol in dB, 10 log10(1/n0). generator:
        for the draw, on the run's device (default: torch's global one); equal seeds and shapes give equal draws.

        ValueError: an SNR that is no number, symbols that have crossed the channel already, another run's symbols, a
        digital run's symbols that were coded for another SNR, or a generator of another device.
        """
        import torch

        from repobe.phy.channels import noise_power

        self._check(symbols)
        _check_device(generator, self.data.device)
        n0 = noise_power(_decibels(snr_db))
        if symbols.received:
            raise ValueError("these symbols have crossed the channel already; give channel what transmit gave")
        if symbols.snr_db not in (None, snr_db):
            raise ValueError(f"these messages are coded for {symbols.snr_db:g} dB, not for {snr_db:g} dB")
        with torch.no_grad():
            heard = self.method.system.carried(symbols.symbols, n0, generator)
        return replace(symbols, symbols=heard, snr_db=snr_db, received=True)

    def receive(self, heard: Transmission, key: bool = True) -> Tensor:
        """What the receiver reads: Logits [b, classes], or for a reconstruction run Image [b, c, S, S] in [0, 1].

        heard: what `channel` returned; it holds its message numbers, so the receiver always takes the right keys. key:
        False decodes without the key, like an eavesdropper who has only the receiver's network; without a cipher it
        changes nothing. The result is on the run's device.

        ValueError: symbols that have not crossed the channel, or another run's.
        """
        import torch

        from repobe.images.resizing import gathered
        from repobe.phy.channels import noise_power
        from repobe.stages.transmission import batches

        self._check(heard)
        if not heard.received or heard.snr_db is None:
            raise ValueError("these symbols have not crossed the channel; give receive what channel gave")
        keys = self.method.keys.session(heard.session).receiving(heard.first, len(heard)) if key else None
        n0, cut = noise_power(heard.snr_db), batches(self.method, len(heard))
        with torch.no_grad():
            parts = (self.method.system.receive(heard.symbols[p], keys and keys[p], n0) for p in cut)
            return gathered(parts, len(heard))

    def test(self, images: int) -> tuple[Tensor, Tensor]:
        """(Image [n, c, S, S] in [0, 1], labels int64 [n]), on the run's device: the first test images in the order of
        the suite's attacks, of which every prefix holds all classes evenly (D29).

        ValueError: images below 1, or more than the test split has.
        """
        from repobe.images.resizing import images as resized

        pixels, label = self.data.test
        if not 1 <= images <= len(label):
            raise ValueError(f"images is {images}; the test split has {len(label)}")
        return resized(pixels[:images], self.spec.image_size), label[:images]

    def classifier(self, snr_db: float, draws: int = 1, generator: torch.Generator | None = None) -> torch.nn.Module:
        """The whole link as a classifier to attack: Image [b, c, S, S] in [0, 1] to Logits [b, classes].

        Differentiable, with the run's keys, as in the suite's white-box attacks. Each call draws the channel anew,
        `draws` times for each image. The logits of several draws are the log of their mean probability, so that one
        gradient is an expectation over transformation (Athalye et al. 2018). generator: for the draws, on the run's
        device.

        ValueError: a reconstruction run, an SNR that is no number, draws below 1, or a generator of another device.
        """
        import torch

        from repobe.attacks.noisy import NoisyClassifier
        from repobe.phy.channels import noise_power

        if self.spec.task != "classification":
            raise ValueError(f"{self._folder} reconstructs images; only a run that classifies is a classifier")
        if generator is None:
            generator = torch.Generator(self.data.device).manual_seed(int(torch.randint(2**62, ())))
        _check_device(generator, self.data.device)
        if draws < 1:
            raise ValueError(f"draws is {draws}; it counts draws of the channel, one or more")
        self._attacked += 1
        keys = self.method.keys.session("api", "attack", self._attacked)  # no key serves in two classifiers
        return NoisyClassifier(self.method.system, noise_power(_decibels(snr_db)), keys, generator).over(draws).eval()

    def _check(self, symbols: Transmission) -> None:
        if not isinstance(symbols, Transmission):
            given = type(symbols).__name__
            raise ValueError(f"symbols are a Transmission, as transmit and channel give it, not {given}")
        if symbols.run != self._folder:
            raise ValueError(f"these symbols are from {symbols.run}; {self._folder} has another key and network")

    def _checked(self, images: Tensor) -> Tensor:
        """Float[b, c, S, S] in [0, 1] on the run's device."""
        import torch

        from repobe.images.resizing import resize

        try:
            image = torch.as_tensor(images)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"images are a tensor or an array [b, c, h, w] ({str(error).splitlines()[0]})") from None
        colours = self.data.colours
        if image.dim() != 4 or image.shape[1] != colours or 0 in image.shape:
            raise ValueError(f"images have the shape [b, {colours}, h, w] for this run, not {[*image.shape]}")
        if image.dtype == torch.uint8:
            image = image.float() / 255
        if not image.is_floating_point():
            raise ValueError(f"images are floating point in [0, 1] or uint8, not {image.dtype}")
        if not ((image >= 0) & (image <= 1)).all():  # NaN is neither
            raise ValueError("images have values outside [0, 1] or NaN; bytes must be of type uint8")
        return resize(image.float().to(self.data.device), self.spec.image_size).clamp(0, 1)


def load(run: str | PathLike[str], device: str = "auto", session: str = "api") -> Run:
    """Opens a trained run.

    run: its folder, <results>/runs/<dataset>/<channel>/<method>/seed<k>; the dataset's file must be in <results>/data,
    where training left it. Or the name of a model of the zoo, such as mnist224/awgn/repobe; its dataset is
    made from the folder REPOBE_DATA, or downloaded, at its first use. device: cpu, cuda, cuda:1 …; auto takes a GPU if
    there is one. Torch is set to the run's number of threads, so that results equal those of its evaluation. session: a
    name that both ends agree on; its messages are numbered from 0. Session and number determine a message's own key. So
    a run that is loaded again under the same session reuses its keys, which makes an experiment repeatable. Give each
    session its own name.

    ValueError: a file is missing, misplaced or damaged, or torch cannot use the device; the message names it.
    """
    from repobe.stages.opening import open_run
    from repobe.zoo import folder_of

    opened = open_run(folder_of(run) / "spec.yaml", device)
    return Run(opened.spec, opened.trained(), opened.data, str(opened.folder.resolve()), session)


def _decibels(snr_db: float) -> float:
    if not isinstance(snr_db, numbers.Real) or not math.isfinite(snr_db):  # NumPy's numbers, too
        raise ValueError(f"snr_db is a finite number in dB, not {snr_db!r}")
    return snr_db


def _check_device(generator: torch.Generator | None, device: torch.device) -> None:
    if generator is not None and generator.device.type != device.type:
        fix = f"make it with torch.Generator({device.type!r})"
        raise ValueError(f"the generator is on {generator.device}, the run on {device}; {fix}")
