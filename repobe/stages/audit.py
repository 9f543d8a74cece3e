"""The stage that attacks a trained run's cipher: known messages, a wrong key, and what no shuffle hides."""

import torch
from torch import Tensor

from repobe.attacks import cryptanalysis, leakage
from repobe.cipher.keys import Key
from repobe.images import metrics
from repobe.images.datasets import Data
from repobe.images.resizing import Resized, gathered
from repobe.phy.channels import noise_power
from repobe.runs.spec import Spec
from repobe.stages.transmission import generator_for, on_air, received, stolen
from repobe.training.method import Method

WRONG_KEYS = 20
AUDITED = 500  # test images whose messages the eavesdropper may know


def audit(trained: Method, spec: Spec, data: Data) -> list[dict]:
    """Rows of audit.csv: how known messages reveal the key, and what no shuffle hides.

    trained: a method that shuffles with a key. For reconstruction there is no row for a wrong key, because the receiver
    names no class.
    """
    pixels, label = data.test
    image = Resized(pixels, spec.image_size)
    run = (spec.dataset, spec.channel, spec.label, spec.seed)
    snr_db = max(spec.inversion.snr_db)
    n0 = noise_power(snr_db)
    overheard = Resized(pixels[:AUDITED], spec.image_size)
    known, grid = stolen(trained, overheard, n0).cpu(), trained.system.grid
    rows = cryptanalysis.recovery(known, grid[0], trained.system.channel, spec.audit, *run)

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
    for quantity, infer in leakage.INFERENCES.items():
        right = infer(heard["train"], learned_label, heard["test"], data.classes, spec.inversion.epochs, generator)
        value = metrics.correct(right, label)
        rows.append({"quantity": quantity, "snr_db": snr_db, "value": value.double().mean().item(), "n": len(value)})
    return [spec.columns | {"grid": "x".join(map(str, grid))} | row for row in rows]


def wrong_key(trained: Method, image: Resized, label: Tensor, n0: float, generator: torch.Generator) -> Tensor:
    """Float[WRONG_KEYS]: the receiver's accuracy with each of WRONG_KEYS random keys that are not the sender's."""
    symbols, sender = on_air(trained, image, n0, "wrong key")
    outcomes = []
    for number in range(WRONG_KEYS):
        key = another(sender, generator)
        air = generator_for(image.device, "wrong key", number)
        logits = gathered(received(trained, symbols, key, n0, air), len(symbols))
        outcomes.append(metrics.correct(logits, label))
    return torch.stack(outcomes).double().mean(dim=1)


def another(key: Key, generator: torch.Generator) -> Key:
    """A random key with another permutation (several keys share one). Per-message keys: draws one per message."""
    if key.messages is not None:
        each = [another(Key(*one), generator) for one in zip(key.rows, key.columns, key.r, key.c, strict=True)]
        return Key(*(torch.stack([getattr(one, name) for one in each]) for name in ("rows", "columns", "r", "c")))
    while True:
        drawn = Key.random(*key.shape, generator)
        if not torch.equal(drawn.permutation, key.permutation):
            return drawn
