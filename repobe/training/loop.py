"""The training loop of all methods: selection on validation, checkpoints, resuming, the files of a trained run."""

import dataclasses
import hashlib
import json
import time
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from repobe.images.datasets import Data, augment, shuffled
from repobe.images.resizing import Resized, batch_size_for, gathered, images, through
from repobe.phy import channels
from repobe.runs import checksums, code_digest, plugins
from repobe.runs.devices import called
from repobe.runs.files import about, replace, table
from repobe.runs.memory import Peak
from repobe.runs.progress import Progress
from repobe.runs.seeds import seed
from repobe.runs.spec import Spec
from repobe.systems.precision import autocast, warn_where_emulated
from repobe.systems.recompute import recompute
from repobe.training import method, resuming
from repobe.training.method import Method, Problem
from repobe.training.validation_schedule import part, validations_per_epoch

VALIDATED = 2000  # at most; the standard error is then about 0.3 points at 0.98


def build(spec: Spec, data: Data) -> Method:
    """The untrained method of a spec, its weights drawn from the spec's seed."""
    channel = channels.named(spec.channel, spec.channel_source)
    updates = spec.training.epochs * -(-len(data.train[0]) // spec.training.batch_size)
    method_name = Path(spec.method).stem  # a user's own file: its folder changes no number
    torch.manual_seed(seed("weights", spec.dataset, method_name, spec.task, spec.image_size, spec.seed))
    problem = Problem(
        data.colours,
        data.classes,
        spec.image_size,
        channel,
        spec.task == "reconstruction",
        updates,
        spec.training.learning_rate,
        spec.training.weight_decay,
        spec.seed,
        spec.training.cycle_momentum,
    )
    # Channels last is a sixth to a third faster on a CPU, and tensor cores prefer it.
    return method.load(spec.method, problem, spec.hyper).to(data.device, memory_format=torch.channels_last)


def restore(spec: Spec, data: Data, run: Path) -> Method:
    """The trained method of a spec from <run>/model.safetensors, in evaluation mode."""
    trained = build(spec, data)
    path = run / "model.safetensors"
    checksums.check(path)
    if (found := about(path).get("run")) != spec.path:
        raise ValueError(f"{path} is the model of {found}, not of {spec.path}; delete it and run again")
    try:
        trained.system.load_state_dict(safetensors.torch.load_file(path))
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).split("\n")[0]
        raise ValueError(f"{path} is damaged or of another network ({reason}); delete it and run again") from None
    return trained.eval()


def train(spec: Spec, data: Data, run: Path, teacher: Method | None = None) -> float:
    """The loop of Algorithm 1 around any method's `update`, which is lines 4-9.

    Trains a run and writes model.safetensors, history.csv and cost.csv. If there is a resume.pt, it continues from it,
    and leaves it there: if a step after the training fails, nothing must be trained again. Returns the seconds by the
    clock that this took, and the jobs before it that were stopped; the peak of memory is the highest of all of them.

    ValueError if a loss is not finite or resume.pt cannot be read; resume.pt stays.
    """
    began, peak = time.perf_counter(), Peak(data.device)
    student = build(spec, data)
    if spec.recompute:
        recompute(student)
    student.optimise()
    size, device = spec.image_size, data.device
    # Single precision, as in the channel; on the host, because each batch's noise power is drawn there.
    noise = torch.tensor([channels.noise_power(snr) for snr in spec.snr_train_db]).tolist()
    precision = precision_of(student, spec)
    warn_where_emulated(precision, device)
    student.prepare(teacher, Resized(data.train[0], size), data.train[1], min(noise))
    # To resize an image from S = 224 takes longer than a step of NECST. Augmented images are new in every epoch.
    small = through(data.train[0], size, student.side) if student.side and not data.augmented else None
    torch.manual_seed(seed("train", spec.dataset, spec.channel, spec.label, spec.seed))
    origin = _origin(spec, data, teacher)
    state = resuming.load(run / "resume.pt", student, origin)
    history, best, order = state.history, state.best, state.order

    def taken() -> dict:
        """By this job and those before it."""
        seconds = state.seconds + time.perf_counter() - began
        devices = [*dict.fromkeys([*state.devices, called(device)])]
        return {"seconds": seconds, "bytes": max(state.bytes, peak.bytes()), "devices": devices}

    epochs, count = spec.training.epochs, len(data.train[1])
    validations = validations_per_epoch(epochs, -(-count // spec.training.batch_size))
    progress = Progress(spec, run, "train", epochs * validations, len(history))
    # Algorithm 1: line 2 starts the counter, line 3 stops after the last epoch, lines 10-11 end the loop.
    for step in range(len(history), epochs * validations):
        started = time.perf_counter()
        student.train()
        total: dict[str, Tensor] = {}
        if step % validations == 0:
            order = shuffled(count, spec.training.batch_size, device)
        batches = part(order, step % validations, validations)
        for index in batches:
            pixels, label = data.train[0][index], data.train[1][index]
            pixels = augment(pixels) if data.augmented else pixels
            n0 = noise[int(torch.randint(len(noise), ()))]
            with autocast(precision, device):
                losses = student.update(images(pixels, size) if small is None else small[index], label, n0)
            for name, value in _terms(losses, spec.method).items():
                total[name] = total.get(name, 0) + value.double() * len(label)
        seen = sum(len(index) for index in batches)
        terms = {name: (value / seen).item() for name, value in total.items()}
        epoch = (step + 1) / validations
        if bad := [name for name, value in terms.items() if value != value or abs(value) == float("inf")]:
            raise ValueError(
                f"{run}: the term '{bad[0]}' is {terms[bad[0]]} by epoch {epoch:g}; "
                "lower training.learning_rate (epochs before it are kept in resume.pt)"
            )
        seconds = time.perf_counter() - started
        score = validate(student, spec, data)
        history.append(
            {"epoch": int(epoch) if validations == 1 else epoch, **terms, "validation_score": score, "seconds": seconds}
        )
        if score >= best["score"]:  # on a tie the later epoch wins, because its learning rate is lower
            best["score"] = score
            best["weights"] = _weights(student)
        resuming.save(run / "resume.pt", student, dataclasses.replace(state, order=order, **taken()), origin)
        progress.step(f"validation {score:.4f}")

    student.system.load_state_dict(best["weights"])
    pixels, label = (tensor[:VALIDATED] for tensor in data.validation)
    student.eval().finish(Resized(pixels, size), label)
    # One entry, because safetensors writes several in no fixed order.
    told = {"about": json.dumps({"run": spec.path, "shuffles": student.shuffles})}
    replace(run / "model.safetensors", safetensors.torch.save(_weights(student), told))
    table(run / "history.csv", history)
    table(run / "cost.csv", [_cost(spec, data, student, history, taken())])
    progress.close()
    return taken()["seconds"]


def _weights(student: Method) -> dict[str, Tensor]:
    """The system's weights and buffers on the CPU, each contiguous, as safetensors requires."""
    state = student.system.state_dict()
    return {name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in state.items()}


def precision_of(student: Method, spec: Spec) -> str:
    """The precision that the training runs in: float32 if the method does not autocast."""
    return spec.training.precision if student.autocasts else "float32"


def _terms(losses: object, method: str) -> dict[str, Tensor]:
    """What `update` returned, which a method of the user's own may get wrong; ValueError then names its file."""
    if not isinstance(losses, dict) or not all(isinstance(value, Tensor) for value in losses.values()):
        raise ValueError(f"{method}: `update` returned a {type(losses).__name__}; return a dict of tensors by name")
    return losses


def validate(student: Method, spec: Spec, data: Data) -> float:
    """Mean score on the validation split (never test), with the same images, SNRs and noise every time."""
    pixels, label = (tensor[:VALIDATED] for tensor in data.validation)
    generator = torch.Generator(data.device).manual_seed(seed("validate", spec.dataset, spec.channel, spec.seed))
    n0 = torch.tensor([channels.noise_power(snr) for snr in spec.snr_train_db], device=data.device)
    n0, size = n0[torch.arange(len(label), device=data.device) % len(n0)], batch_size_for(spec.image_size, 250)
    student.eval()
    scores = (
        student.score(images(p, spec.image_size), y, n, generator)
        for p, y, n in zip(pixels.split(size), label.split(size), n0.split(size), strict=True)
    )
    return gathered(scores, len(label)).mean().item()


def _cost(spec: Spec, data: Data, student: Method, history: list[dict], taken: dict) -> dict:
    from torch.utils.flop_counter import FlopCounterMode  # imported here because it imports triton, which is slow

    student.eval()
    image = images(data.validation[0][:1], spec.image_size)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        key = student.keys.session("cost").sending(0, 1)
        student.system(image, channels.noise_power(spec.snr_train_db[0]), key)
    seconds = sum(row["seconds"] for row in history)
    return spec.columns | {
        "parameters": sum(p.numel() for p in student.system.parameters()),
        "symbols_k": student.system.k,
        "flops": counter.get_total_flops(),
        "train_seconds": seconds,
        "images_per_second": history[-1]["epoch"] * len(data.train[0]) / seconds,
        "peak_memory_mb": taken["bytes"] / 2**20,
        "device": " and ".join(taken["devices"]),
        "threads": spec.threads,
        "precision": precision_of(student, spec),
        "code": code_digest.trained_by(spec.method),
    }


def _origin(spec: Spec, data: Data, teacher: Method | None) -> str:
    """The SHA-256 of everything that a training depends on: its part of the spec, its code, its data, its teacher."""
    digest = hashlib.sha256(json.dumps(spec.as_trained()).encode())
    digest.update(code_digest.trained_by(spec.method).encode())
    if spec.channel_source:
        digest.update(code_digest.digest([plugins.ROOT / spec.channel_source]).encode())
    tensors = [*data.train, *data.validation, *(teacher.system.state_dict().values() if teacher else ())]
    for tensor in tensors:
        digest.update(tensor.detach().cpu().numpy().tobytes())
    return digest.hexdigest()
