"""The stage that measures what a trained run's receiver gets: every SNR, unattacked and under every attack."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from repobe.attacks.evasion import KINDS, SELECTION, most_harmful, pgd5
from repobe.attacks.noisy import NoisyClassifier
from repobe.cipher.keys import FixedKey
from repobe.images import metrics
from repobe.images.datasets import Data
from repobe.images.resizing import prepared
from repobe.phy.channels import noise_power
from repobe.runs.seeds import seed
from repobe.runs.spec import Attack, Spec
from repobe.stages.transmission import BATCH, deliveries, fidelity, generator_for, images_sd
from repobe.systems.folding import folded
from repobe.training.method import Method, parts

ADVERSARIAL = "adversarial_accuracy"
COMMON = "paper_common"  # the paper's attack over the images that the ensemble is over
SCORED_DRAWS = 5  # at least, of the channel, that an adversarial image is scored on
CANDIDATES = BATCH // 10  # images at once where each meets many draws at once


def due(spec: Spec, snr_db: float) -> list[tuple[str, Attack, float]]:
    """(name, attack, eps) of what a run meets at an SNR; what is crafted on a run itself transfers nothing."""
    if spec.task == "reconstruction":
        return []
    attacks = {name: a for name, a in spec.evaluation.attacks.items() if a.snr_db is None or snr_db in a.snr_db}
    return [(name, a, eps) for name, a in attacks.items() if a.surrogate != spec.label for eps in a.eps]


def evasion_steps(spec: Spec) -> int:
    """How many parts `evasion` keeps."""
    return sum(1 + len(due(spec, snr_db)) for snr_db in spec.snr_db)


def evasion(
    trained: Method, spec: Spec, data: Data, surrogates: dict[str, Method], keep: Callable[[str, Callable], dict]
) -> tuple[list[dict], dict[tuple[float, str], tuple[np.ndarray, int]]]:
    """Rows of evasion.csv: accuracy (or PSNR …) at every SNR over `draws` noises, then every attack (D4).

    Of a digital classifier clean_accuracy beside that of the highest SNR: what its codec and link cost.

    The ensemble of the attacks at each eps (`ensemble_name`) and `paper_common`, the paper's attack again, are over the
    images that all attacks at that SNR have had, so that they compare. surrogates: the trained runs that transfer
    attacks are crafted on, by label. Of a classifier, without attack and under the paper's, also {(snr_db, attack): (in
    how many draws each image was right, uint8 [n]; draws)}.
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
        attacks = due(spec, snr_db)
        common = min([len(label), *(attack.images for _, attack, _ in attacks)])
        survived: dict[float, list[dict]] = {}
        kinds: dict[float, set[str]] = {}
        for name, attack, eps in attacks:
            outcomes = keep(
                f"{name} {eps:g} {snr_db:g} dB",
                lambda name=name, attack=attack, eps=eps, snr_db=snr_db, natural=natural, common=common: (
                    attacked(trained, spec, name, attack, eps, snr_db, image, label, surrogates, common)
                    if eps > 0
                    else untouched(natural, attack.images, common)
                ),
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
    # Named without the method: every method with as many symbols meets the very same air.
    stream = (spec.dataset, spec.channel, spec.seed, snr_db)
    airs = (generator_for(data.device, "evaluate", *stream, draw) for draw in range(spec.evaluation.draws))
    values: dict[str, list[Tensor]] = {}
    for output in deliveries(trained, image, noise_power(snr_db), airs, "evaluate", snr_db):
        if spec.task == "reconstruction":
            measured = fidelity(output, pixels, spec.image_size)
        else:
            measured = {"natural_accuracy": metrics.correct(output, label)}
        for metric, value in measured.items():
            values.setdefault(metric, []).append(value)
    return {metric: torch.stack(value) for metric, value in values.items()}


def untouched(natural: dict[str, Tensor], images: int, common: int) -> dict[str, Tensor]:
    """Outcomes of an attack of no radius: the clean images' own, draw by draw."""
    right = natural["natural_accuracy"]
    return {"scored": right[:, :images].clone(), "selected": right[:, :common].clone()}


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
    common: int,
) -> dict[str, Tensor]:
    """Correctness on adversarial images, each re-scored on fresh channel draws: `scored` Float[5 or `draws`, n].

    `selected` Float[20, common]: the same on draws of its own, by which `ensemble` picks each image's attack.
    """
    adversarial = crafted(trained, spec, name, attack, eps, snr_db, image, label, surrogates)
    # Named without the attack: all meet the very same air, and what a pair differs in is the attacks'.
    place = (spec.dataset, spec.channel, spec.seed, snr_db)

    def measure(purpose: str, which: slice, draws: int) -> Tensor:
        x, y = adversarial[which], label[which]
        airs = (generator_for(x.device, purpose, *place, draw) for draw in range(draws))
        heard = deliveries(trained, x, noise_power(snr_db), airs, purpose, name, eps, *place)
        return torch.stack([metrics.correct(output, y) for output in heard])

    draws = max(SCORED_DRAWS, spec.evaluation.draws)
    first, rest = slice(common), slice(common, len(adversarial))
    scored = [measure("scored", first, draws)]
    if common < len(adversarial):
        scored.append(measure("scored, the rest", rest, draws))
    return {"scored": torch.cat(scored, dim=1), "selected": measure("selected", first, SELECTION)}


def crafted(
    trained: Method,
    spec: Spec,
    name: str,
    attack: Attack,
    eps: float,
    snr_db: float,
    image: Tensor,
    label: Tensor,
    surrogates: dict[str, Method],
    within: str = "",
) -> Tensor:
    """The attack's adversarial images Float[n, c, S, S]; at one name, eps and SNR always the same.

    The very images of the paper's attack are candidates of eot_pgd, which therefore is never weaker but by the noise
    of the draws that pick: where the paper's attack has fewer images, as it would craft them for as many.

    within: the attack that crafts them as its candidates, in a session of its own: no key serves two messages.
    """
    weak = None
    if attack.kind == "eot_pgd" and name != "paper":
        paper = spec.evaluation.attacks.get("paper", Attack("pgd", attack.images))
        # Whole batches of it, for what a batch meets hangs on its size.
        whole = min(paper.images, -(-attack.images // BATCH) * BATCH)
        paper = replace(paper, images=max(whole, attack.images))
        weak = crafted(trained, spec, "paper", paper, eps, snr_db, image, label, surrogates, within=name)
    image, label, n0 = image[: attack.images], label[: attack.images], noise_power(snr_db)
    stream = (name, eps, spec.dataset, spec.channel, spec.seed, snr_db)
    victim = surrogates[attack.surrogate] if attack.kind == "transfer" else trained
    session = ("attack", *stream, *([within] if within else []))
    keys = FixedKey(None) if attack.kind == "keyless" else victim.keys.session(*session)
    model = NoisyClassifier(folded(victim.system), n0, keys, generator_for(image.device, "attack", *stream)).eval()
    with torch.random.fork_rng():
        torch.manual_seed(seed("start", *stream))
        adversarial = []
        for p in parts(len(image), BATCH if KINDS[attack.kind] is pgd5 else CANDIDATES):
            candidates = KINDS[attack.kind](model, image[p], label[p], eps, attack)
            if weak is not None:
                candidates.insert(0, weak[p])
            several = len(candidates) > 1
            adversarial.append(most_harmful(model, candidates, label[p]) if several else candidates[0])
        return torch.cat(adversarial)


def ensemble_name(kinds: set[str]) -> str:
    """What tables call each image's most harmful attack among those of these kinds.

    `worst` where AutoAttack and Square are among them: without a strong white box and a black box it is no worst case
    (Croce and Hein 2020; Carlini et al. 2019), and is called `ensemble`.
    """
    complete = "square" in kinds and any(kind.startswith("autoattack") for kind in kinds)
    return "worst" if complete else "ensemble"


def ensemble(several: list[dict[str, Tensor]]) -> Tensor:
    """Correctness Float[draws, n] under each image's most harmful attack, over the images that all attacks have had.

    Picked on other draws than it is scored on, else luck in the draws would pass for strength.
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
