"""What a job asks a cluster for: memory, time, and whether it wants a GPU. Upper bounds, from the benchmarks.

A job that still ends at a limit is submitted again with more (`attempt`); a killed stage resumes, so little is lost.
"""

import math

from repobe.runs.plugins import is_file
from repobe.runs.spec import Attack, Spec

# Measured by `python -m benchmarks` on one thread of an AMD EPYC (results/benchmarks/amd-epyc-2-cores.csv) at S = 32;
# the time grows with the number of pixels. Eq. 16 is the slowest method that classifies: 6.6 ms an image in float32
# where a natural step takes 1.1; bfloat16 takes 0.55 to 0.75 of either.
TRAIN_SECONDS_PER_PIXEL = 7.0e-3 / 32**2  # of an image and epoch
PASS_SECONDS_PER_PIXEL = 1.2e-3 / 32**2  # one forward and backward pass of one image
DRAW_SECONDS_PER_PIXEL = 0.1e-3 / 32**2  # one draw of the channel of an image that is encoded already
DECODER_UPDATE_SECONDS_PER_PAIR = 2.0e-3  # an update of an attacker's decoder
BFLOAT16_TIME_RATIO = 0.75
# Trainings that send pictures against adversarial examples, or encrypted, are heavier than Eq. 16: at S = 64 and batch
# 32 in float32 they keep 1,524 and 1,115 bytes a pixel where Eq. 16 keeps 867; the first takes 1.44 times as long.
HEAVY_RECONSTRUCTION_RATIO = 1.75
GPU_SPEEDUP = 30  # over one thread: cautious; each of six trainings that shared an H200 reached 45 to 90
TEST_IMAGES = 10_000  # of the test split
TRAIN_IMAGES = {
    "digits": 1500,
    "digits_rgb": 1500,
}  # an upper bound of the training images; only the file has the number
DEFAULT_TRAIN_IMAGES = 60_000

# Peaks above weights and optimiser (`python -m benchmarks.memory`, on the same machine): at S = 224 and batch 128,
# Eq. 16 takes 3.2 GiB in bfloat16 and 5.4 in float32; 2.4 and 3.7 where activations are computed twice.
TRAIN_BYTES_PER_PIXEL = {
    ("bfloat16", False): 530,  # by precision, and whether activations are computed twice
    ("float32", False): 900,
    ("bfloat16", True): 400,
    ("float32", True): 630,
}
PROCESS_MIB = 2000  # Python, torch, the dataset and the weights
GPU_HOST_MIB = 2500  # further memory of the host, which CUDA maps
MEASURE_MIB = 2500  # the most that a measuring stage takes at S = 224; a smaller S has larger batches
GATHER_MIB_PER_RUN = 8  # a run's rows, mainly the outcomes of 10,000 test images

STARTUP_MINUTES = 10.0  # imports, a slow file system, what the estimate leaves out
GPU_THRESHOLD_MINUTES = 60.0  # on one thread
# The published steps and queries of an attack, and the channel draws of each, for configs that leave them out. The
# attacks themselves (attacks/evasion.py) import torch, which is too slow for planning; a test compares both.
DEFAULT_STEPS = {"pgd": 5, "keyless": 5, "transfer": 50, "eot_pgd": 50, "square": 5000}
DEFAULT_STEPS |= {"autoattack_rand": 100, "autoattack_standard": 100}
DEFAULT_DRAWS = 20
ONE_DRAW = ("pgd", "keyless", "autoattack_standard")
ONE_KEY = ("keyless", "autoattack_standard", "square")  # no key, or that of frozen draws
SELECTION_DRAWS = 20  # draws that each candidate of an attack is looked at through


def memory(spec: Spec, stage: str, gpu: int, attempt: int = 1) -> int:
    """MiB of the host for `train` or `measure`; the GPU's own memory comes with the GPU and is not included."""
    used = MEASURE_MIB * max(1.0, (spec.image_size / 224) ** 2)
    if stage == "train":
        kept = TRAIN_BYTES_PER_PIXEL[spec.training.precision, spec.recompute] * _heavier(spec)
        used = kept * spec.training.batch_size * spec.image_size**2 / 2**20
    used = 0 if gpu else used
    return math.ceil((PROCESS_MIB + gpu * GPU_HOST_MIB + used) / 100) * 100 * attempt


def classifying(gpu: int, attempt: int = 1) -> int:
    """MiB of the host for the training of a dataset's evaluation classifier, a small network."""
    return (PROCESS_MIB + 1000 + gpu * GPU_HOST_MIB) * attempt


def gathering(runs: int, attempt: int = 1) -> int:
    """MiB for a job that reads the tables of so many runs."""
    return (PROCESS_MIB + GATHER_MIB_PER_RUN * runs) * attempt


def minutes(spec: Spec, stage: str, gpu: int, attempt: int = 1) -> int:
    """The time limit of `train` or `measure`."""
    seconds = _training(spec) if stage == "train" else _measuring(spec)
    return math.ceil((STARTUP_MINUTES + seconds / 60 / (GPU_SPEEDUP if gpu else 1)) / 10) * 10 * attempt


def wants_gpu(spec: Spec, device: str) -> int:
    """1 or 0. With device `auto`, a run wants a GPU if training it on one thread takes more than an hour."""
    if device != "auto":
        return int(device.startswith("cuda"))
    return int(_training(spec) / 60 > GPU_THRESHOLD_MINUTES)


def _training(spec: Spec) -> float:
    """Seconds on one thread."""
    pixels = spec.image_size**2 * _images(spec)
    faster = BFLOAT16_TIME_RATIO if spec.training.precision == "bfloat16" else 1.0
    return pixels * spec.training.epochs * TRAIN_SECONDS_PER_PIXEL * faster * _heavier(spec)


def _heavier(spec: Spec) -> float:
    """How much more than Eq. 16 a training may take, in memory and in time; of one's own method nothing is known."""
    heavy = spec.hyper.get("adversarial") or spec.method == "escst" or is_file(spec.method)
    return HEAVY_RECONSTRUCTION_RATIO if spec.task == "reconstruction" and heavy else 1.0


def _images(spec: Spec) -> int:
    return min(TRAIN_IMAGES.get(spec.dataset, DEFAULT_TRAIN_IMAGES), spec.train_images or DEFAULT_TRAIN_IMAGES)


def _measuring(spec: Spec) -> float:
    """Seconds on one thread."""
    natural = TEST_IMAGES * len(spec.snr_db) * (PASS_SECONDS_PER_PIXEL + DRAW_SECONDS_PER_PIXEL * spec.evaluation.draws)
    attacked = sum(_attack(attack, spec) for attack in spec.evaluation.attacks.values())
    pairs = min(_images(spec), spec.inversion.images or DEFAULT_TRAIN_IMAGES) * spec.inversion.epochs
    decoders = len(spec.inversion.attackers) * len(spec.inversion.snr_db) * pairs * DECODER_UPDATE_SECONDS_PER_PAIR
    keys = spec.audit.trials * len(spec.audit.snr_db) * len(spec.audit.known_messages) * (spec.image_size / 224) ** 2
    return spec.image_size**2 * (natural + attacked) + decoders + keys


def _attack(attack: Attack, spec: Spec) -> float:
    """Seconds a pixel, at most: what benchmarks/passes.py counts, for ten classes."""
    snrs = len(spec.snr_db if attack.snr_db is None else attack.snr_db)
    steps = attack.steps or DEFAULT_STEPS.get(attack.kind, 100)
    draws = 1 if attack.kind in ONE_DRAW else attack.eot or DEFAULT_DRAWS
    # Whether each draw of the channel encodes the image again: the transmitter is random, or each message has its key.
    # A method of one's own may do either, and so may the surrogate of a transfer attack: its own spec describes it.
    random = spec.method == "necst_dp" or is_file(spec.method) or attack.kind == "transfer"
    anew = random or spec.hyper.get("key_schedule") == "per_message" or spec.method == "escst"
    sent = draws if random or (anew and attack.kind not in ONE_KEY) else 1
    encoding, channel = sent * PASS_SECONDS_PER_PIXEL, draws * DRAW_SECONDS_PER_PIXEL
    look, step = encoding / 3 + channel, encoding + 3 * draws * DRAW_SECONDS_PER_PIXEL
    candidates, work = 1, (steps + DEFAULT_STEPS["pgd"] + 1) * step  # the paper's images are a candidate of EOT-PGD
    if attack.kind == "autoattack_rand":  # two losses
        candidates, work = 2, 2 * (steps + 2) * step
    elif attack.kind == "autoattack_standard":  # APGD, its nine targets, FAB's nine, and Square
        work = (19 * steps + 10) * step + (59 * steps + 60) * look
    elif attack.kind == "square":
        work = (steps + 2) * look
    picked = SELECTION_DRAWS * DRAW_SECONDS_PER_PIXEL + (SELECTION_DRAWS if anew else 1) * PASS_SECONDS_PER_PIXEL / 3
    return (
        attack.images * snrs * len(attack.eps) * (attack.restarts * work + (attack.restarts * candidates + 3) * picked)
    )
