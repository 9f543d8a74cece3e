"""The stage that measures what a trained run's receiver gets: every SNR, unattacked and under every attack."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from repobe import metrics
from repobe.channels import noise_power
from repobe.data import Data
from repobe.evasion import KINDS, FrozenClassifier, NoisyClassifier
from repobe.method import Method, parts
from repobe.obfuscation import FixedKey
from repobe.spec import Attack, Spec, seed
from repobe.splits import BATCH, fidelity, generator_for, images_sd, on_air, prepared, received

ADVERSARIAL = "adversarial_accuracy"


def evasion_steps(spec: Spec) -> int:
    """How many parts `evasion` keeps."""
    steps = len(spec.snr_db)
    if spec.task == "classification":
        for attack in spec.evaluation.attacks.values():
            steps += len(attack.eps) * sum(attack.snr_db is None or snr_db in attack.snr_db for snr_db in spec.snr_db)
    return steps


def evasion(
    trained: Method, spec: Spec, data: Data, surrogates: dict[str, Method], keep: Callable[[str, Callable], dict]
) -> tuple[list[dict], dict[tuple[float, str], tuple[np.ndarray, int]]]:
    """Rows of evasion.csv: accuracy (or PSNR …) at every SNR over `draws` noises, then every attack (D4).

    Of a digital classifier clean_accuracy beside that of the highest SNR: what its codec and link cost.

    surrogates: the trained runs that transfer attacks are crafted on, by label. Of a classifier, without attack and
    under the paper's, also {(snr_db, attack): (in how many draws each image was right, uint8 [n]; draws)}.
    """
    pixels, label = data.test
    image = prepared(pixels, spec.image_size)
    rows, counts = [], {}
    for snr_db in spec.snr_db:
        natural = keep(f"natural {snr_db:g} dB", lambda snr_db=snr_db: unattacked(trained, spec, data, image, snr_db))
        for metric, value in natural.items():
            rows.append(_evasion_row(spec, snr_db, "none", 0.0, metric, value, trained.system.k))
        if spec.task == "reconstruction":
            continue
        counts[snr_db, "none"] = _counted(natural["natural_accuracy"])
        if trained.system.digital and snr_db == max(spec.snr_db):
            clean = clean_accuracy(trained, image, label)
            rows.append(_evasion_row(spec, snr_db, "none", 0.0, "clean_accuracy", clean, trained.system.k))
        survived: dict[float, list[dict]] = {}
        for name, attack in spec.evaluation.attacks.items():
            if attack.snr_db is not None and snr_db not in attack.snr_db:
                continue
            for eps in attack.eps:
                outcomes = keep(
                    f"{name} {eps:g} {snr_db:g} dB",
                    lambda name=name, attack=attack, eps=eps, snr_db=snr_db: attacked(
                        trained, spec, name, attack, eps, snr_db, image, label, surrogates
                    ),
                )
                survived.setdefault(eps, []).append(outcomes)
                if name == "paper":
                    counts[snr_db, name] = _counted(outcomes["scored"])
                rows.append(_evasion_row(spec, snr_db, name, eps, ADVERSARIAL, outcomes["scored"], trained.system.k))
        for eps, several in survived.items():
            rows.append(_evasion_row(spec, snr_db, "worst", eps, ADVERSARIAL, worst(several), trained.system.k))
    return rows, counts


def _counted(correct: Tensor) -> tuple[np.ndarray, int]:
    """Of Float[draws, n] in {0, 1}: how often each image was right, uint8 [n], and the draws."""
    return correct.sum(dim=0).byte().cpu().numpy(), len(correct)


@torch.no_grad()
def clean_accuracy(trained: Method, image: Tensor, label: Tensor) -> Tensor:
    """Float[1, n]: what a digital system's classifier makes of images that were never coded nor sent."""
    cut = parts(len(image), BATCH)
    return torch.cat([metrics.correct(trained.system.classify(image[p]), label[p]) for p in cut])[None]


def unattacked(trained: Method, spec: Spec, data: Data, image: Tensor, snr_db: float) -> dict[str, Tensor]:
    """Float[draws, n] by metric: what the receiver makes of the whole test split."""
    pixels, label = data.test
    n0 = noise_power(snr_db)
    symbols, key = on_air(trained, image, n0, "evaluate", snr_db)
    values: dict[str, list[Tensor]] = {}
    for draw in range(spec.evaluation.draws):
        # Named without the method: every method with as many symbols meets the very same air.
        noise = generator_for(data.device, "evaluate", spec.dataset, spec.channel, spec.seed, snr_db, draw)
        output = received(trained, symbols, key, n0, noise)
        if spec.task == "reconstruction":
            measured = fidelity(output, pixels, spec.image_size)
        else:
            measured = {"natural_accuracy": metrics.correct(output, label)}
        for metric, value in measured.items():
            values.setdefault(metric, []).append(value)
    return {metric: torch.stack(value) for metric, value in values.items()}


def attacked(
    trained: Method,
    spec: Spec,
    name: str,
    attack: Attack,
    eps: float,
    snr_db: float,
    image: Tensor,
    label: Tensor,
    surrogates: dict[str, Method],
) -> dict[str, Tensor]:
    """Correctness Float[draws, n] on adversarial images, each re-scored on fresh channel draws: `scored`.

    `selected`: the same on as many draws more, by which `worst` picks each image's attack.
    """
    image, label, n0 = image[: attack.images], label[: attack.images], noise_power(snr_db)
    stream = (name, eps, spec.dataset, spec.channel, spec.seed, snr_db)
    noise = generator_for(image.device, "attack", *stream)
    victim = surrogates[attack.surrogate] if attack.kind == "transfer" else trained
    if attack.kind == "autoattack_standard":
        model = FrozenClassifier(trained.system, n0, seed("frozen", *stream))
    elif attack.kind == "keyless":
        model = NoisyClassifier(trained.system, n0, FixedKey(None), noise)
    else:
        model = NoisyClassifier(victim.system, n0, victim.keys.session("attack", *stream), noise)
    perturb = KINDS[attack.kind]
    with torch.random.fork_rng():
        torch.manual_seed(seed("start", *stream))
        cut = parts(len(image), BATCH)
        adversarial = torch.cat([perturb(model.eval(), image[p], label[p], eps, attack) for p in cut])
    symbols, key = on_air(trained, adversarial, n0, "rescore", *stream)
    outcomes = {}
    for purpose in ("scored", "selected"):
        draws = []
        for draw in range(spec.evaluation.draws):
            air = generator_for(image.device, purpose, *stream, draw)
            draws.append(metrics.correct(received(trained, symbols, key, n0, air), label))
        outcomes[purpose] = torch.stack(draws)
    return outcomes


def worst(several: list[dict[str, Tensor]]) -> Tensor:
    """Correctness Float[draws, n] under each image's worst attack, over the images that all attacks have had.

    Picked on other draws than it is scored on, else luck in the draws would pass for strength.
    """
    n = min(outcomes["scored"].shape[1] for outcomes in several)
    survival = torch.stack([outcomes["selected"][:, :n].mean(dim=0) for outcomes in several])
    scored = torch.stack([outcomes["scored"][:, :n] for outcomes in several])
    return scored.gather(0, survival.argmin(dim=0).expand(1, *scored.shape[1:]))[0]


def _evasion_row(spec: Spec, snr_db, attack: str, eps: float, metric: str, value: Tensor, k: int) -> dict:
    each_draw = value.double().mean(dim=1)
    return spec.columns | {
        "snr_test_db": snr_db,
        "attack": attack,
        "eps": eps,
        "split": "test",
        "metric": metric,
        "value": each_draw.mean().item(),
        "images_sd": images_sd(metric, value.double().mean(dim=0)),
        "draws_sd": each_draw.std().item() if len(each_draw) > 1 else None,
        "n": value.shape[1],
        "draws": value.shape[0],
        "symbols_k": k,
    }
