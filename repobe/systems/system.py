"""System: a transmitter, a channel and a receiver, and the paper's system.

image ─ resize to S×S ─ encoder ─ pair, unit power ─ shuffle by key ─▶ Symbols
Symbols ─ unshuffle by key ─ features ─ decoder ─▶ logits or image
"""

import torch
from torch import Tensor, nn

from repobe.cipher.interface import MessageKeys
from repobe.cipher.keys import Key
from repobe.cipher.obfuscation import decrypt, shuffle
from repobe.images.resizing import resize
from repobe.phy.channel import Channel
from repobe.phy.mapping import features, symbols
from repobe.systems.networks import ATTENTION_BLOCKS, FEATURES, ClassDecoder, encoder, image_decoder


class System(nn.Module):
    """The interface of every method. An eavesdropper sees what is on the air and nothing else.

    image_size: S in pixels; k: channel uses of an image; grid: (H, W) of the feature map that a key shuffles, or (1, 1)
    where symbols have no places. Both ends know the SNR: n0 is the noise power per complex symbol, a float or Float[b].
    digital: the air carries bits of a public code, which an eavesdropper decodes as well as the receiver; then
    `transmit` returns decoded images in place of Symbols, and `carried` decides which of them arrive.
    random_transmitter: `transmit` draws random numbers, so that two transmissions of an image differ.
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
        key: MessageKeys | None = None,
        n0: float | Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Image [b, c, h, w] in [0, 1] to Symbols Complex[b, k] with mean power 1 for each image.

        n0: for transmitters that adapt to the SNR; generator: for those that draw random numbers.
        """
        raise NotImplementedError

    def receive(self, symbols: Tensor, key: MessageKeys | None = None, n0: float | Tensor | None = None) -> Tensor:
        """Equalised Symbols to Logits [b, classes] or Image [b, c, S, S]."""
        raise NotImplementedError

    def carried(self, symbols: Tensor, n0: float | Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The input of `receive` for Symbols after one draw of the channel, before any key; the same shape."""
        return self.channel(symbols, n0, generator)

    def deliver(
        self,
        symbols: Tensor,
        n0: float | Tensor,
        key: MessageKeys | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """receive ∘ channel: the output of the receiver for Symbols, after one draw of the channel."""
        return self.receive(self.carried(symbols, n0, generator), key, n0)

    def forward(
        self,
        image: Tensor,
        n0: float | Tensor,
        key: MessageKeys | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """receive ∘ channel ∘ transmit."""
        return self.deliver(self.transmit(image, key, n0, generator), n0, key, generator)


class SemanticSystem(System):
    """The paper's system (Fig. 1): encoder, shuffle, and the decoder for classes or for images."""

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
        """Received Symbols, shuffled back, as the feature map [b, 4, S/8, S/8] that the decoder reads."""
        self._check(key)
        return features(shuffle(received, key, decrypt), self.grid)

    def _check(self, key: Key | None) -> None:
        """ValueError unless height and width fit: a 2×8 key has as many places as a 4×4 map."""
        if key is not None and key.shape != self.grid:
            raise ValueError("key is for {}×{} places, the feature map has {}×{}".format(*key.shape, *self.grid))

    def receive(self, symbols, key=None, n0=None) -> Tensor:
        return self.decoder(self.places(symbols, key))

    def embed(
        self,
        image: Tensor,
        n0: float | Tensor,
        key: Key | None = None,
        generator: torch.Generator | None = None,
        twins: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """(embedding z [b, 256], logits [b, classes]) of one transmission, for losses that use both.

        twins: the second half of the batch gets the same channel draw as the first.
        """
        sent = self.transmit(image, key)
        draw = self.channel.draw_twice(sent, generator) if twins else self.channel.draw(sent, generator)
        z = self.decoder.embed(self.places(self.channel.apply(sent, n0, draw), key))
        return z, self.decoder.head(z)
