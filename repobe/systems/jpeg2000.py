"""JPEG2000 as a source coder: an image in at most so many bytes, what the receiver can rebuild left out.

codestream = main header ─ comment ─ tile header with one length ─ packets ─ end marker

Only the packets are sent. Everything before them is the same for every image of one size but for the length, and the
decoder reads no further than the packets go, so that a message padded with zeros gives the same image: the receiver
takes the message's length for the one field. Settings: BASELINES.md, measured on CIFAR-10.
"""

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

RESOLUTIONS = 3  # of the wavelet transform: 28 and 32 pixels have no use for Pillow's six
COMMENT = b"\xff\x64"  # marker of the segment with the encoder's name
TILE = b"\xff\x90"
LENGTH = slice(6, 10)  # of the tile part, from its marker on (ISO/IEC 15444-1, A.4.2)
TILE_HEADER = 14  # with the start-of-data marker
END = b"\xff\xd9"


class Codec:
    """Codes uint8 images [C, size, size], C 1 or 3. `failures` counts the messages that gave no such image."""

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
        """Bytes of every codestream that are neither comment nor packets nor end, 98 in colour: not sent."""
        return len(self.main) + len(self.tile)

    def encode(self, pixels: Tensor, budget: int) -> bytes | None:
        """The packets of the largest codestream of uint8 [C, size, size] that fits `budget` bytes; None if none does.

        OpenJPEG counts the main header and the comment towards the rate it is asked for, the tile's header not; and it
        rounds the bytes up, in single precision, so that half a byte less is asked for.
        """
        image = np.ascontiguousarray(pixels.permute(1, 2, 0).numpy())
        rate = image.size / (max(budget, 0) + len(self.main) + self.comment - 0.5)
        # 1 stands for all there is; where that is too much, the least loss that can be asked for is a little more.
        for asked in (max(rate, 1.0), max(rate, 1.001)):
            packets = self._codestream(image, asked)[self.header + self.comment : -len(END)]
            if len(packets) <= budget:
                return packets
        return None

    def decode(self, message: bytes) -> Tensor | None:
        """uint8 [C, size, size] of the packets, zeros after them or not; None, and counted, where they give none."""
        tile = bytearray(self.tile)
        tile[LENGTH] = (len(tile) + len(message)).to_bytes(4, "big")
        try:
            with Image.open(io.BytesIO(self.main + bytes(tile) + message + END), formats=["JPEG2000"]) as image:
                if (image.mode, image.size) == ("L" if self.colours == 1 else "RGB", (self.size, self.size)):
                    pixels = torch.from_numpy(np.array(image))
                    return pixels.reshape(self.size, self.size, self.colours).permute(2, 0, 1)
        except Exception:  # Pillow's and OpenJPEG's complaints about damaged packets have no class in common
            pass
        self.failures += 1
        return None

    def _codestream(self, image: np.ndarray, rate: float) -> bytes:
        """All of it, at raw/rate bytes or less: Pillow's defaults cost 8 dB at 507 bytes of a CIFAR image."""
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
