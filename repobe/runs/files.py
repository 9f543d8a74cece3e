"""Files are written whole or not at all."""

import csv
import io
import json
import os
from pathlib import Path

from safetensors import SafetensorError, safe_open


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


def table(path: Path, rows: list[dict], columns: list[str] | None = None) -> None:
    """A CSV of `rows`, what a row lacks left empty; columns: their order, by default that of their first appearance.

    By csv, which takes no time to import; numbers as pandas writes them, none where one is not a number.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns or list(dict.fromkeys(k for row in rows for k in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: "" if value != value else value for name, value in row.items()} for row in rows)
    replace(path, text.getvalue())


def arrays(path: Path, named: dict) -> None:
    """A compressed .npz of numpy arrays by name."""
    import numpy as np

    content = io.BytesIO()
    np.savez_compressed(content, **named)
    replace(path, content.getvalue())


def about(model: Path) -> dict:
    """What a model.safetensors says of itself, without its weights and without torch.

    ValueError names the file that is missing or damaged.
    """
    try:
        with safe_open(model, "numpy") as file:
            return json.loads((file.metadata() or {}).get("about", "{}"))
    except FileNotFoundError:
        raise ValueError(f"{model} does not exist; train the run first") from None
    except SafetensorError as error:
        raise ValueError(f"{model} is damaged ({error}); delete it and run again") from None
