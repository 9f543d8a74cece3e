"""Algorithm 1 and Eqs. 14-16, on the real method with its channel silent, against formulas written out anew."""

import ast
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.distributions import Categorical, kl_divergence
from torch.nn.functional import cosine_similarity

from repobe.obfuscation import PerMessageKeys
from repobe.training import build, images

SILENT = 0.0


def method_of(specs, digits, **hyper):
    spec = replace(specs["repobe_adversarial"], hyper={"adversarial": True} | hyper)
    student = build(spec, digits).eval()
    student.prototypes.copy_(torch.randn(10, 10))
    student.first_epoch.fill_(8)
    return student


@pytest.fixture
def batch(digits):
    image = images(digits.train[0][:8], 16)
    return image, (image + 0.05 * torch.randn_like(image)).clamp(0, 1), digits.train[1][:8]


def by_hand(student, nat, adv, label, weighted=True, temperature=0.5):
    """(contrast, CE natural, CE adversarial, weighted divergence), a sample at a time."""
    (z_nat, p), (z_adv, q) = (student.system.embed(x, SILENT, student.keys.sending(0, len(x))) for x in (nat, adv))
    contrast, ce_nat, ce_adv, weights, divergence = 0.0, 0.0, 0.0, [], []
    tau = torch.stack([(p[n] - student.prototypes[label[n]]).square().sum() for n in range(8)]).mean()
    for n in range(8):
        similarity = torch.stack([cosine_similarity(z_adv[n], z_nat[i], dim=0) for i in range(8)]) / temperature
        contrast -= (similarity[n].exp() / similarity.exp().sum()).log() / 8  # Eq. 13
        ce_nat -= p[n].softmax(0)[label[n]].log() / 8
        ce_adv -= q[n].softmax(0)[label[n]].log() / 8
        weights.append(1 - torch.exp(-(q[n] - student.prototypes[label[n]]).square().sum() / tau))  # Eq. 20
        divergence.append(kl_divergence(Categorical(logits=p[n]), Categorical(logits=q[n])))  # Eq. 17
    weight = torch.stack(weights) / torch.stack(weights).mean() if weighted else torch.ones(8)  # Eq. 21
    return contrast, ce_nat, ce_adv, (weight * torch.stack(divergence)).mean()


@pytest.mark.parametrize(
    ("hyper", "combine"),
    [
        ({}, lambda c, nat, adv, d: c + nat + 6 * d),
        ({"contrast": 0}, lambda c, nat, adv, d: nat + 6 * d),
        ({"beta": 0}, lambda c, nat, adv, d: c + nat),
        ({"supervise_adversarial": True, "contrast": 0, "beta": 1}, lambda c, nat, adv, d: adv + d),
        ({"weighted": False}, lambda c, nat, adv, d: c + nat + 6 * d),
        ({"temperature": 0.1}, lambda c, nat, adv, d: c + nat + 6 * d),
    ],
    ids=["equation 16", "without contrast", "without KL", "equation 15", "without weights", "temperature"],
)
def test_the_loss_is_its_equation_written_out(hyper, combine, specs, digits, batch):
    student = method_of(specs, digits, **hyper)
    parts = by_hand(student, *batch, hyper.get("weighted", True), hyper.get("temperature", 0.5))
    loss = student.l_class(*batch, SILENT)["loss"]
    torch.testing.assert_close(loss, combine(*parts), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("inner", ["kl", "cross_entropy"])
def test_crafting_raises_what_equation_14_maximises_and_stays_in_the_ball(inner, specs, digits, batch):
    student = method_of(specs, digits, inner=inner, eps=0.05, step=0.01)
    image, _, label = batch
    adversarial = student.craft(image, label, SILENT)
    assert (adversarial - image).abs().max() <= 0.05 + 1e-6
    assert 0 <= adversarial.min() <= adversarial.max() <= 1
    key = student.keys.sending(0, 8)
    p, q = student.system(image, SILENT, key), student.system(adversarial, SILENT, key)
    noise = (image + 0.05 * torch.randn_like(image).sign()).clamp(0, 1)
    r = student.system(noise, SILENT, key)
    if inner == "kl":
        crafted, random = (kl_divergence(Categorical(logits=p), Categorical(logits=x)) for x in (q, r))
    else:
        crafted, random = (-Categorical(logits=x).log_prob(label) for x in (q, r))
    assert crafted.mean() > random.mean()


def test_tau_is_the_first_epochs_mean_distance_and_then_stays(specs, digits):
    student = method_of(specs, digits)
    student.prototypes.zero_()
    label = torch.zeros(4, dtype=torch.int64)
    one, two = torch.ones(4, 10), 2 * torch.ones(4, 10)  # squared distances 10 and 40
    assert student.tau(one, label) == 10
    assert student.tau(two, label) == 25  # the epoch of 8 images is full
    assert student.tau(3 * two, label) == 25


def test_training_under_per_message_keys_gives_each_transmission_a_new_key(specs, digits, monkeypatch):
    student = build(replace(specs["repobe"], hyper={"key_schedule": "per_message"}), digits)
    student.optimise()
    seen = []
    receiving = PerMessageKeys.receiving

    def noting(self, first, count):
        seen.append((first, count))
        return receiving(self, first, count)

    monkeypatch.setattr(PerMessageKeys, "receiving", noting)
    image, label = images(digits.train[0][:64], 16), digits.train[1][:64]
    for _ in range(2):
        student.update(image, label, 0.01)
    assert seen == [(0, 64), (64, 64)]
    other = build(replace(specs["repobe"], hyper={"key_schedule": "per_message"}), digits)
    other.load_state_dict(student.state_dict())
    assert other.next_key(1).messages == 1
    assert seen[-1] == (128, 1)


def test_crafting_and_selection_under_per_message_keys_use_no_key_twice(specs, digits, batch, monkeypatch):
    """Over two epochs of a batch each, and for a third in whoever goes on from their checkpoint."""
    student = method_of(specs, digits, key_schedule="per_message")
    seen = []
    receiving = PerMessageKeys.receiving

    def noting(self, first, count):
        seen.append((self._secret, first))
        return receiving(self, first, count)

    monkeypatch.setattr(PerMessageKeys, "receiving", noting)
    image, _, label = batch
    n0 = torch.full((8,), 0.01)
    for _ in range(2):
        student.score(image, label, n0, torch.Generator().manual_seed(0))
    other = method_of(specs, digits, key_schedule="per_message")
    other.load_state_dict(student.state_dict())
    other.score(image, label, n0, torch.Generator().manual_seed(0))
    assert [first for _, first in seen] == [0, 0, 8, 8, 16, 16]  # crafted and sent, three times
    assert len(set(seen)) == 6


def test_repobe_and_undefended_with_the_same_weights_and_noise_give_the_same_logits(specs, digits):
    """For whoever holds the key the shuffle changes nothing: only each place's noise must move with it."""
    from repobe.system import shuffle

    image = images(digits.test[0][:6], 16)
    plain = build(specs["undefended"], digits).eval()
    for schedule in ("fixed", "per_message"):
        keyed = build(replace(specs["repobe"], hyper={"key_schedule": schedule}), digits).eval()
        keyed.system.load_state_dict(plain.system.state_dict())
        key = keyed.keys.sending(0, 6)
        sent, channel = plain.system.transmit(image), plain.system.channel
        _, noise = channel.draw(sent)
        expected = plain.system.receive(channel.apply(sent, 0.1, (None, noise)))
        heard = channel.apply(keyed.system.transmit(image, key), 0.1, (None, shuffle(noise, key)))
        assert torch.equal(keyed.system.receive(heard, key), expected)


def test_every_equation_of_the_paper_is_named_where_it_lives():
    """Eqs. 1-21: the docstring of the function or class that is the equation carries its number."""
    named = set()
    for path in Path("repobe").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                for first, last in re.findall(r"Eqs?\. (\d+)(?:-(\d+))?", ast.get_docstring(node) or ""):
                    named |= set(range(int(first), int(last or first) + 1))
    assert named == set(range(1, 22))
