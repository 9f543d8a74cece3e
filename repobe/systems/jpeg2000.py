"""JPEG2000 as a source coder: an image in at most a given number of bytes, without what the receiver can rebuild.

codestream = main header ─ comment ─ tile header with one length ─ packets ─ end marker

Only the packets are sent. Everything before them, except the length, is the same for all images of one size. The
decoder stops at the end of the packets, so zeros after them change nothing, and the receiver fills in the length of the
message as it arrives. The settings were chosen by measurement on CIFAR-10.
"""

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

RESOLUTIONS = 3  # levels of the wavelet transform: Pillow's six are of no use at 28 or 32 pixels
COMMENT = b"\xff\x64"  # the marker of the segment with the name of the encoder
TILE = b"\xff\x90"
LENGTH = slice(6, 10)  # place of the tile part's length, from its marker on (ISO/IEC 15444-1, A.4.2)
TILE_HEADER = 14  # bytes, with the start-of-data marker
END = b"\xff\xd9"


class Codec:
    """Codes uint8 images [C, size, size], C 1 or 3. `failures` counts messages that decode to no such image."""

    def __init__(self, colours: int, size: int) -> None:
        self.colours, self.size, self.failures = colours, size, 0
        probe = self._codestream(np.zeros((size, size, colours), np.uint8), 1)
        self.main, comment = b"", b""
        position = 2  # after the start marker
        while probe[position : position + 2] != TILE:
            following = position + 2 + int.from_bytes(probe[position + 2 : position + 4], "big")
            if probe[position : position + 2] == COMMENT:
                comment = probe[position:following]
            else:
                self.main += probe[position:following]
            position = following
        self.main = probe[:2] + self.main
        self.comment = len(comment)
        self.tile = probe[position : position + TILE_HEADER]

    @property
    def header(self) -> int:
        """Bytes of a codestream's headers, without the comment (98 in colour); not sent."""
        return len(self.main) + len(self.tile)

    def encode(self, pixels: Tensor, budget: int) -> bytes | None:
        """The packets of the largest codestream of uint8 [C, size, size] that fit `budget` bytes; None if none do.

        The rate that OpenJPEG is asked for includes the main header and the comment, but not the header of the tile. It
        rounds bytes up in single precision, so half a byte less is asked for.
        """
        image = np.ascontiguousarray(pixels.permute(1, 2, 0).numpy())
        rate = image.size / (max(budget, 0) + len(self.main) + self.comment - 0.5)
        # Rate 1 keeps everything. If that is too much, 1.001 asks for the smallest possible loss.
        for asked in (max(rate, 1.0), max(rate, 1.001)):
            packets = self._codestream(image, asked)[self.header + self.comment : -len(END)]
            if len(packets) <= budget:
                return packets
        return None

    def decode(self, message: bytes) -> Tensor | None:
        """Packets, with or without zeros behind them, to uint8 [C, size, size]; None, which is counted, if they do not
        decode.
        """
        tile = bytearray(self.tile)
        tile[LENGTH] = (len(tile) + len(message)).to_bytes(4, "big")
        try:
            with Image.open(io.BytesIO(self.main + bytes(tile) + message + END), formats=["JPEG2000"]) as image:
                if (image.mode, image.size) == ("L" if self.colours == 1 else "RGB", (self.size, self.size)):
                    pixels = torch.from_numpy(np.array(image))
                    return pixels.reshape(self.size, self.size, self.colours).permute(2, 0, 1)
        except Exception:  # Pillow and OpenJPEG raise errors of no common class for damaged packets
            pass
        self.failures += 1
        return None

    def _codestream(self, image: np.ndarray, rate: float) -> bytes:
        """The whole codestream, of at most raw/rate bytes. Pillow's defaults cost 8 dB at 507 bytes of CIFAR-10."""
        content = io.BytesIO()
        Image.fromarray(image[..., 0] if self.colours == 1 else image).save(
            content,
            "JPEG2000",
            no_jp2=True,
            irreversible=True,
            mct=int(self.colours == 3),
            num_resolutions=RESOLUTIONS,
            quality_mode="rates",
            quality_layers=[rate],
        )
        return content.getvalue()
