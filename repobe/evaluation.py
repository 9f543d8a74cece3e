"""The stages that measure a trained run: what its receiver gets, what its enemies get, and its cipher."""

from functools import partial

import torch
from torch import Tensor, nn

from repobe import cryptanalysis, metrics
from repobe.channels import noise_power
from repobe.data import Data
from repobe.evasion import ATTACKS, NoisyClassifier
from repobe.inversion import ATTACKERS, SCORED, Knowledge, Tap, mean_image
from repobe.method import Method
from repobe.spec import Spec, seed
from repobe.system import resize
from repobe.training import images

BATCH = 250
SHOWN = 2  # reconstructions of each class kept as pictures


def generator_for(device: torch.device, *parts) -> torch.Generator:
    """A generator of its own for each named random stream."""
    return torch.Generator(device).manual_seed(seed(*parts))


def prepared(pixels: Tensor, size: int) -> Tensor:
    """All of a split as Float[n, c, size, size], batch by batch."""
    return torch.cat([images(part, size) for part in pixels.split(1000)])


@torch.no_grad()
def on_air(trained: Method, image: Tensor) -> Tensor:
    """Symbols Complex[n, k] of a whole split: the transmitter is deterministic, so once serves every draw."""
    return torch.cat([trained.system.transmit(part, trained.key) for part in image.split(BATCH)])


@torch.no_grad()
def received(trained: Method, symbols: Tensor, n0: float, generator: torch.Generator) -> Tensor:
    """Logits or images of a whole split after one channel draw."""
    heard = (trained.system.channel(part, n0, generator) for part in symbols.split(BATCH))
    return torch.cat([trained.system.receive(part, trained.key) for part in heard])


def evasion(trained: Method, spec: Spec, data: Data) -> list[dict]:
    """Rows of evasion.csv: accuracy (or PSNR …) at every SNR over `draws` noises, then every attack (D4)."""
    pixels, label = data.test
    image = prepared(pixels, spec.image_size)
    symbols = on_air(trained, image)
    rows = []
    for snr_db in spec.snr_db:
        n0 = noise_power(snr_db)
        values: dict[str, list[Tensor]] = {}
        for draw in range(spec.evaluation.draws):
            # Named without the method: every method with as many symbols meets the very same air.
            noise = generator_for(data.device, "evaluate", spec.dataset, spec.channel, spec.seed, snr_db, draw)
            output = received(trained, symbols, n0, noise)
            if spec.task == "reconstruction":
                measured = _fidelity(output, pixels)
            else:
                measured = {"natural_accuracy": metrics.correct(output, label)}
            for metric, value in measured.items():
                values.setdefault(metric, []).append(value)
        for metric, value in values.items():
            rows.append(_evasion_row(spec, snr_db, "none", 0.0, metric, torch.stack(value), symbols))
        if spec.task == "classification":
            chosen = slice(spec.evaluation.attack_images)
            for attack in spec.evaluation.attacks:
                value = attacked(trained, spec, attack, snr_db, image[chosen], label[chosen])
                eps = ATTACKS[attack][1]
                rows.append(_evasion_row(spec, snr_db, attack, eps, "adversarial_accuracy", value, symbols))
    return rows


def attacked(trained: Method, spec: Spec, attack: str, snr_db: float, image: Tensor, label: Tensor) -> Tensor:
    """Float[draws, n]: correctness on adversarial images, each re-scored on fresh channel draws."""
    perturb, _ = ATTACKS[attack]
    n0 = noise_power(snr_db)
    name = (attack, spec.dataset, spec.channel, spec.seed, snr_db)
    model = NoisyClassifier(trained.system, n0, trained.key, generator_for(image.device, "attack", *name))
    with torch.random.fork_rng():
        torch.manual_seed(seed("start", *name))
        pairs = zip(image.split(BATCH), label.split(BATCH), strict=True)
        adversarial = torch.cat([perturb(model.eval(), x, y) for x, y in pairs])
    symbols = on_air(trained, adversarial)
    outcomes = []
    for draw in range(spec.evaluation.draws):
        noise = generator_for(image.device, "rescore", *name, draw)
        outcomes.append(metrics.correct(received(trained, symbols, n0, noise), label))
    return torch.stack(outcomes)


def _evasion_row(spec: Spec, snr_db, attack: str, eps: float, metric: str, value: Tensor, symbols: Tensor) -> dict:
    return {
        "method": spec.label,
        "dataset": spec.dataset,
        "image_size": spec.image_size,
        "channel": spec.channel,
        "snr_train_db": spec.snr_train_name,
        "snr_test_db": snr_db,
        "attack": attack,
        "eps": eps,
        "seed": spec.seed,
        "split": "test",
        "metric": metric,
        "value": value.double().mean().item(),
        "n": value.shape[1],
        "draws": value.shape[0],
        "symbols_k": symbols.shape[1],
    }


def _fidelity(output: Tensor, pixels: Tensor) -> dict[str, Tensor]:
    """Each image's mse, psnr_db and ssim at 32×32 pixels (D14)."""
    x, y = resize(output, SCORED).clamp(0, 1), images(pixels, SCORED)
    return {"mse": metrics.mse(x, y), "psnr_db": metrics.psnr_db(x, y), "ssim": metrics.ssim(x, y)}


def inversion(trained: Method, spec: Spec, data: Data, classifier: nn.Module) -> tuple[list[dict], dict[str, Tensor]]:
    """Rows of inversion.csv, and the pictures: uint8 [m, c, 32, 32] by attacker, with `original` and `label`.

    The attackers learn from the training split; test images are what they are judged on.
    """
    known = data.limit(spec.inversion.images).train[0]
    symbols = on_air(trained, prepared(data.test[0], spec.image_size))
    shown = _first_of_each_class(data.test[1], data.classes)
    pictures = {"original": _bytes(images(data.test[0][shown], SCORED)), "label": data.test[1][shown]}
    rows = []
    for snr_db in spec.inversion.snr_db:
        n0, system = noise_power(snr_db), trained.system
        name = (spec.dataset, spec.channel, spec.label, spec.seed, snr_db)
        air = generator_for(data.device, "tap", *name)
        heard = torch.cat([system.channel(part, n0, air) for part in symbols.split(BATCH)])

        # A stolen encoder, applied once to every known image; its own air is drawn anew at each hearing.
        training_air = generator_for(data.device, "attacker's air", *name)
        with torch.no_grad():
            sent = torch.cat([system.transmit(prepared(part, spec.image_size)) for part in known.split(BATCH)])
        target = prepared(known, SCORED)
        knowledge = Knowledge(target, sent, system.grid, partial(system.channel, n0=n0, generator=training_air))
        tap = Tap(heard, knowledge)
        results = {("mean_image", "images"): mean_image(target)(heard)}
        for attacker in spec.inversion.attackers:
            attack, what = ATTACKERS[attacker]
            rebuild = attack(tap, spec.inversion.epochs, generator_for(torch.device("cpu"), attacker, *name))
            results[attacker, what] = torch.cat([rebuild(part) for part in heard.split(BATCH)])
        if spec.task == "reconstruction":
            legitimate = generator_for(data.device, "legitimate", *name)
            results["legitimate", "key"] = received(trained, symbols, n0, legitimate)
        clean = judged(classifier, prepared(data.test[0], SCORED), data.test[1])
        rows.append(_inversion_row(spec, snr_db, "original", "images", "attacker_accuracy", clean, symbols))
        for (attacker, what), image in results.items():
            measured = _fidelity(image, data.test[0]) | {"attacker_accuracy": judged(classifier, image, data.test[1])}
            for metric, value in measured.items():
                rows.append(_inversion_row(spec, snr_db, attacker, what, metric, value, symbols))
            if snr_db == max(spec.inversion.snr_db) and attacker != "mean_image":
                pictures[attacker] = _bytes(resize(image[shown], SCORED).clamp(0, 1))
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


def _inversion_row(spec: Spec, snr_db, attacker: str, what: str, metric: str, value: Tensor, symbols: Tensor) -> dict:
    return {
        "method": spec.label,
        "dataset": spec.dataset,
        "image_size": spec.image_size,
        "channel": spec.channel,
        "snr_tap_db": snr_db,
        "attacker": attacker,
        "knowledge": what,
        "seed": spec.seed,
        "metric": metric,
        "value": value.double().mean().item(),
        "n": len(value),
        "symbols_k": symbols.shape[1],
    }


def audit(trained: Method, spec: Spec) -> list[dict]:
    """Rows of audit.csv: the key space as printed and as it is, and that decryption is exact. None without a key."""
    if trained.key is None:
        return []
    height, width = trained.system.grid
    here = f"{height}x{width}"
    rows = [
        ("log2_keys_printed", here, cryptanalysis.log2_keys_printed(height, width), 1),
        ("log2_keys_effective", here, cryptanalysis.log2_keys_effective(height), 1),
        ("log2_keys_printed", "28x28", cryptanalysis.log2_keys_printed(28, 28), 1),
        ("log2_keys_effective", "28x28", cryptanalysis.log2_keys_effective(28), 1),
    ]
    for size in (2, 3, 4):
        keys = round(2 ** cryptanalysis.log2_keys_printed(size, size))
        rows.append(("distinct_ciphers", f"{size}x{size}", cryptanalysis.distinct_ciphers(size, size), keys))
    trials = 100
    generator = torch.Generator().manual_seed(seed("roundtrip", spec.seed))
    errors = cryptanalysis.roundtrip_errors(height, width, trials, generator)
    rows.append(("roundtrip_errors", here, errors, trials))
    common = {
        "method": spec.label,
        "dataset": spec.dataset,
        "image_size": spec.image_size,
        "channel": spec.channel,
    }
    unique = {(quantity, setting): (value, n) for quantity, setting, value, n in rows}
    return [
        common | {"quantity": q, "setting": s, "snr_db": None, "seed": spec.seed, "value": value, "n": n}
        for (q, s), (value, n) in unique.items()
    ]
