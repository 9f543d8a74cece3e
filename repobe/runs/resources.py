"""What a job asks a cluster for: memory, time, and whether it wants a GPU. Upper bounds, from the benchmarks.

A job that still ends at a limit is submitted again with more (`attempt`); a killed stage resumes, so little is lost.
"""

import math

from repobe.runs.plugins import is_file
from repobe.runs.spec import Attack, Spec

# Measured by `python -m benchmarks` on one CPU thread at S = 32; the time grows with the number of pixels. Eq. 16 is
# the slowest method that classifies: 6.6 ms an image in float32 where a natural step takes 1.1; bfloat16 takes 0.55 to
# 0.75 of either.
TRAINED = 7.0e-3 / 32**2  # seconds a pixel of an image and epoch
PASSED = 1.2e-3 / 32**2  # one forward and backward pass of one image
DECODED = 0.1e-3 / 32**2  # one draw of the channel of an image that is encoded already
REBUILT = 2.0e-3  # an update of an attacker's decoder, a pair
BFLOAT16 = 0.75
# Trainings that send pictures against adversarial examples, or encrypted, are heavier than Eq. 16: at S = 64 and batch
# 32 in float32 they keep 1,524 and 1,115 bytes a pixel where Eq. 16 keeps 867; the first takes 1.44 times as long.
PICTURES = 1.75
GPU = 30  # times as fast as one thread: cautious; each of six trainings that shared an H200 reached 45 to 90
TEST = 10_000  # images of the test split
SPLITS = {
    "digits": 1500,
    "digits_rgb": 1500,
}  # an upper bound of the training images; only the file has the number
SPLIT = 60_000

# Peaks above weights and optimiser (`python -m benchmarks.memory`): at S = 224 and batch 128 Eq. 16 takes 3.2 GiB in
# bfloat16 and 5.4 in float32; 2.4 and 3.7 where activations are computed twice.
KEPT = {("bfloat16", False): 530, ("float32", False): 900, ("bfloat16", True): 400, ("float32", True): 630}
PROCESS = 2000  # MiB: Python, torch, the dataset and the weights
ON_GPU = 2500  # further MiB of the host, which CUDA maps
MEASURED = 2500  # MiB: the most that a measuring stage takes at S = 224; a smaller S has larger batches
GATHERED = 8  # MiB for a run's rows, mainly the outcomes of 10,000 test images

STARTED = 10.0  # minutes: imports, a slow file system, what the estimate leaves out
WORTH_A_GPU = 60.0  # minutes on one thread
# The published steps and queries of an attack, and the channel draws of each, for configs that leave them out. The
# attacks themselves (attacks/evasion.py) import torch, which is too slow for planning; a test compares both.
STEPS = {"pgd": 5, "keyless": 5, "transfer": 50, "eot_pgd": 50, "autoattack_rand": 100, "autoattack_standard": 100}
STEPS["square"] = 5000
DRAWS = 20
ONE_DRAW = ("pgd", "keyless", "autoattack_standard")
ONE_KEY = ("keyless", "autoattack_standard", "square")  # no key, or that of frozen draws
SELECTION = 20  # draws that each candidate of an attack is looked at through


def memory(spec: Spec, stage: str, gpu: int, attempt: int = 1) -> int:
    """MiB of the host for `train` or `measure`; the GPU's own memory comes with the GPU and is not included."""
    used = MEASURED * max(1.0, (spec.image_size / 224) ** 2)
    if stage == "train":
        kept = KEPT[spec.training.precision, spec.recompute] * _heavier(spec)
        used = kept * spec.training.batch_size * spec.image_size**2 / 2**20
    used = 0 if gpu else used
    return math.ceil((PROCESS + gpu * ON_GPU + used) / 100) * 100 * attempt


def classifying(gpu: int, attempt: int = 1) -> int:
    """MiB of the host for the training of a dataset's evaluation classifier, a small network."""
    return (PROCESS + 1000 + gpu * ON_GPU) * attempt


def gathering(runs: int, attempt: int = 1) -> int:
    """MiB for a job that reads the tables of so many runs."""
    return (PROCESS + GATHERED * runs) * attempt


def minutes(spec: Spec, stage: str, gpu: int, attempt: int = 1) -> int:
    """The time limit of `train` or `measure`."""
    seconds = _training(spec) if stage == "train" else _measuring(spec)
    return math.ceil((STARTED + seconds / 60 / (GPU if gpu else 1)) / 10) * 10 * attempt


def wants_gpu(spec: Spec, device: str) -> int:
    """1 or 0. With device `auto`, a run wants a GPU if training it on one thread takes more than an hour."""
    if device != "auto":
        return int(device.startswith("cuda"))
    return int(_training(spec) / 60 > WORTH_A_GPU)


def _training(spec: Spec) -> float:
    """Seconds on one thread."""
    pixels = spec.image_size**2 * _images(spec)
    faster = BFLOAT16 if spec.training.precision == "bfloat16" else 1.0
    return pixels * spec.training.epochs * TRAINED * faster * _heavier(spec)


def _heavier(spec: Spec) -> float:
    """How much more than Eq. 16 a training may take, in memory and in time; of one's own method nothing is known."""
    heavy = spec.hyper.get("adversarial") or spec.method == "escst" or is_file(spec.method)
    return PICTURES if spec.task == "reconstruction" and heavy else 1.0


def _images(spec: Spec) -> int:
    return min(SPLITS.get(spec.dataset, SPLIT), spec.train_images or SPLIT)


def _measuring(spec: Spec) -> float:
    """Seconds on one thread."""
    natural = TEST * len(spec.snr_db) * (PASSED + DECODED * spec.evaluation.draws)
    attacked = sum(_attack(attack, spec) for attack in spec.evaluation.attacks.values())
    pairs = min(_images(spec), spec.inversion.images or SPLIT) * spec.inversion.epochs
    decoders = len(spec.inversion.attackers) * len(spec.inversion.snr_db) * pairs * REBUILT
    keys = spec.audit.trials * len(spec.audit.snr_db) * len(spec.audit.known_messages) * (spec.image_size / 224) ** 2
    return spec.image_size**2 * (natural + attacked) + decoders + keys


def _attack(attack: Attack, spec: Spec) -> float:
    """Seconds a pixel, at most: what benchmarks/passes.py counts, for ten classes."""
    snrs = len(spec.snr_db if attack.snr_db is None else attack.snr_db)
    steps = attack.steps or STEPS.get(attack.kind, 100)
    draws = 1 if attack.kind in ONE_DRAW else attack.eot or DRAWS
    # Whether each draw of the channel encodes the image again: the transmitter is random, or each message has its key.
    # A method of one's own may do either, and so may the surrogate of a transfer attack: its own spec describes it.
    random = spec.method == "necst_dp" or is_file(spec.method) or attack.kind == "transfer"
    anew = random or spec.hyper.get("key_schedule") == "per_message" or spec.method == "escst"
    sent = draws if random or (anew and attack.kind not in ONE_KEY) else 1
    look, step = sent * PASSED / 3 + draws * DECODED, sent * PASSED + 3 * draws * DECODED
    candidates, work = 1, (steps + STEPS["pgd"] + 1) * step  # the paper's images are a candidate of EOT-PGD
    if attack.kind == "autoattack_rand":  # two losses
        candidates, work = 2, 2 * (steps + 2) * step
    elif attack.kind == "autoattack_standard":  # APGD, its nine targets, FAB's nine, and Square
        work = (19 * steps + 10) * step + (59 * steps + 60) * look
    elif attack.kind == "square":
        work = (steps + 2) * look
    picked = SELECTION * DECODED + (SELECTION if anew else 1) * PASSED / 3
    return (
        attack.images * snrs * len(attack.eps) * (attack.restarts * work + (attack.restarts * candidates + 3) * picked)
    )
