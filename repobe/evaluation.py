"""The stages that measure a trained run: what its receiver gets, what its enemies get, and its cipher."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from repobe import cryptanalysis, leakage, metrics
from repobe.channels import noise_power
from repobe.data import Data
from repobe.evasion import ATTACKS, NoisyClassifier
from repobe.inversion import ATTACKERS, SCORED, Knowledge, Tap, mean_image
from repobe.method import Method, parts
from repobe.obfuscation import Key
from repobe.spec import Spec, seed
from repobe.statistics import is_proportion
from repobe.system import resize
from repobe.training import images

BATCH = 250
SHOWN = 2  # reconstructions of each class kept as pictures
WRONG_KEYS = 20
AUDITED = 500  # test images whose messages the eavesdropper may come to know

Told = Callable[[str], None]  # hears what is done, step by step


def untold(what: str) -> None:
    """Nobody listens."""


def generator_for(device: torch.device, *parts) -> torch.Generator:
    """A generator of its own for each named random stream."""
    return torch.Generator(device).manual_seed(seed(*parts))


def prepared(pixels: Tensor, size: int) -> Tensor:
    """All of a split as Float[n, c, size, size], batch by batch."""
    return torch.cat([images(part, size) for part in pixels.split(1000)])


@torch.no_grad()
def on_air(trained: Method, image: Tensor, n0: float, *session) -> tuple[Tensor, Key | None]:
    """(what a whole split is on the air, Complex[n, k]; its keys): sent once, it serves every channel draw."""
    key = trained.keys.session(*session).sending(0, len(image))
    own = generator_for(image.device, "transmitter", *session)
    cut = parts(len(image), BATCH)
    return torch.cat([trained.system.transmit(image[p], key and key[p], n0, own) for p in cut]), key


@torch.no_grad()
def stolen(trained: Method, image: Tensor, n0: float) -> Tensor:
    """Symbols Complex[n, k] that a copy of the encoder makes, under no key."""
    own = generator_for(image.device, "stolen transmitter")
    return torch.cat([trained.system.transmit(image[p], None, n0, own) for p in parts(len(image), BATCH)])


@torch.no_grad()
def received(trained: Method, symbols: Tensor, key: Key | None, n0: float, generator: torch.Generator) -> Tensor:
    """Logits or images of a whole split after one channel draw."""
    cut = parts(len(symbols), BATCH)
    return torch.cat([trained.system.deliver(symbols[p], n0, key and key[p], generator) for p in cut])


def evasion_steps(spec: Spec) -> int:
    """How often `evasion` tells that a step is done."""
    return len(spec.snr_db) * (1 + len(spec.evaluation.attacks) * (spec.task == "classification"))


def evasion(
    trained: Method, spec: Spec, data: Data, told: Told = untold
) -> tuple[list[dict], dict[tuple[float, str], tuple[np.ndarray, int]]]:
    """Rows of evasion.csv: accuracy (or PSNR …) at every SNR over `draws` noises, then every attack (D4).

    Of a classifier also {(snr_db, attack): (in how many draws each image was right, uint8 [n]; draws)}.
    """
    pixels, label = data.test
    image = prepared(pixels, spec.image_size)
    rows, counts = [], {}
    for snr_db in spec.snr_db:
        n0 = noise_power(snr_db)
        symbols, key = on_air(trained, image, n0, "evaluate", snr_db)
        values: dict[str, list[Tensor]] = {}
        for draw in range(spec.evaluation.draws):
            # Named without the method: every method with as many symbols meets the very same air.
            noise = generator_for(data.device, "evaluate", spec.dataset, spec.channel, spec.seed, snr_db, draw)
            output = received(trained, symbols, key, n0, noise)
            if spec.task == "reconstruction":
                measured = _fidelity(output, pixels)
            else:
                measured = {"natural_accuracy": metrics.correct(output, label)}
            for metric, value in measured.items():
                values.setdefault(metric, []).append(value)
        for metric, value in values.items():
            rows.append(_evasion_row(spec, snr_db, "none", 0.0, metric, torch.stack(value), trained.system.k))
            if metric == "natural_accuracy":
                counts[snr_db, "none"] = _counted(torch.stack(value))
        told(f"{snr_db:g} dB")
        if spec.task == "classification":
            chosen = slice(spec.evaluation.attack_images)
            for attack in spec.evaluation.attacks:
                value = attacked(trained, spec, attack, snr_db, image[chosen], label[chosen])
                eps = ATTACKS[attack][1]
                rows.append(_evasion_row(spec, snr_db, attack, eps, "adversarial_accuracy", value, trained.system.k))
                counts[snr_db, attack] = _counted(value)
                told(f"{snr_db:g} dB, attack {attack}")
    return rows, counts


def _counted(correct: Tensor) -> tuple[np.ndarray, int]:
    """Of Float[draws, n] in {0, 1}: how often each image was right, uint8 [n], and the draws."""
    return correct.sum(dim=0).byte().cpu().numpy(), len(correct)


def _images_sd(metric: str, value: Tensor) -> float | None:
    """The standard deviation of Float[n] over images; None of a proportion, whose value and n say it."""
    return None if is_proportion(metric) or len(value) < 2 else value.double().std().item()


def attacked(trained: Method, spec: Spec, attack: str, snr_db: float, image: Tensor, label: Tensor) -> Tensor:
    """Float[draws, n]: correctness on adversarial images, each re-scored on fresh channel draws."""
    perturb, _ = ATTACKS[attack]
    n0 = noise_power(snr_db)
    name = (attack, spec.dataset, spec.channel, spec.seed, snr_db)
    keys = trained.keys.session("attack", *name)
    model = NoisyClassifier(trained.system, n0, keys, generator_for(image.device, "attack", *name))
    with torch.random.fork_rng():
        torch.manual_seed(seed("start", *name))
        pairs = zip(image.split(BATCH), label.split(BATCH), strict=True)
        adversarial = torch.cat([perturb(model.eval(), x, y) for x, y in pairs])
    symbols, key = on_air(trained, adversarial, n0, "rescore", *name)
    outcomes = []
    for draw in range(spec.evaluation.draws):
        noise = generator_for(image.device, "rescore", *name, draw)
        outcomes.append(metrics.correct(received(trained, symbols, key, n0, noise), label))
    return torch.stack(outcomes)


def _evasion_row(spec: Spec, snr_db, attack: str, eps: float, metric: str, value: Tensor, k: int) -> dict:
    each_draw = value.double().mean(dim=1)
    return spec.columns | {
        "snr_test_db": snr_db,
        "attack": attack,
        "eps": eps,
        "split": "test",
        "metric": metric,
        "value": each_draw.mean().item(),
        "images_sd": _images_sd(metric, value.double().mean(dim=0)),
        "draws_sd": each_draw.std().item() if len(each_draw) > 1 else None,
        "n": value.shape[1],
        "draws": value.shape[0],
        "symbols_k": k,
    }


def _fidelity(output: Tensor, pixels: Tensor) -> dict[str, Tensor]:
    """Each image's mse, psnr_db and ssim at 32×32 pixels (D14)."""
    x, y = resize(output, SCORED).clamp(0, 1), images(pixels, SCORED)
    return {"mse": metrics.mse(x, y), "psnr_db": metrics.psnr_db(x, y), "ssim": metrics.ssim(x, y)}


def inversion_steps(spec: Spec) -> int:
    """How often `inversion` tells that a step is done."""
    return len(spec.inversion.snr_db) * (1 + len(spec.inversion.attackers))


def inversion(
    trained: Method, spec: Spec, data: Data, classifier: nn.Module, told: Told = untold
) -> tuple[list[dict], dict[str, Tensor]]:
    """Rows of inversion.csv, and the pictures: uint8 [m, c, 32, 32] by attacker, with `original` and `label`.

    The attackers learn from the training split; test images are what they are judged on.
    """
    known = data.limit(spec.inversion.images).train[0]
    test = prepared(data.test[0], spec.image_size)
    shown = _first_of_each_class(data.test[1], data.classes)
    pictures = {"original": _bytes(images(data.test[0][shown], SCORED)), "label": data.test[1][shown]}
    rows = []
    for snr_db in spec.inversion.snr_db:
        n0, system = noise_power(snr_db), trained.system
        name = (spec.dataset, spec.channel, spec.label, spec.seed, snr_db)
        symbols, key = on_air(trained, test, n0, "invert", snr_db)
        air = generator_for(data.device, "tap", *name)
        heard = torch.cat([system.channel(part, n0, air) for part in symbols.split(BATCH)])

        # A stolen encoder, applied once to every known image; its own air is drawn anew at each hearing.
        training_air = generator_for(data.device, "attacker's air", *name)
        sent = stolen(trained, prepared(known, spec.image_size), n0)
        target = prepared(known, SCORED)
        knowledge = Knowledge(target, sent, system.grid, partial(system.channel, n0=n0, generator=training_air))
        tap = Tap(heard, knowledge)
        results = {("mean_image", "images"): mean_image(target)(heard)}
        for attacker in spec.inversion.attackers:
            attack, what = ATTACKERS[attacker]
            rebuild = attack(tap, spec.inversion.epochs, generator_for(torch.device("cpu"), attacker, *name))
            results[attacker, what] = torch.cat([rebuild(part) for part in heard.split(BATCH)])
            told(f"{snr_db:g} dB, attacker {attacker}")
        if spec.task == "reconstruction":
            legitimate = generator_for(data.device, "legitimate", *name)
            results["legitimate", "key"] = received(trained, symbols, key, n0, legitimate)
        clean = judged(classifier, prepared(data.test[0], SCORED), data.test[1])
        rows.append(_inversion_row(spec, snr_db, "original", "images", "attacker_accuracy", clean, system.k))
        for (attacker, what), image in results.items():
            measured = _fidelity(image, data.test[0]) | {"attacker_accuracy": judged(classifier, image, data.test[1])}
            for metric, value in measured.items():
                rows.append(_inversion_row(spec, snr_db, attacker, what, metric, value, system.k))
            if snr_db == max(spec.inversion.snr_db) and attacker != "mean_image":
                pictures[attacker] = _bytes(resize(image[shown], SCORED).clamp(0, 1))
        told(f"{snr_db:g} dB, pictures judged")
    return rows, pictures


@torch.no_grad()
def judged(classifier: nn.Module, image: Tensor, label: Tensor) -> Tensor:
    """Float[n]: whether the judge sees the right class in a picture."""
    small = resize(image, SCORED).clamp(0, 1)
    return metrics.correct(torch.cat([classifier(part) for part in small.split(BATCH)]), label)


def _first_of_each_class(label: Tensor, classes: int) -> Tensor:
    return torch.cat([(label == c).nonzero().flatten()[:SHOWN] for c in range(classes)])


def _bytes(image: Tensor) -> Tensor:
    return (image * 255).round().byte().cpu()


def _inversion_row(spec: Spec, snr_db, attacker: str, what: str, metric: str, value: Tensor, k: int) -> dict:
    return spec.columns | {
        "snr_tap_db": snr_db,
        "attacker": attacker,
        "knowledge": what,
        "metric": metric,
        "value": value.double().mean().item(),
        "images_sd": _images_sd(metric, value),
        "n": len(value),
        "symbols_k": k,
    }


def audit(trained: Method, spec: Spec, data: Data) -> list[dict]:
    """Rows of audit.csv: how a known message gives the key away, and what no shuffle hides.

    None for a method without a key; for reconstruction, whose receiver names no class, without the wrong key's row.
    """
    if trained.keys.sending(0, 1) is None:
        return []
    pixels, label = data.test
    image = prepared(pixels, spec.image_size)
    run = (spec.dataset, spec.channel, spec.label, spec.seed)
    snr_db = max(spec.inversion.snr_db)
    n0 = noise_power(snr_db)
    known, grid = stolen(trained, image[:AUDITED], n0).cpu(), trained.system.grid
    rows = cryptanalysis.recovery(known, grid[0], trained.system.channel, spec.audit, *run)

    learned, learned_label = data.limit(spec.inversion.images).train
    heard = {}
    for name, images_of in (("train", prepared(learned, spec.image_size)), ("test", image)):
        symbols, _ = on_air(trained, images_of, n0, "audit", name)
        air = generator_for(data.device, "audit's air", *run, name)
        heard[name] = leakage.multiset(trained.system.channel(symbols, n0, air), grid)
    generator = generator_for(torch.device("cpu"), "leakage", *run)
    if spec.task == "classification":
        value = wrong_key(trained, image[:AUDITED], label[:AUDITED], n0, generator)
        rows.append({"quantity": "wrong_key_accuracy", "snr_db": snr_db, "value": value, "n": len(label[:AUDITED])})
    for quantity, infer in leakage.INFERENCES.items():
        right = infer(heard["train"], learned_label, heard["test"], data.classes, spec.inversion.epochs, generator)
        value = metrics.correct(right, label)
        rows.append({"quantity": quantity, "snr_db": snr_db, "value": value.double().mean().item(), "n": len(value)})
    return [spec.columns | {"grid": "x".join(map(str, grid))} | row for row in rows]


def wrong_key(trained: Method, image: Tensor, label: Tensor, n0: float, generator: torch.Generator) -> float:
    """The receiver's accuracy with a random key that is not the sender's, a mean over WRONG_KEYS of them."""
    symbols, _ = on_air(trained, image, n0, "wrong key")
    outcomes = []
    for number in range(WRONG_KEYS):
        key = Key.random(*trained.system.grid, generator)
        air = generator_for(image.device, "wrong key", number)
        outcomes.append(metrics.correct(received(trained, symbols, key, n0, air), label))
    return torch.stack(outcomes).mean().item()
