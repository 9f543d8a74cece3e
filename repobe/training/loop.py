"""The one training loop: selection on validation, checkpoint, resume, the files of a trained run."""

import hashlib
import io
import json
import time
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from repobe.images.datasets import Data, augment, batches
from repobe.images.resizing import Resized, at_once, images
from repobe.phy import channels
from repobe.runs.code import trained_by
from repobe.runs.files import about, replace, table
from repobe.runs.memory import Peak
from repobe.runs.progress import Progress
from repobe.runs.seeds import seed
from repobe.runs.spec import Spec
from repobe.systems.precision import autocast, warn_where_emulated
from repobe.training import method
from repobe.training.method import Method, Problem

VALIDATED = 2000  # images at most: the standard error is then about 0.3 points at 0.98


def build(spec: Spec, data: Data) -> Method:
    """The untrained method of a spec, its weights drawn from the spec's seed."""
    channel = channels.named(spec.channel, spec.channel_source)
    updates = spec.training.epochs * -(-len(data.train[0]) // spec.training.batch_size)
    method_name = Path(spec.method).stem  # of a file of the user's own: where it lies changes no number
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
    # Channels last: a sixth to a third faster on a CPU, and what tensor cores want.
    return method.load(spec.method, problem, spec.hyper).to(data.device, memory_format=torch.channels_last)


def restore(spec: Spec, data: Data, run: Path) -> Method:
    """The trained method of a spec from <run>/model.safetensors, in evaluation mode."""
    trained = build(spec, data)
    path = run / "model.safetensors"
    if (found := about(path).get("run")) != spec.path:
        raise ValueError(f"{path} is the model of {found}, not of {spec.path}; delete it and run again")
    try:
        trained.system.load_state_dict(safetensors.torch.load_file(path, device=str(data.device)))
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).split("\n")[0]
        raise ValueError(f"{path} is damaged or of another network ({reason}); delete it and run again") from None
    return trained.eval()


def train(spec: Spec, data: Data, run: Path, teacher: Method | None = None) -> None:
    """The loop of Algorithm 1, around any method's `update`, its lines 4-9.

    Trains a run and writes model.safetensors, history.csv and cost.csv; continues from resume.pt if there is one.

    ValueError where a loss is not a number, or where resume.pt cannot be read; what was saved stays.
    """
    peak = Peak(data.device)
    student = build(spec, data)
    student.optimise()
    size, device = spec.image_size, data.device
    # In single precision, in which the channel reckons; on the host, where a batch's is drawn.
    noise = torch.tensor([channels.noise_power(snr) for snr in spec.snr_train_db]).tolist()
    precision = precision_of(student, spec)
    warn_where_emulated(precision, device)
    student.prepare(teacher, Resized(data.train[0], size), data.train[1], min(noise))
    torch.manual_seed(seed("train", spec.dataset, spec.channel, spec.label, spec.seed))
    history: list[dict] = []
    best: dict = {"score": -float("inf"), "weights": None}
    origin = _origin(spec, data, teacher)
    _load_resume(run / "resume.pt", student, history, best, origin)

    progress = Progress(spec, run, "train", spec.training.epochs, len(history))
    # Algorithm 1: the counter starts (line 2), the loop stops after the last epoch (line 3); lines 10-11 are its end.
    for epoch in range(len(history), spec.training.epochs):
        began = time.perf_counter()
        student.train()
        total: dict[str, Tensor] = {}
        for pixels, label in batches(*data.train, spec.training.batch_size):
            pixels = augment(pixels) if data.augmented else pixels
            n0 = noise[int(torch.randint(len(noise), ()))]
            with autocast(precision, device):
                losses = student.update(images(pixels, size), label, n0)
            for name, value in losses.items():
                total[name] = total.get(name, 0) + value.double() * len(label)
        terms = {name: (value / len(data.train[0])).item() for name, value in total.items()}
        if bad := [name for name, value in terms.items() if value != value or abs(value) == float("inf")]:
            raise ValueError(
                f"{run}: the term '{bad[0]}' is {terms[bad[0]]} in epoch {epoch + 1}; "
                "lower training.learning_rate (epochs before it are kept in resume.pt)"
            )
        seconds = time.perf_counter() - began
        score = validate(student, spec, data)
        history.append({"epoch": epoch + 1, **terms, "validation_score": score, "seconds": seconds})
        if score >= best["score"]:  # between equals the later epoch wins: its learning rate is lower
            best["score"] = score
            best["weights"] = _weights(student)
        _save_resume(run / "resume.pt", student, history, best, origin)
        progress.step(f"validation {score:.4f}")

    student.system.load_state_dict(best["weights"])
    pixels, label = (tensor[:VALIDATED] for tensor in data.validation)
    student.eval().finish(Resized(pixels, size), label)
    # One entry, for safetensors writes several in no fixed order.
    told = {"about": json.dumps({"run": spec.path, "shuffles": student.shuffles})}
    replace(run / "model.safetensors", safetensors.torch.save(_weights(student), told))
    table(run / "history.csv", history)
    table(run / "cost.csv", [_cost(spec, data, student, history, peak.bytes())])
    (run / "resume.pt").unlink(missing_ok=True)
    progress.close()


def _weights(student: Method) -> dict[str, Tensor]:
    """The system's weights and buffers on the CPU, each contiguous, as safetensors wants them."""
    state = student.system.state_dict()
    return {name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in state.items()}


def precision_of(student: Method, spec: Spec) -> str:
    """The precision that its training really runs in."""
    return spec.training.precision if student.autocasts else "float32"


def validate(student: Method, spec: Spec, data: Data) -> float:
    """Mean score on the validation split, the same images, SNRs and noise in every epoch (never test)."""
    pixels, label = (tensor[:VALIDATED] for tensor in data.validation)
    generator = torch.Generator(data.device).manual_seed(seed("validate", spec.dataset, spec.channel, spec.seed))
    n0 = torch.tensor([channels.noise_power(snr) for snr in spec.snr_train_db], device=data.device)
    n0, size = n0[torch.arange(len(label), device=data.device) % len(n0)], at_once(spec.image_size, 250)
    student.eval()
    scores = [
        student.score(images(p, spec.image_size), y, n, generator)
        for p, y, n in zip(pixels.split(size), label.split(size), n0.split(size), strict=True)
    ]
    return torch.cat(scores).mean().item()


def _cost(spec: Spec, data: Data, student: Method, history: list[dict], peak: int) -> dict:
    from torch.utils.flop_counter import FlopCounterMode  # it imports triton

    student.eval()
    image = images(data.validation[0][:1], spec.image_size)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        key = student.keys.session("cost").sending(0, 1)
        student.system(image, channels.noise_power(spec.snr_db[0]), key)
    seconds = sum(row["seconds"] for row in history)
    return spec.columns | {
        "parameters": sum(p.numel() for p in student.system.parameters()),
        "symbols_k": student.system.k,
        "flops": counter.get_total_flops(),
        "train_seconds": seconds,
        "images_per_second": len(history) * len(data.train[0]) / seconds,
        "peak_memory_mb": peak / 2**20,
        "device": torch.cuda.get_device_name() if data.device.type == "cuda" else "cpu",
        "threads": spec.threads,
        "precision": precision_of(student, spec),
        "code": trained_by(spec.method),
    }


def _origin(spec: Spec, data: Data, teacher: Method | None) -> str:
    """The SHA-256 of everything that decides a training: its part of the spec, its data, its teacher."""
    digest = hashlib.sha256(json.dumps(spec.as_trained()).encode())
    tensors = [*data.train, *data.validation, *(teacher.system.state_dict().values() if teacher else ())]
    for tensor in tensors:
        digest.update(tensor.detach().cpu().numpy().tobytes())
    return digest.hexdigest()


def _save_resume(path: Path, student: Method, history: list[dict], best: dict, origin: str) -> None:
    state = {
        "origin": origin,
        "method": student.state_dict(),
        "optimisers": [o.state_dict() for o in student.optimisers],
        "schedulers": [s.state_dict() for s in student.schedulers],
        "random": torch.get_rng_state(),
        "history": history,
        "best": best,
    }
    if torch.cuda.is_available():
        state["random_cuda"] = torch.cuda.get_rng_state()
    content = io.BytesIO()
    torch.save(state, content)
    replace(path, content.getvalue())


def _load_resume(path: Path, student: Method, history: list[dict], best: dict, origin: str) -> None:
    if not path.exists():
        return
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a cut zip shows itself as RuntimeError, EOFError, UnpicklingError, …
        reason = str(error).split("\n")[0]
        raise ValueError(f"{path} is damaged ({reason}); delete it to train this run from its start") from None
    if state.get("origin") != origin:
        return  # another training's epochs: this one starts anew and overwrites them
    student.load_state_dict(state["method"])
    for owner, states in ((student.optimisers, "optimisers"), (student.schedulers, "schedulers")):
        for part, saved in zip(owner, state[states], strict=True):
            part.load_state_dict(saved)
    torch.set_rng_state(state["random"])
    if "random_cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["random_cuda"])
    history.extend(state["history"])
    best.update(state["best"])
