"""Attacks on the cipher: how many different permutations the keys make (compare Eq. 12), and how few messages reveal a
key, whether their images are known or not.
"""

import time
from itertools import permutations, product

import torch
from torch import Tensor

from repobe.cipher.keys import SECRET_BYTES, Key, PerMessageKeys
from repobe.cipher.keyspace import log2_keys_effective, log2_keys_printed
from repobe.cipher.obfuscation import DECRYPTION, ENCRYPTION, decrypt, encrypt, shuffle, step_by_step
from repobe.phy.channel import Channel, complex_normal
from repobe.phy.channels import AWGN, noise_power, normalise_power
from repobe.phy.mapping import features
from repobe.runs.seeds import seed
from repobe.runs.spec import Audit

ROUNDS = 50  # at most, of the alternation; at low noise it converges after two or three
SCHEDULES = ("fixed", "per_message")
COUNTS = (1, 10, 100, 500)  # of messages that an eavesdropper hears and does not know


def distinct_ciphers(height: int, width: int) -> tuple[int, int]:
    """(number of different permutations, number of keys), by trying all H!·W!·H·W keys."""
    keys = list(product(permutations(range(height)), permutations(range(width)), range(height), range(width)))
    rows, columns, r, c = (torch.tensor(part) for part in zip(*keys, strict=True))
    return len(Key(rows, columns, r, c).permutation.unique(dim=0)), len(keys)


def roundtrip_errors(height: int, width: int, trials: int, generator: torch.Generator) -> int:
    """Values not restored bit for bit over `trials` keys, by Eqs. 4-11 step by step and as one permutation."""
    errors = 0
    for _ in range(trials):
        key = Key.random(height, width, generator)
        message = torch.randn(4, height, width, generator=generator)
        errors += int((step_by_step(step_by_step(message, key, ENCRYPTION), key, DECRYPTION) != message).sum())
        places = message.flatten(1).T[None]
        errors += int((decrypt(encrypt(places, key), key) != places).sum())
    return errors


def chosen_messages_bound(places: int, levels: int) -> int:
    """⌈log_L(M·N)⌉ chosen messages of L levels determine any permutation of M·N places (Jolfaei et al. 2016)."""
    return next(n for n in range(1, 100) if levels**n >= places)


def recover(plain: Tensor, heard: Tensor) -> Key:
    """Recovers the key of one or a few known messages, up to the offsets, which H = W makes redundant.

    plain, heard: Float[p, a, n, n], each known feature map and what an eavesdropper received of it. Once the public
    shift of Eq. 7 is undone, row m of a heard map is row R[m] of the plain one, with its columns permuted by C and
    shifted by m (Eqs. 4-6 without offsets). The first step matches rows by their sums and products, which no
    reordering of columns changes. Then two steps alternate until nothing changes: columns given rows, and rows given
    columns. Each is the assignment of greatest correlation (Hungarian algorithm). ValueError on wrong shapes.
    """
    size = plain.shape[-1]
    if plain.shape != heard.shape or plain.shape[-2] != size:
        raise ValueError(f"recover needs two tensors [p, a, n, n], not {tuple(plain.shape)} and {tuple(heard.shape)}")
    plain, heard = plain - plain.mean(dim=(-2, -1), keepdim=True), heard - heard.mean(dim=(-2, -1), keepdim=True)
    m, j = torch.arange(size)[:, None], torch.arange(size)
    unshifted = heard.take_along_dim(((m - j) % size).expand_as(heard), -2)
    shifted = (m + j) % size  # [m, column]: the plain column at that place before Eq. 6

    of_plain, of_heard = _row_signature(plain), _row_signature(unshifted)
    spread = of_plain.std(dim=0).clamp_min(1e-9)
    rows = _assign(-torch.cdist(of_heard / spread, of_plain / spread).square())
    columns = torch.arange(size)
    for _ in range(ROUNDS):
        before = rows, columns
        candidates = plain[:, :, rows].take_along_dim(shifted.expand_as(plain), -1)
        columns = _assign(torch.einsum("pamj,pamk->jk", unshifted, candidates))
        taken = plain[..., (columns + m) % size]  # [p, a, row, m, j]
        rows = _assign(torch.einsum("pamj,parmj->mr", unshifted, taken))
        if torch.equal(rows, before[0]) and torch.equal(columns, before[1]):
            break
    return Key(rows, columns, 0, 0)


def moments(feature_maps: Tensor) -> Tensor:
    """Float[2, a, n, n]: the mean and the variance over messages at each place of feature maps Float[p, a, n, n]."""
    return torch.stack([feature_maps.mean(dim=0), feature_maps.var(dim=0, correction=0)])


def recover_from_moments(own: Tensor, heard: Tensor) -> Key:
    """Recovers the one key of messages of which none is known.

    own, heard: Float[2, a, n, n], the moments of messages from the attacker's own images, and of those overheard. A key
    moves the moments as it moves each message, and the images of a dataset are alike enough for them to be compared.
    The mean may vanish (a random phase), and the variance may say little. So `recover` starts from the mean, from the
    variance and from both, and the key of greatest correlation counts.
    """
    own, heard = (side - side.mean(dim=(-2, -1), keepdim=True) for side in (own, heard))
    both = slice(None)

    def correlation(key: Key) -> float:
        return (own.flatten(2)[..., key.permutation] * heard.flatten(2)).sum().item()

    sides = [(own[part].flatten(0, 1)[None], heard[part].flatten(0, 1)[None]) for part in (both, slice(1), slice(1, 2))]
    return max((recover(*pair) for pair in sides), key=correlation)


def counts(messages: int) -> list[int]:
    """How many messages an eavesdropper overhears, where there are `messages` in all."""
    return [count for count in COUNTS if count <= messages]


def _row_signature(maps: Tensor) -> Tensor:
    """Float[n, …]: for each row, the sum of each channel and of the product of each pair, for all messages."""
    sums = maps.sum(dim=-1)
    products = torch.einsum("paij,pbij->pabi", maps, maps)
    return torch.cat([sums.flatten(0, 1), products.flatten(0, 2)]).T


def _assign(score: Tensor) -> Tensor:
    from scipy.optimize import linear_sum_assignment  # importing takes half a second; few runs need it

    return torch.from_numpy(linear_sum_assignment(score.numpy(), maximize=True)[1])


def recovery(known: Tensor, size: int, channel: Channel, audit: Audit, *name) -> list[dict]:
    """Trials of `recover`: three rows per setting. known: Symbols Complex[n, k] of unshuffled messages.

    size: the messages cover size×size places. Each trial draws a new key and takes p messages that the eavesdropper
    knows. With `fixed`, the eavesdropper succeeds if it finds the key. With `per_message`, it assumes one key, and
    succeeds if the key that it finds also decrypts the next message.
    """
    if max(audit.known_messages) > len(known):
        raise ValueError(f"audit.known_messages asks for {max(audit.known_messages)} messages; there are {len(known)}")
    rows, grid = [], (size, size)
    for schedule, messages, snr_db in product(SCHEDULES, audit.known_messages, audit.snr_db):
        generator = torch.Generator().manual_seed(seed("recovery", *name, schedule, messages, snr_db))
        right, seconds = torch.zeros(2, audit.trials, dtype=torch.float64)
        for trial in range(audit.trials):
            sent, heard, attacked = _overheard(known, size, channel, schedule, messages, snr_db, generator)
            began = time.perf_counter()
            found = recover(maps(sent, grid), maps(heard, grid))
            seconds[trial] = time.perf_counter() - began
            right[trial] = _places_right(found, attacked)
        setting = {"schedule": schedule, "known_messages": messages, "snr_db": snr_db}
        found = {"value": (right == 1).double().mean().item(), "n": audit.trials}
        rows.append({"quantity": "key_recovered", **setting, **found})
        for quantity, each in (("places_recovered", right), ("recovery_seconds", seconds)):
            rows.append({"quantity": quantity, **setting, **over_keys(each)})
    return rows


def ciphertext_only(own: Tensor, sent: Tensor, size: int, channel: Channel, audit: Audit, *name) -> list[dict]:
    """Trials of an eavesdropper that knows no message: one row per setting, the fraction of the places found.

    own: Symbols Complex[m, k] of the eavesdropper's own images by a stolen encoder, which it sends through a channel of
    its own; sent: of others, unshuffled. Each trial draws a new key and overhears some messages of `sent`. Schedules
    as in `recovery`. Places that look alike on average may be swapped, which harms the receiver little: so no row asks
    for the whole key.
    """
    rows, grid = [], (size, size)
    for schedule, messages, snr_db in product(SCHEDULES, counts(len(sent)), audit.snr_db):
        generator = torch.Generator().manual_seed(seed("ciphertext only", *name, schedule, messages, snr_db))
        mine = moments(maps(channel(own, noise_power(snr_db), generator), grid))
        right = torch.zeros(audit.trials, dtype=torch.float64)
        for trial in range(audit.trials):
            _, heard, attacked = _overheard(sent, size, channel, schedule, messages, snr_db, generator)
            right[trial] = _places_right(recover_from_moments(mine, moments(maps(heard, grid))), attacked)
        setting = {"schedule": schedule, "known_messages": messages, "snr_db": snr_db}
        rows.append({"quantity": "ciphertext_only_places", **setting, **over_keys(right)})
    return rows


def over_keys(each: Tensor) -> dict:
    """Columns of audit.csv for a quantity Float[keys]: mean, standard deviation over keys, number of keys."""
    sd = each.std().item() if len(each) > 1 else None
    return {"value": each.mean().item(), "keys_sd": sd, "n": len(each)}


def _overheard(
    pool: Tensor, size: int, channel: Channel, schedule: str, messages: int, snr_db: float, generator: torch.Generator
):
    """(messages of the pool Complex[p, k], what was heard of them, the key of the message to decrypt), a new key."""
    sent = pool[torch.randperm(len(pool), generator=generator)[:messages]]
    if schedule == "fixed":
        key = attacked = Key.random(size, size, generator)
    else:
        secret = bytes(torch.randint(256, (SECRET_BYTES,), generator=generator).tolist())
        keys = PerMessageKeys(secret, size, size).sending(0, messages + 1)
        key, attacked = keys[:messages], keys[messages:]
    return sent, channel(shuffle(sent, key), noise_power(snr_db), generator), attacked


def _places_right(found: Key, attacked: Key) -> float:
    return (found.permutation == attacked.permutation).double().mean().item()


def maps(symbols: Tensor, grid: tuple[int, int]) -> Tensor:
    """Complex[p, H·W·m] to Float[p, 2m, H, W] of unit power."""
    return features(normalise_power(symbols), grid)


def cipher_audit(audit: Audit, size: int = 28) -> list[dict]:
    """Rows of audit.csv that need no encoder: key space of Eq. 12, round trip, key recovery on random features."""
    rows = []
    for height, width in product(range(1, 5), repeat=2):
        distinct, keys = distinct_ciphers(height, width)
        rows.append({"quantity": "distinct_ciphers", "grid": f"{height}x{width}", "value": distinct, "n": keys})
    for n in sorted({4, 8, size}):
        rows.append({"quantity": "log2_keys_printed", "grid": f"{n}x{n}", "value": log2_keys_printed(n, n), "n": 1})
        rows.append({"quantity": "log2_keys_effective", "grid": f"{n}x{n}", "value": log2_keys_effective(n), "n": 1})
    grid = f"{size}x{size}"
    generator = torch.Generator().manual_seed(seed("white"))  # the name of a random stream, as below
    errors = roundtrip_errors(size, size, audit.trials, generator)
    rows.append({"quantity": "roundtrip_errors", "grid": grid, "value": errors, "n": audit.trials})
    bound = chosen_messages_bound(size * size, 256)
    rows.append({"quantity": "chosen_messages_bound_256_levels", "grid": grid, "value": bound, "n": 1})
    messages = max(audit.trials, *audit.known_messages)
    known = normalise_power(complex_normal((messages, 2 * size * size), torch.zeros(1), generator))
    rows += [{"grid": grid} | row for row in recovery(known, size, AWGN(), audit, "white")]
    about = {"method": "random_features", "dataset": "none", "image_size": 8 * size, "channel": "awgn"}
    return [about | {"snr_train_db": "none", "seed": 0} | row for row in rows]
