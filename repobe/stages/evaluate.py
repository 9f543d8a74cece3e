"""The stage that measures a trained run's receiver: at every SNR, without attack and under every attack."""

from collections.abc import Callable
from dataclasses import asdict, replace

import numpy as np
import torch
from torch import Tensor

from repobe.attacks.evasion import SELECTION
from repobe.images import metrics
from repobe.images.datasets import Data
from repobe.images.resizing import Resized, gathered
from repobe.phy.channels import noise_power
from repobe.runs import plugins
from repobe.runs.spec import Attack, Spec
from repobe.stages.crafting import Victim, crafted, regrouped
from repobe.stages.transmission import Draws, batches, fidelity, generator_for, images_sd
from repobe.training.method import Method

ADVERSARIAL = "adversarial_accuracy"
COMMON = "paper_common"  # the paper's attack, on the images of the ensemble
SCORED_DRAWS = 5  # least number of channel draws that score an adversarial image


def attacks_at(spec: Spec, snr_db: float) -> list[tuple[str, Attack, float]]:
    """(name, attack, eps) of a run's attacks at an SNR; skips transfer attacks whose surrogate is this run."""
    if spec.task == "reconstruction":
        return []
    attacks = {name: a for name, a in spec.evaluation.attacks.items() if a.snr_db is None or snr_db in a.snr_db}
    return [(name, a, eps) for name, a in attacks.items() if a.surrogate != spec.label for eps in a.eps]


def evasion_steps(spec: Spec) -> int:
    """The number of parts that `evasion` keeps."""
    return sum(1 + len(attacks_at(spec, snr_db)) for snr_db in spec.snr_db)


def evasion(
    trained: Method,
    spec: Spec,
    data: Data,
    surrogates: dict[str, Method],
    cached: Callable[..., dict],
    weights: dict[str, str] | None = None,
) -> tuple[list[dict], dict[tuple[float, str], tuple[np.ndarray, int]]]:
    """(rows of evasion.csv, correct draws of each image, for paired tests).

    The rows are accuracy (or PSNR …) at every SNR over `draws` channel draws, then every attack (D4). A digital
    classifier also gets clean_accuracy at the highest SNR, which shows what its codec and link cost. The ensemble of
    the attacks at each eps (`ensemble_name`) and `paper_common`, the paper's attack once more, use the images that all
    attacks at that SNR share, so that the two compare.

    The second value is {(snr_db, attack): (number of correct draws of each image, uint8 [n]; number of draws)}, for a
    classifier without attack and under the paper's attack. surrogates: trained runs, by label, on which transfer
    attacks are crafted; weights: the SHA-256 of their models, on which what is kept of a transfer attack depends.
    cached: a `ResultCache`, which names what each part depends on, so that a new attack adds its own.
    """
    image, label = Resized(data.test[0], spec.image_size), data.test[1]
    victim = Victim(trained, spec, image, label, surrogates)
    rows, counts, sent = [], {}, {}
    for snr_db in spec.snr_db:
        natural = cached(
            f"natural {snr_db:g} dB",
            lambda snr_db=snr_db: unattacked(trained, spec, image, label, snr_db, sent),
            draws=spec.evaluation.draws,
            snr_db=snr_db,
        )
        for metric, value in natural.items():
            rows.append(_evasion_row(spec, snr_db, "none", 0.0, metric, value, trained.system.k))
        if spec.task == "reconstruction":
            continue
        counts[snr_db, "none"] = _counted(natural["natural_accuracy"])
        if trained.system.digital and snr_db == max(spec.snr_db):
            clean = clean_accuracy(trained, image, label)
            rows.append(_evasion_row(spec, snr_db, "none", 0.0, "clean_accuracy", clean, trained.system.k))
        attacks = attacks_at(spec, snr_db)
        common = min([len(label), *(attack.images for _, attack, _ in attacks)])
        survived: dict[float, list[dict]] = {}
        kinds: dict[float, set[str]] = {}
        for name, attack, eps in attacks:
            outcomes = cached(
                f"{name} {eps:g} {snr_db:g} dB",
                lambda name=name, attack=attack, eps=eps, snr_db=snr_db, common=common: attacked(
                    victim, name, attack, eps, snr_db, common
                ),
                draws=spec.evaluation.draws,
                common=common,
                eps=eps,
                snr_db=snr_db,
                **_settings(attack, spec, weights or {}),
            )
            survived.setdefault(eps, []).append(outcomes)
            kinds.setdefault(eps, set()).add(attack.kind)
            rows.append(_evasion_row(spec, snr_db, name, eps, ADVERSARIAL, outcomes["scored"], trained.system.k))
            if name == "paper":
                counts[snr_db, name] = _counted(outcomes["scored"])
                if common < outcomes["scored"].shape[1]:
                    value = outcomes["scored"][:, :common]
                    rows.append(_evasion_row(spec, snr_db, COMMON, eps, ADVERSARIAL, value, trained.system.k))
        for eps, several in survived.items():
            name, value = ensemble_name(kinds[eps]), ensemble(several)
            rows.append(_evasion_row(spec, snr_db, name, eps, ADVERSARIAL, value, trained.system.k))
    return rows, counts


def _settings(attack: Attack, spec: Spec, weights: dict[str, str]) -> dict:
    """What decides an attack at one eps and SNR: its entry in the config, the text of a user's attack, the weights of a
    surrogate, and for EOT-PGD also the paper's attack, whose images it considers.
    """
    entries = {"attack": attack}
    if attack.kind == "eot_pgd" and "paper" in spec.evaluation.attacks:
        entries["paper"] = spec.evaluation.attacks["paper"]
    found = {name: asdict(replace(entry, eps=(0.0,), snr_db=None)) for name, entry in entries.items()}
    if plugins.is_file(attack.kind):
        found["source"] = (plugins.ROOT / attack.kind).read_text(encoding="utf-8")
    if attack.surrogate in weights:
        found["surrogate"] = weights[attack.surrogate]
    return found


def _counted(correct: Tensor) -> tuple[np.ndarray, int]:
    """Float[draws, n] in {0, 1} to (number of correct draws of each image, uint8 [n]; number of draws)."""
    return correct.sum(dim=0).byte().cpu().numpy(), len(correct)


@torch.no_grad()
def clean_accuracy(trained: Method, image: Resized, label: Tensor) -> Tensor:
    """Float[1, n]: correctness of a digital system's classifier on images that were neither coded nor sent."""
    right = (metrics.correct(trained.system.classify(image[p]), label[p]) for p in batches(trained, len(image)))
    return gathered(right, len(image))[None]


def unattacked(
    trained: Method, spec: Spec, image: Resized, label: Tensor, snr_db: float, sent: dict[int, Tensor] | None = None
) -> dict[str, Tensor]:
    """Float[draws, n] by metric: the receiver's results on the whole test split. sent: see `Draws`, `kept`."""
    # The name leaves out the method, so all methods with the same k see the same channel draws.
    stream = (spec.dataset, spec.channel, spec.seed, snr_db)
    channel_generators = [
        generator_for(image.device, "evaluate", *stream, draw) for draw in range(spec.evaluation.draws)
    ]
    heard = Draws(trained, noise_power(snr_db), channel_generators, "evaluate", snr_db, kept=sent)

    def measured(output: Tensor, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        if spec.task == "reconstruction":
            return fidelity(output, x)
        return {"natural_accuracy": metrics.correct(output, y)}

    found: dict[str, Tensor] = {}  # made whole at once, as by `gathered`
    for p in batches(trained, len(image)):
        x = image[p]
        for draw, output in enumerate(heard(x)):
            for metric, value in measured(output, x, label[p]).items():
                found.setdefault(metric, value.new_empty(len(channel_generators), len(image)))[draw, p] = value
    return found


def attacked(victim: Victim, name: str, attack: Attack, eps: float, snr_db: float, common: int) -> dict[str, Tensor]:
    """Correctness on adversarial images, each re-scored on fresh channel draws: `scored` Float[5 or `draws`, n].

    `selected` Float[20, common]: the same on other draws, by which `ensemble` picks each image's attack. Each batch is
    crafted, sent through all draws and counted, then dropped.
    """
    spec, label = victim.spec, victim.label
    # The name leaves out the attack, so all attacks see the same channel draws and only the images differ.
    place = (spec.dataset, spec.channel, spec.seed, snr_db)

    def through(purpose: str, draws: int) -> Draws:
        channel_generators = [generator_for(label.device, purpose, *place, draw) for draw in range(draws)]
        return Draws(victim.trained, noise_power(snr_db), channel_generators, purpose, name, eps, *place)

    draws, images = max(SCORED_DRAWS, spec.evaluation.draws), min(attack.images, len(label))
    first = {"scored": through("scored", draws), "selected": through("selected", SELECTION)}
    rest = {"scored": through("scored, the rest", draws)}
    cut = [*batches(victim.trained, common), *batches(victim.trained, images, common)]
    adversarial = regrouped(crafted(victim, name, attack, eps, snr_db), [p.stop - p.start for p in cut])
    shapes = {"scored": (draws, images), "selected": (SELECTION, common)}
    found = {purpose: torch.empty(shape, device=label.device) for purpose, shape in shapes.items()}
    for p, x in zip(cut, adversarial, strict=True):
        for purpose, heard in (first if p.start < common else rest).items():
            for draw, output in enumerate(heard(x)):
                found[purpose][draw, p] = metrics.correct(output, label[p])
    return found


def ensemble_name(kinds: set[str]) -> str:
    """The name in the tables of each image's most harmful attack among these kinds.

    It is `worst` if AutoAttack and Square are among them. Without a strong white-box and a black-box attack, it is no
    worst case (Croce and Hein 2020; Carlini et al. 2019), and its name is `ensemble`.
    """
    complete = "square" in kinds and any(kind.startswith("autoattack") for kind in kinds)
    return "worst" if complete else "ensemble"


def ensemble(several: list[dict[str, Tensor]]) -> Tensor:
    """Correctness Float[draws, n] under each image's most harmful attack, on the images that all attacks share.

    The draws that pick the attack are not those that score it; otherwise chance would count as strength.
    """
    n = min(outcomes["selected"].shape[1] for outcomes in several)
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
