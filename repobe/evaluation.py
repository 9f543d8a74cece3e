"""The stages that measure a trained run: what its receiver gets, what its enemies get, and its cipher."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from repobe import cryptanalysis, leakage, metrics
from repobe.channels import noise_power
from repobe.data import Data
from repobe.decoders import SCORED
from repobe.evasion import KINDS, FrozenClassifier, NoisyClassifier
from repobe.inversion import (
    ATTACKERS,
    Knowledge,
    Tap,
    fresh_key,
    mean_image,
    open_by_known_messages,
    same_key,
    with_stolen_encoder,
)
from repobe.method import Method, parts
from repobe.obfuscation import FixedKey, Key, PerMessageKeys, decrypt
from repobe.spec import Attack, Spec, secret, seed
from repobe.statistics import is_proportion
from repobe.system import resize, shuffle
from repobe.training import images

BATCH = 250
ADVERSARIAL = "adversarial_accuracy"
SHOWN = 2  # reconstructions of each class kept as pictures
WRONG_KEYS = 20
AUDITED = 500  # test images whose messages the eavesdropper may come to know


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


def _images_sd(metric: str, value: Tensor) -> float | None:
    """The standard deviation of Float[n] over images; None of a proportion, whose value and n say it."""
    return None if is_proportion(metric) or len(value) < 2 else value.double().std().item()


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
            measured = _fidelity(output, pixels, spec.image_size)
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
        "images_sd": _images_sd(metric, value.double().mean(dim=0)),
        "draws_sd": each_draw.std().item() if len(each_draw) > 1 else None,
        "n": value.shape[1],
        "draws": value.shape[0],
        "symbols_k": k,
    }


def scored(pixels: Tensor, size: int) -> Tensor:
    """Float[b, c, 32, 32]: the S×S images that are sent, at the size that they are compared at (D14).

    Through S×S, else enlarging and shrinking alone would cost a perfect receiver of CIFAR-10 all above 31 dB.
    """
    return torch.cat([resize(images(part, size), SCORED).clamp(0, 1) for part in pixels.split(1000)])


def _fidelity(output: Tensor, pixels: Tensor, size: int) -> dict[str, Tensor]:
    """Each image's mse, psnr_db and ssim at 32×32 pixels (D14)."""
    x, y = resize(output, SCORED).clamp(0, 1), scored(pixels, size)
    return {"mse": metrics.mse(x, y), "psnr_db": metrics.psnr_db(x, y), "ssim": metrics.ssim(x, y)}


def inversion_steps(spec: Spec) -> int:
    """How many parts `inversion` keeps, at most: without a shuffle there are fewer attackers."""
    kinds = {"encoder" if a in ("keyless", "known_plaintext", "with_key") else a for a in spec.inversion.attackers}
    return len(spec.inversion.snr_db) * (1 + len(kinds))


def inversion(
    trained: Method, spec: Spec, data: Data, classifier: nn.Module, keep: Callable[[str, Callable], dict]
) -> tuple[list[dict], dict[str, Tensor]]:
    """Rows of inversion.csv, and the pictures: uint8 [m, c, 32, 32] by attacker, with `original` and `label`.

    The attackers learn from the training split; test images are what they are judged on. The pictures are of the
    highest SNR.
    """
    pixels, label = data.test
    shown = _first_of_each_class(label, data.classes)
    pictures = {"original": _bytes(images(pixels[shown], SCORED)), "label": label[shown]}
    rows = []

    def note(snr_db: float, found: dict[str, dict[str, Tensor]]) -> None:
        for attacker, measured in found.items():
            what = KNOWLEDGE.get(attacker) or ATTACKERS[max((a for a in ATTACKERS if attacker.startswith(a)), key=len)]
            for metric, value in measured.items():
                if metric != "shown":
                    rows.append(_inversion_row(spec, snr_db, attacker, what, metric, value, trained.system.k))
                elif snr_db == max(spec.inversion.snr_db) and attacker != "mean_image":
                    pictures[attacker] = value

    def measure(found: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
        return {
            attacker: _seen(image, pixels, spec.image_size, label, shown, classifier)
            for attacker, image in found.items()
        }

    for snr_db in spec.inversion.snr_db:
        situation = Situation(trained, spec, data, snr_db)
        note(
            snr_db,
            keep(
                f"plain {snr_db:g} dB",
                lambda s=situation: measure(s.without_attacker())
                | {"original": {"attacker_accuracy": judged(classifier, scored(pixels, spec.image_size), label)}},
            ),
        )
        for name, attack in situation.attacks().items():
            note(snr_db, keep(f"{name} {snr_db:g} dB", lambda attack=attack: measure(attack())))
    return rows, pictures


KNOWLEDGE = {"original": "images", "mean_image": "images", "legitimate": "key"}  # of those that attack nothing


class Situation:
    """One eavesdropper's SNR: what is in the air, and what each kind of attacker owns of it."""

    def __init__(self, trained: Method, spec: Spec, data: Data, snr_db: float) -> None:
        self.trained, self.spec, self.data, self.snr_db = trained, spec, data, snr_db
        self.n0, self.grid = noise_power(snr_db), trained.system.grid
        self.name = (spec.dataset, spec.channel, spec.label, spec.seed, snr_db)
        self.known = data.limit(spec.inversion.images).train[0]
        self.target = scored(self.known, spec.image_size)
        self.test = prepared(data.test[0], spec.image_size)
        self.symbols, self.key = on_air(trained, self.test, self.n0, "invert", snr_db)

    def air(self, symbols: Tensor, purpose: str) -> Tensor:
        """Symbols after the eavesdropper's channel."""
        generator = generator_for(self.data.device, purpose, *self.name)
        return torch.cat([self.trained.system.channel(part, self.n0, generator) for part in symbols.split(BATCH)])

    def knowledge(self, sent: Tensor, attacker: str) -> Knowledge:
        """Of pairs (image, sent); training hears each message anew."""
        generator = generator_for(self.data.device, "attacker's air", attacker, *self.name)
        channel = partial(self.trained.system.channel, n0=self.n0, generator=generator)
        return Knowledge(self.target, sent, self.grid, channel)

    def without_attacker(self) -> dict[str, Tensor]:
        """The floor, and of a reconstructing system the ceiling."""
        found = {"mean_image": mean_image(self.target, len(self.test))}
        if self.spec.task == "reconstruction":
            legitimate = generator_for(self.data.device, "legitimate", *self.name)
            found["legitimate"] = received(self.trained, self.symbols, self.key, self.n0, legitimate)
        return found

    def attacks(self) -> dict[str, Callable[[], dict[str, Tensor]]]:
        """Whole attacks to run by name; of a system without a shuffle those that need no key to differ in.

        None where bits of a public code are on the air: whoever hears them decodes what the receiver does.
        """
        if self.trained.system.digital:
            return {}
        wanted = [a for a in self.spec.inversion.attackers if isinstance(self.key, Key) or a in ("keyless", "same_key")]
        chosen = {}
        if {"keyless", "known_plaintext", "with_key"} & set(wanted):
            chosen["encoder"] = partial(self.by_encoder, wanted)
        if "same_key" in wanted:
            chosen["same_key"] = self.by_pairs
        if "fresh_key" in wanted:
            chosen["fresh_key"] = self.by_fresh_pairs
        return chosen

    def by_encoder(self, wanted: list[str]) -> dict[str, Tensor]:
        """keyless, known_plaintext, with_key: a stolen encoder, applied once to every known image."""
        plain = prepared(self.known, self.spec.image_size)
        knowledge = self.knowledge(stolen(self.trained, plain, self.n0), "encoder")
        heard = self.air(self.symbols, "tap")
        taps = {"keyless": Tap(heard, knowledge)}
        if "known_plaintext" in wanted:
            one, _ = on_air(self.trained, plain[:1], self.n0, "known message", self.snr_db)
            known = self.air(one, "known message")
            taps["known_plaintext"] = Tap(
                open_by_known_messages(knowledge.sent[:1], known, heard, self.grid), knowledge
            )
        if "with_key" in wanted:
            taps["with_key"] = Tap(shuffle(heard, self.key, decrypt), knowledge)
        generator = generator_for(torch.device("cpu"), "encoder", *self.name)
        return with_stolen_encoder(taps, self.spec.inversion.epochs, generator)

    def by_pairs(self) -> dict[str, Tensor]:
        """same_key: pairs observed under the key in force."""
        plain = prepared(self.known, self.spec.image_size)
        sent, _ = on_air(self.trained, plain, self.n0, "observed pairs", self.snr_db)
        tap = Tap(self.air(self.symbols, "tap"), self.knowledge(sent, "same_key"))
        generator = generator_for(torch.device("cpu"), "same_key", *self.name)
        return same_key("same_key", tap, self.spec.inversion.epochs, generator)

    def by_fresh_pairs(self) -> dict[str, Tensor]:
        """fresh_key: pairs and messages each under a key of its own, whatever the run's own schedule."""
        keys = PerMessageKeys(secret("fresh keys", *self.name), *self.grid)
        sent = stolen(self.trained, prepared(self.known, self.spec.image_size), self.n0)
        sent = shuffle(sent, keys.session("pairs").sending(0, len(sent)))
        heard = stolen(self.trained, self.test, self.n0)
        heard = shuffle(heard, keys.session("messages").sending(0, len(heard)))
        tap = Tap(self.air(heard, "fresh tap"), self.knowledge(sent, "fresh_key"))
        generator = generator_for(torch.device("cpu"), "fresh_key", *self.name)
        return fresh_key("fresh_key", tap, self.spec.inversion.epochs, generator)


def _seen(
    image: Tensor, pixels: Tensor, size: int, label: Tensor, shown: Tensor, classifier: nn.Module
) -> dict[str, Tensor]:
    measured = _fidelity(image, pixels, size) | {"attacker_accuracy": judged(classifier, image, label)}
    return measured | {"shown": _bytes(resize(image[shown], SCORED).clamp(0, 1))}


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

    None for a method that does not shuffle by a key; for reconstruction, whose receiver names no class, without the
    wrong key's row.
    """
    if not isinstance(trained.keys.sending(0, 1), Key):
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
