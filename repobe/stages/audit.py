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
from repobe.training.method import Method

KEYS = 20  # for the accuracy of a receiver without the sender's key
AUDITED = 500  # test images whose messages the eavesdropper may know or overhear, and as many images of its own


def audit(trained: Method, spec: Spec, data: Data) -> list[dict]:
    """Rows of audit.csv: how known and overheard messages reveal the key, and what no shuffle hides.

    trained: a method that shuffles with a key. For reconstruction there is no row of the receiver's accuracy with a
    wrong key or with one found from overheard messages, because the receiver names no class.
    """
    pixels, label = data.test
    image = Resized(pixels, spec.image_size)
    run = (spec.dataset, spec.channel, spec.label, spec.seed)
    snr_db = max(spec.inversion.snr_db)
    n0 = noise_power(snr_db)
    overheard = Resized(pixels[:AUDITED], spec.image_size)
    known, grid = stolen(trained, overheard, n0), trained.system.grid
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
        each = wrong_key(trained, overheard, label[:AUDITED], n0, generator)
        # A mean over keys, because accuracy varies far more between keys than between images.
        rows.append({"quantity": "wrong_key_accuracy", "snr_db": snr_db} | cryptanalysis.over_keys(each))
        for messages in cryptanalysis.counts(len(known)):
            each = found_key(trained, own, known, label[:AUDITED], n0, messages)
            about = {"schedule": "fixed", "known_messages": messages, "snr_db": snr_db}
            rows.append({"quantity": "ciphertext_only_accuracy"} | about | cryptanalysis.over_keys(each))
    for quantity, infer in leakage.INFERENCES.items():
        right = infer(heard["train"], learned_label, heard["test"], data.classes, spec.inversion.epochs, generator)
        value = metrics.correct(right, label)
        rows.append({"quantity": quantity, "snr_db": snr_db, "value": value.double().mean().item(), "n": len(value)})
    return [spec.columns | {"grid": "x".join(map(str, grid))} | row for row in rows]


def wrong_key(trained: Method, image: Resized, label: Tensor, n0: float, generator: torch.Generator) -> Tensor:
    """Float[KEYS]: the receiver's accuracy with each of KEYS random keys that are not the sender's."""
    symbols, sender = on_air(trained, image, n0, "wrong key")
    outcomes = []
    for number in range(KEYS):
        air = generator_for(image.device, "wrong key", number)
        outcomes.append(_accuracy(trained, symbols, another(sender, generator), label, n0, air))
    return torch.tensor(outcomes, dtype=torch.float64)


def found_key(trained: Method, own: Tensor, plain: Tensor, label: Tensor, n0: float, messages: int) -> Tensor:
    """Float[KEYS]: the receiver's accuracy with keys that an eavesdropper found from overheard messages.

    own, plain: Symbols Complex[n, k], unshuffled: of the eavesdropper's own images, and of those sent. For each of KEYS
    fixed keys it overhears some of the messages, knows none, and compares averages (`cryptanalysis.averages`).
    """
    size, outcomes = trained.system.grid[0], []
    mine = cryptanalysis.averages(cryptanalysis.maps(own, size)).cpu()
    for number in range(KEYS):
        draw = generator_for(torch.device("cpu"), "found key", messages, number)
        air = generator_for(plain.device, "found key's air", messages, number)
        sent = shuffle(plain, Key.random(size, size, draw))
        which = torch.randperm(len(sent), generator=draw)[:messages].to(sent.device)
        heard = trained.system.channel(sent[which], n0, air)
        found = cryptanalysis.recover(mine, cryptanalysis.averages(cryptanalysis.maps(heard, size)).cpu())
        outcomes.append(_accuracy(trained, sent, found, label, n0, air))
    return torch.tensor(outcomes, dtype=torch.float64)


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
