"""Files are written whole or not at all."""

import os
from pathlib import Path


def replace(path: Path, content: bytes | str) -> None:
    """Puts `content` at `path`: a killed job or a full disk leaves what was there before, never half a file.

    OSError names the file and the mend.
    """
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(part, path)
    except OSError as error:
        reason = error.strerror or error
        raise OSError(f"{path} cannot be written ({reason}); make room or mend its folder, then run again") from None
    finally:
        part.unlink(missing_ok=True)
