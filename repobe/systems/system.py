"""System: one transmitter, the air, one receiver.

image ─ resize to S×S ─ encoder ─ pair, unit power ─ shuffle by key ─▶ Symbols
Symbols ─ unshuffle by key ─ features ─ decoder ─▶ logits or image
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from repobe.cipher.obfuscation import Key, decrypt, encrypt
from repobe.phy.channels import Channel, normalise_power
from repobe.systems.networks import ATTENTION_BLOCKS, FEATURES, ClassDecoder, encoder, image_decoder


def resize(image: Tensor, size: int) -> Tensor:
    """[b, c, h, w] to [b, c, size, size], bilinear and antialiased; the identity where it fits already (D5)."""
    if image.shape[-2:] == (size, size):
        return image
    return interpolate(image, size=(size, size), mode="bilinear", align_corners=False, antialias=True)


class System(nn.Module):
    """The interface of every method: what is on the air is all that an eavesdropper sees.

    image_size is S in pixels; k the channel uses of an image; grid (H, W) the feature map that a key shuffles, (1, 1)
    where symbols have no places. Both ends know the SNR: n0 is the noise power per complex symbol, a float or Float[b].
    digital: bits of a public code are on the air, which whoever hears them decodes as well as the receiver; `transmit`
    then gives not Symbols but what `deliver` makes of them.
    random_transmitter: `transmit` draws something, so that no two transmissions of an image are alike.
    """

    image_size: int
    k: int
    grid: tuple[int, int] = (1, 1)
    digital: bool = False
    random_transmitter: bool = False
    channel: Channel

    def transmit(
        self,
        image: Tensor,
        key: Key | None = None,
        n0: float | Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Image [b, c, h, w] in [0, 1] to Symbols Complex[b, k] of unit power per image.

        n0 is for transmitters that adapt to the SNR, the generator for those that draw something.
        """
        raise NotImplementedError

    def receive(self, symbols: Tensor, key: Key | None = None, n0: float | Tensor | None = None) -> Tensor:
        """Equalised Symbols to Logits [b, classes] or Image [b, c, S, S]."""
        raise NotImplementedError

    def deliver(
        self,
        symbols: Tensor,
        n0: float | Tensor,
        key: Key | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """receive ∘ channel: what the receiver makes of Symbols after one channel draw."""
        return self.receive(self.channel(symbols, n0, generator), key, n0)

    def forward(
        self,
        image: Tensor,
        n0: float | Tensor,
        key: Key | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """receive ∘ channel ∘ transmit."""
        return self.deliver(self.transmit(image, key, n0, generator), n0, key, generator)


def symbols(features: Tensor) -> Tensor:
    """Real features [b, 2m, H, W] as Complex[b, H·W·m] of unit power: the m symbols of a place stand together (D13).

    Channels 2a and 2a+1 are the real and the imaginary part of a place's symbol a, so that the shuffle of places is one
    of symbols. Free of copies where the features are channels last.
    """
    features = features.float() if features.dtype == torch.bfloat16 else features  # the air is never rounded to it
    places = features.permute(0, 2, 3, 1).unflatten(3, (-1, 2)).contiguous()
    return normalise_power(torch.view_as_complex(places).flatten(1))


def features(symbols: Tensor, grid: tuple[int, int]) -> Tensor:
    """Complex[b, H·W·m] back to real [b, 2m, H, W], channels last."""
    places = torch.view_as_real(symbols.unflatten(1, (*grid, -1))).flatten(3)
    return places.permute(0, 3, 1, 2)


def shuffle(symbols: Tensor, key: Key | None, move=encrypt) -> Tensor:
    """Moves the H·W places of Complex[b, H·W·m] by the key; no key, no shuffle."""
    if key is None:
        return symbols
    height, width = key.shape
    places = height * width
    if symbols.shape[1] % places:
        raise ValueError(f"key is for {height}×{width} places, the message has {symbols.shape[1]} symbols")
    return move(symbols.unflatten(1, (places, -1)), key).flatten(1)


class SemanticSystem(System):
    """The paper's system (Fig. 1): its encoder, its shuffle, and a decoder of either kind."""

    def __init__(
        self,
        colours: int,
        classes: int,
        image_size: int,
        channel: Channel,
        reconstruct: bool = False,
        attention_blocks: int = ATTENTION_BLOCKS,
    ) -> None:
        super().__init__()
        self.image_size, self.channel = image_size, channel
        self.grid = (image_size // 8, image_size // 8)
        self.k = FEATURES // 2 * self.grid[0] * self.grid[1]
        self.encoder = encoder(colours, attention_blocks)
        self.decoder = image_decoder(colours) if reconstruct else ClassDecoder(classes)

    def transmit(self, image, key=None, n0=None, generator=None) -> Tensor:
        self._check(key)
        return shuffle(symbols(self.encoder(resize(image, self.image_size))), key)

    def places(self, received: Tensor, key: Key | None = None) -> Tensor:
        """Received Symbols as the feature map [b, 4, S/8, S/8] that the decoder reads."""
        self._check(key)
        return features(shuffle(received, key, decrypt), self.grid)

    def _check(self, key: Key | None) -> None:
        """Both ends: H×W and not the number of places alone, which a 2×8 key shares with a 4×4 map."""
        if key is not None and key.shape != self.grid:
            raise ValueError("key is for {}×{} places, the feature map has {}×{}".format(*key.shape, *self.grid))

    def receive(self, symbols, key=None, n0=None) -> Tensor:
        return self.decoder(self.places(symbols, key))

    def embed(self, image: Tensor, n0: float | Tensor, key: Key | None = None, generator=None) -> tuple[Tensor, Tensor]:
        """(z [b, 256], logits [b, classes]) of one transmission, for losses on both."""
        z = self.decoder.embed(self.places(self.channel(self.transmit(image, key), n0, generator), key))
        return z, self.decoder.head(z)
