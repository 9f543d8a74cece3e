"""The model zoo: trained runs whose weights are rounded to bfloat16, so that the repository can hold them.

results/zoo/<config> is a results folder as any other, so each stage runs on it by hand. The name of a model is
<config>/<channel>/<method>, for instance mnist224/awgn/repobe.
"""

import io
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

from repobe.runs import checksums
from repobe.runs.console import tell
from repobe.runs.files import about, replace
from repobe.runs.folders import data_file, results_of, run_folder, zoo_models
from repobe.runs.plugins import ROOT
from repobe.runs.spec import Spec
from repobe.runs.status import STAGES
from repobe.runs.values import whole

if TYPE_CHECKING:
    from torch import Tensor

ZOO = ROOT / "results" / "zoo"
SLACK = 1e-5  # of a radius, for images that were stored in single precision


def publish(spec_file: Path, results: Path) -> Path:
    """Copies a trained run into the results folder `results` with its weights rounded to bfloat16; returns its folder.

    Integers, such as counters, stay as they are. What was measured on the unrounded weights is not copied, and what was
    measured on weights that this replaces is deleted.
    ValueError: the run is not trained, one of its files is missing or damaged, or `results` has another dataset's or
    seed's model of the same name.
    """
    import safetensors.torch

    spec, run = Spec.load(spec_file), spec_file.parent
    for name in STAGES["train"]:
        checksums.check(run / name)
        if not (run / name).is_file():
            raise ValueError(f"{run / name} does not exist; train the run first")
    folder = run_folder(results, spec.path)
    same = [path.parent for path in results.glob(f"runs/*/{spec.channel}/{spec.label}/seed*/spec.yaml")]
    if others := [path for path in same if path != folder]:
        raise ValueError(f"{others[0]} has the same name in the zoo; publish into another folder than {results}")
    told = about(run / "model.safetensors") | {"rounded": "bfloat16"}
    weights = safetensors.torch.load_file(run / "model.safetensors")
    rounded = {name: one.bfloat16() if one.is_floating_point() else one for name, one in weights.items()}
    folder.mkdir(parents=True, exist_ok=True)
    for name in (*STAGES["measure"], *(f"{stage}.sha256.json" for stage in ("evaluate", "invert", "audit"))):
        (folder / name).unlink(missing_ok=True)
    replace(folder / "spec.yaml", spec.dump())
    replace(folder / "model.safetensors", safetensors.torch.save(rounded, {"about": json.dumps(told)}))
    for name in STAGES["train"]:
        if name != "model.safetensors":
            replace(folder / name, (run / name).read_bytes())
    checksums.record(folder, "zoo", ("spec.yaml", *STAGES["train"]))
    return folder


def models() -> dict[str, Path]:
    """The folders of the zoo's models by their names."""
    return zoo_models(ZOO)


def folder_of(run: str | os.PathLike[str]) -> Path:
    """The folder of a run, given as a folder or as the name of one of the zoo's models.

    For a model of the zoo, it also makes the dataset's file if that is missing, from the folder REPOBE_DATA or by a
    download. ValueError: the name is neither.
    """
    folder = Path(run)
    if folder.is_absolute() or folder.exists() or len(folder.parts) != 3:  # not a name of the zoo
        return folder
    known = models()
    if (name := folder.as_posix()) not in known:
        holds = f"the zoo holds {', '.join(known)}" if known else "the zoo is empty"
        raise ValueError(f"{name} is neither the folder of a run nor a model of the zoo; {holds}")
    folder = known[name]
    spec = Spec.load(folder / "spec.yaml")
    data = data_file(results_of(folder / "spec.yaml", spec), spec.dataset)
    if not data.exists():
        from repobe.images.datasets import build

        tell(f"repobe: making {data}")
        data.parent.mkdir(exist_ok=True)
        files = os.environ.get("REPOBE_DATA")
        build(spec.dataset, Path(files) if files else None, data)
    return folder


def rescored(folder: Path, adversarial: "Tensor", eps: float, snr_db: float, device: str) -> dict:
    """Accuracy on adversarial images of any origin, on the same channel draws as the suite's own.

    Also returns the accuracy on the same images without an attack.
    adversarial: Image [n, c, S, S] in [0, 1], of the first n test images in the suite's order (`run.test(n)`); eps:
    the largest allowed distance from the originals, L∞ in [0, 1] pixels. Returns the fields of an entry of
    best_known.yaml.
    ValueError: another shape, values outside [0, 1], an image further than eps from its original, or a run that does
    not classify.
    """
    from repobe.images import metrics
    from repobe.images.resizing import Resized
    from repobe.phy.channels import noise_power
    from repobe.stages.evaluate import SCORED_DRAWS
    from repobe.stages.opening import open_run
    from repobe.stages.transmission import Draws, batches, generator_for

    if not 0 <= eps <= 1:
        raise ValueError(f"--eps {eps:g} should be a radius in [0, 1] pixels")
    if not -25 <= snr_db <= 100:
        raise ValueError(f"--snr-db {snr_db:g} should be from -25 to 100")
    snr_db = whole(snr_db)  # the evaluation's draws are named by 23, not by 23.0
    run = open_run(folder / "spec.yaml", device)
    spec, data = run.spec, run.data
    if spec.task != "classification":
        raise ValueError(f"{folder} reconstructs; adversarial accuracy is of a run that classifies")
    pixels, label = data.test
    clean, shape = Resized(pixels, spec.image_size), tuple(adversarial.shape)
    expected = (data.colours, spec.image_size, spec.image_size)
    if len(shape) != 4 or shape[1:] != expected or not 0 < shape[0] <= len(label):
        raise ValueError(
            f"images have the shape [n, {', '.join(map(str, expected))}], n ≤ {len(label)}, not {[*shape]}"
        )
    trained = run.trained()
    draws = max(SCORED_DRAWS, spec.evaluation.draws)
    place = (spec.dataset, spec.channel, spec.seed, snr_db)

    def receiver(session: str) -> Draws:
        channel_generators = [generator_for(data.device, "scored", *place, draw) for draw in range(draws)]
        return Draws(trained, noise_power(snr_db), channel_generators, session, eps, *place)

    def read(heard: Draws, image: "Tensor", p: slice) -> float:
        return sum(metrics.correct(output, label[p]).sum().item() for output in heard(image))

    # One each, so that both hear the same noise; a key for each message serves one of them alone.
    attacked, natural = receiver("rescored"), receiver("rescored without an attack")
    right = unharmed = 0.0
    for p in batches(trained, len(adversarial)):
        image, original = adversarial[p].to(data.device).float(), clean[p]
        if not ((image >= 0) & (image <= 1)).all():
            raise ValueError("images have values outside [0, 1] or NaN; bytes must be of type uint8")
        if (far := (image - original).abs().max().item()) > eps + SLACK:
            raise ValueError(f"an image is {far:.4g} from its original in L∞, further than eps = {eps:g}")
        right += read(attacked, image, p)
        unharmed += read(natural, original, p)
    count = draws * len(adversarial)
    tell(f"repobe: accuracy on the same {len(adversarial)} images without an attack: {unharmed / count:.4f}")
    return {"eps": eps, "snr_db": snr_db, "images": len(adversarial), "draws": draws,
            "accuracy": round(right / count, 4)}  # fmt: skip


def stored_images(path: Path) -> "Tensor":
    """Image [n, c, S, S] in [0, 1] from a .npz that holds one array, floating point or uint8; ValueError otherwise."""
    import numpy as np
    import torch

    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as held:
            (name,) = held.files
            image = torch.as_tensor(held[name])
    except (ValueError, EOFError, AttributeError, TypeError, BadZipFile) as error:
        reason = str(error).split("\n")[0]
        raise ValueError(f"{path} is not a .npz that holds one array of images ({reason})") from None
    if image.dtype == torch.uint8:
        return image.float() / 255
    if not image.is_floating_point():
        raise ValueError(f"{path} holds {image.dtype}; images are floating point in [0, 1] or uint8")
    return image.float()
