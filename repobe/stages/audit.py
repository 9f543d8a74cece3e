"""The stage that attacks a trained run's cipher: known messages, overheard ones, a wrong key, what no shuffle hides."""

import torch
from torch import Tensor

from repobe.attacks import cryptanalysis, leakage
from repobe.cipher.keys import Key
from repobe.cipher.obfuscation import shuffle
from repobe.images import metrics
from repobe.images.datasets import Data
from repobe.images.resizing import Resized, gathered
from repobe.phy.channels import noise_power
from repobe.runs.spec import Spec
from repobe.stages.transmission import generator_for, on_air, received, stolen
from repobe.tables.schema import AUDITED
from repobe.training.method import Method

KEY_TRIALS = 20  # for the accuracy of a receiver without the sender's key


def audit(trained: Method, spec: Spec, data: Data) -> list[dict]:
    """Rows of audit.csv: how known and overheard messages reveal the key, and what no shuffle hides.

    trained: a method that shuffles with a key. For reconstruction there is no row of the receiver's accuracy with a
    wrong key or with one found from overheard messages, because the receiver names no class.
    """
    pixels, label = data.test
    image, audited = Resized(pixels, spec.image_size), Resized(pixels[:AUDITED], spec.image_size)
    run = (spec.dataset, spec.channel, spec.label, spec.seed)
    snr_db = max(spec.inversion.snr_db)
    n0 = noise_power(snr_db)
    known, grid = stolen(trained, audited, n0), trained.system.grid
    own = stolen(trained, Resized(data.train[0][:AUDITED], spec.image_size), n0)
    setting = (grid[0], trained.system.channel, spec.audit, *run)
    rows = cryptanalysis.recovery(known.cpu(), *setting)
    rows += cryptanalysis.ciphertext_only(own.cpu(), known.cpu(), *setting)

    learned, learned_label = data.limit(spec.inversion.images).train
    heard = {}
    for name, images_of in (("train", Resized(learned, spec.image_size)), ("test", image)):
        symbols, _ = on_air(trained, images_of, n0, "audit", name)
        air = generator_for(data.device, "audit's air", *run, name)
        heard[name] = leakage.multiset(trained.system.channel(symbols, n0, air), grid)
    generator = generator_for(torch.device("cpu"), "leakage", *run)
    if spec.task == "classification" and grid != (1, 1):  # with one place, all keys are the same
        about = {"snr_db": snr_db}
        # A mean over keys, because accuracy varies far more between wrong keys than between images.
        each = wrong_key(trained, audited, label[:AUDITED], n0, generator)
        rows.append({"quantity": "wrong_key_accuracy"} | about | cryptanalysis.over_keys(each))
        right, found = found_keys(trained, own, known, label[:AUDITED], n0)
        rows.append({"quantity": "right_key_accuracy"} | about | cryptanalysis.over_keys(right))
        for messages, each in found.items():
            about = {"schedule": "fixed", "known_messages": messages, "snr_db": snr_db}
            rows.append({"quantity": "ciphertext_only_accuracy"} | about | cryptanalysis.over_keys(each))
    for quantity, infer in leakage.INFERENCES.items():
        right = infer(heard["train"], learned_label, heard["test"], data.classes, spec.inversion.epochs, generator)
        value = metrics.correct(right, label)
        rows.append({"quantity": quantity, "snr_db": snr_db, "value": value.double().mean().item(), "n": len(value)})
    return [spec.columns | {"grid": "x".join(map(str, grid))} | row for row in rows]


def wrong_key(trained: Method, image: Resized, label: Tensor, n0: float, generator: torch.Generator) -> Tensor:
    """Float[KEY_TRIALS]: the receiver's accuracy with each of KEY_TRIALS random keys that are not the sender's."""
    symbols, sender = on_air(trained, image, n0, "wrong key")
    outcomes = []
    for number in range(KEY_TRIALS):
        air = generator_for(image.device, "wrong key", number)
        outcomes.append(_accuracy(trained, symbols, another(sender, generator), label, n0, air))
    return torch.tensor(outcomes, dtype=torch.float64)


def found_keys(
    trained: Method, own: Tensor, plain: Tensor, label: Tensor, n0: float
) -> tuple[Tensor, dict[int, Tensor]]:
    """The receiver's accuracy Float[KEY_TRIALS] with the right key, and, by the number of overheard messages, with the
    key that an eavesdropper finds from them. Images, keys and noise are the same for all of these.

    own, plain: Symbols Complex[n, k], unshuffled: of the eavesdropper's own images, and of those sent. For each of
    KEY_TRIALS fixed keys it overhears some of the messages and knows none (`cryptanalysis.recover_from_moments`).
    """
    grid, channel, counts = trained.system.grid, trained.system.channel, cryptanalysis.counts(len(plain))
    read = torch.zeros(1 + len(counts), KEY_TRIALS, dtype=torch.float64)

    def heard(symbols: Tensor, air: torch.Generator) -> Tensor:
        return cryptanalysis.moments(cryptanalysis.maps(channel(symbols, n0, air), grid)).cpu()

    mine = heard(own, generator_for(plain.device, "the eavesdropper's own air"))
    for number in range(KEY_TRIALS):
        draw = generator_for(torch.device("cpu"), "found key", number)
        key, order = Key.random(*grid, draw), torch.randperm(len(plain), generator=draw).to(plain.device)
        sent, tap = shuffle(plain, key), generator_for(plain.device, "overheard", number)
        guesses = [cryptanalysis.recover_from_moments(mine, heard(sent[order[:count]], tap)) for count in counts]
        for which, one in enumerate((key, *guesses)):
            air = generator_for(plain.device, "found key's air", number)
            read[which, number] = _accuracy(trained, sent, one, label, n0, air)
    return read[0], dict(zip(counts, read[1:], strict=True))


def _accuracy(trained: Method, symbols: Tensor, key: Key, label: Tensor, n0: float, air: torch.Generator) -> float:
    """The receiver's accuracy with this key; symbols: Complex[n, k] as sent."""
    logits = gathered(received(trained, symbols, key, n0, air), len(symbols))
    return metrics.correct(logits, label).double().mean().item()


def another(key: Key, generator: torch.Generator) -> Key:
    """A random key with another permutation (several keys share one). Per-message keys: draws one per message."""
    if key.messages is not None:
        each = [another(Key(*one), generator) for one in zip(key.rows, key.columns, key.r, key.c, strict=True)]
        return Key(*(torch.stack([getattr(one, name) for one in each]) for name in ("rows", "columns", "r", "c")))
    while True:
        drawn = Key.random(*key.shape, generator)
        if not torch.equal(drawn.permutation, key.permutation):
            return drawn
