"""System: one transmitter, the air, one receiver.

image ─ resize to S×S ─ encoder ─ pair, unit power ─ shuffle by key ─▶ Symbols
Symbols ─ unshuffle by key ─ features ─ decoder ─▶ logits or image
"""

import torch
from torch import Tensor, nn

from repobe.cipher.keys import Key
from repobe.cipher.obfuscation import decrypt, shuffle
from repobe.images.resizing import resize
from repobe.phy.channel import Channel
from repobe.phy.mapping import features, symbols
from repobe.systems.networks import ATTENTION_BLOCKS, FEATURES, ClassDecoder, encoder, image_decoder


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
