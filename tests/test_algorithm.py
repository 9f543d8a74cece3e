"""Algorithm 1 and Eqs. 14-16, on the real method with its channel silent, against formulas written out anew."""

import inspect
import re
from dataclasses import replace

import pytest
import torch
from conftest import share_that_moved, spread
from torch.distributions import Categorical, kl_divergence
from torch.nn.functional import cosine_similarity

from repobe.attacks import cryptanalysis
from repobe.cipher import obfuscation
from repobe.cipher.keys import PerMessageKeys
from repobe.images.resizing import images
from repobe.phy import channels
from repobe.systems import networks
from repobe.training import algorithm, losses
from repobe.training import loop as training
from repobe.training.loop import build

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
    tau = torch.stack([(p[n] - student.prototypes[label[n]]).square().sum() for n in range(8)]).mean().detach()
    for n in range(8):
        similarity = torch.stack([cosine_similarity(z_adv[n], z_nat[i], dim=0) for i in range(8)]) / temperature
        contrast -= (similarity[n].exp() / similarity.exp().sum()).log() / 8  # Eq. 13
        ce_nat -= p[n].softmax(0)[label[n]].log() / 8
        ce_adv -= q[n].softmax(0)[label[n]].log() / 8
        distance = (q[n].detach() - student.prototypes[label[n]]).square().sum()  # a constant for the gradient: D17
        weights.append(1 - torch.exp(-distance / tau))  # Eq. 20
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
    image, _, label = batch
    batch = image, image.flip(0), label  # far apart: of images that are read alike no two terms differ
    spread(student, image)
    parts = by_hand(student, *batch, hyper.get("weighted", True), hyper.get("temperature", 0.5))
    loss = student.l_class(*batch, SILENT)["loss"]
    torch.testing.assert_close(loss, combine(*parts), rtol=1e-5, atol=1e-5)


def test_the_contrast_looks_for_each_adversarial_embedding_among_the_natural_ones(specs, digits, batch):
    """An untrained network's embeddings are nearly all alike, so here they are given. Both adversarial ones lie on the
    first natural one: −(ln e²/(e² + 1) + ln 1/(e² + 1))/2 = 1.1269. The other way round it would be ln 2.
    """
    student = method_of(specs, digits)
    image, adversarial, label = (one[:2] for one in batch)
    z = torch.tensor([[1.0, 0], [0, 1], [1, 0], [1, 0]])  # natural, then adversarial
    student.system.embed = lambda *_, **__: (z, torch.randn(4, 10))
    assert student.l_class(image, adversarial, label, SILENT)["contrast"].item() == pytest.approx(1.1269, abs=1e-4)


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


@pytest.mark.parametrize("inner", ["kl", "cross_entropy"])
def test_a_step_of_crafting_follows_the_gradient_of_equation_14(inner, specs, digits, batch):
    """D_KL(P ‖ Q), natural first, far from the image, where D_KL(Q ‖ P) and cross-entropy point elsewhere."""
    hyper = {"inner": inner, "start": 0.3, "eps": 0.5, "step": 0.02}
    student = method_of(specs, digits, steps=1, **hyper)
    image, _, label = batch
    spread(student, image)
    begun = method_of(specs, digits, steps=0, **hyper)
    begun.system.load_state_dict(student.system.state_dict())
    start, moved = (s.craft(image, label, SILENT, torch.Generator().manual_seed(3)) for s in (begun, student))
    start.requires_grad_()
    key = student.keys.sending(0, 8)
    p, q = student.system(image, SILENT, key).softmax(1).detach(), student.system(start, SILENT, key).softmax(1)
    same = share_that_moved(image, start, moved, p, q, label)
    assert same.pop(inner) > 0.999
    assert max(same.values()) < 0.9


def test_a_step_descends_the_gradient_of_equation_16(specs, digits, batch):
    """The gradient is that of all three terms, on the natural batch and on what was crafted from it (D17)."""
    student = method_of(specs, digits)
    student.optimise()
    nat, _, label = batch
    adv = nat.flip(0)  # far from it, so that the weights' own gradient would show
    spread(student, nat)
    contrast, ce_nat, _, divergence = by_hand(student, nat, adv, label)
    weights = list(student.system.parameters())
    loss = contrast + ce_nat + 6 * divergence
    expected = torch.cat([g.flatten() for g in torch.autograd.grad(loss, weights)])
    student.craft = lambda *_: adv
    told = student.update(nat, label, SILENT)
    torch.testing.assert_close(told["loss"], loss.detach(), rtol=1e-4, atol=1e-5)
    gradient = torch.cat([p.grad.flatten() for p in weights])  # as it was clipped: its direction
    torch.testing.assert_close(gradient / gradient.norm(), expected / expected.norm(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("task", ["repobe_adversarial", "repobe_reconstruction"])
def test_crafting_leaves_batch_norm_and_the_mode_of_training_alone(task, specs, digits, batch):
    """Batch norm in evaluation mode while crafting (D7): else each trial of PGD would move the running statistics."""
    student = build(replace(specs[task], hyper={"adversarial": True}), digits).train()
    image, _, label = batch
    before = {name: value.clone() for name, value in student.system.state_dict().items()}
    student.craft(image, label, SILENT)
    assert all(torch.equal(before[name], value) for name, value in student.system.state_dict().items())
    assert student.system.training


def test_crafting_is_that_of_d7_unless_the_config_says_otherwise(specs, digits, batch):
    """x + 0.001 randn, five steps of 0.0032 inside 0.016; β = 6 and λ = 0.5 (D7, D8)."""
    hyper = algorithm.Hyper(adversarial=True)
    assert (hyper.start, hyper.step, hyper.steps, hyper.eps) == (0.001, 0.0032, 5, 0.016)
    assert (hyper.inner, hyper.contrast, hyper.beta, hyper.temperature, hyper.weighted) == ("kl", 1, 6, 0.5, True)
    image, _, label = batch
    inside = 0.25 + 0.5 * image  # no border of [0, 1] cuts the ball
    start = method_of(specs, digits, steps=0).craft(inside, label, SILENT) - inside
    assert start.std().item() == pytest.approx(0.001, rel=0.06)  # 2048 draws: known to within 2 %


def test_prototypes_are_the_mean_logits_of_the_trained_teacher_and_not_of_the_student(specs, digits):
    teacher = build(specs["undefended"], digits)
    student = build(specs["repobe_adversarial"], digits)
    image, label = images(digits.train[0], 16), digits.train[1]
    student.prepare(teacher, image, label, SILENT)
    assert teacher.training  # as it came
    with torch.no_grad():
        logits = torch.stack([teacher.eval().system(one[None], SILENT)[0] for one in image])  # Eq. 18
    means = torch.stack([logits[[n for n, y in enumerate(label.tolist()) if y == c]].mean(0) for c in range(10)])
    torch.testing.assert_close(student.prototypes, means, rtol=1e-4, atol=1e-5)  # Eq. 19
    assert student.first_epoch == len(image)


def test_selection_looks_at_crafted_images(specs, digits, batch, monkeypatch):
    student = method_of(specs, digits)
    image, adversarial, label = batch
    seen = []

    def noting(image, *_):
        seen.append(image)
        return torch.eye(10)[label].roll(1, 0)

    student.craft = lambda *_: adversarial
    monkeypatch.setattr(student.system, "forward", noting)
    score = student.score(image, label, torch.zeros(8), torch.Generator())
    assert torch.equal(score, (label.roll(1) == label).float())
    assert len(seen) == 1
    assert seen[0] is adversarial


def test_the_reconstruction_loss_is_the_mean_squared_error_worked_by_hand(specs, digits, batch):
    """L_rec, Σ (x̂ − x)² over all pixels of all images by their number; its negative, by image, is the score."""
    student = build(specs["repobe_reconstruction"], digits).eval()
    student.optimise()
    image, _, label = batch
    with torch.no_grad():
        rebuilt = student.system(image, SILENT, student.keys.sending(0, 8))
    squares = [[(a - b) ** 2 for a, b in zip(*pair, strict=True)] for pair in zip(*(
        x.flatten(1).double().tolist() for x in (rebuilt, image)
    ), strict=True)]  # fmt: skip
    score = student.score(image, label, torch.zeros(8), torch.Generator())
    assert score.tolist() == pytest.approx([-sum(one) / 256 for one in squares], rel=1e-4)
    loss = student.update(image, label, SILENT)["loss"].item()
    assert loss == pytest.approx(sum(map(sum, squares)) / (8 * 256), rel=1e-4)


def test_algorithm_1_reconstructs_the_natural_image_from_both_halves_of_a_batch(specs, digits, batch):
    """L_rec over B' + B: Σ ((x̂(B) − B)² + (x̂(B') − B)²) by the number of pixels in both."""
    student = build(replace(specs["repobe_reconstruction"], hyper={"adversarial": True}), digits).eval()
    student.optimise()
    image, adversarial, label = batch
    student.craft = lambda *_: adversarial
    seen = []
    student.system.encoder.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        clean, attacked = (student.system(x, SILENT, student.keys.sending(0, 8)) for x in (image, adversarial))
    squares = (clean - image).square().sum() + (attacked - image).square().sum()
    loss = student.update(image, label, SILENT)["loss"]
    assert torch.equal(seen[-1], torch.cat([image, adversarial]))  # an untrained network rebuilds both alike
    assert loss.item() == pytest.approx(squares.item() / (2 * 8 * 256), rel=1e-4)


def test_crafting_for_a_reconstruction_raises_its_squared_error(specs, digits, batch):
    hyper = {"adversarial": True, "eps": 0.05, "step": 0.01}
    student = build(replace(specs["repobe_reconstruction"], hyper=hyper), digits).eval()
    image, _, label = batch
    crafted = student.craft(image, label, SILENT)
    assert (crafted - image).abs().max() <= 0.05 + 1e-6
    key = student.keys.sending(0, 8)
    noisy = (image + 0.05 * torch.randn_like(image).sign()).clamp(0, 1)
    error = [(student.system(x, SILENT, key) - image).square().mean() for x in (crafted, noisy)]
    assert error[0] > error[1]


@pytest.mark.parametrize("channel", ["awgn", "rayleigh", "rayleigh_fast"])
def test_twins_that_share_the_air_are_equal_and_others_differ_by_their_noise(channel, specs, digits, batch):
    """An image and its copy: with one draw for both, L_class has no divergence; with two, it has."""
    image, _, label = batch
    told = {}
    for shared in (True, False):
        spec = replace(specs["repobe_adversarial"], channel=channel, hyper={"adversarial": True, "shared_air": shared})
        student = build(spec, digits).eval()
        student.prototypes.copy_(torch.randn(10, 10))
        student.first_epoch.fill_(8)
        spread(student, image)
        told[shared] = student.l_class(image, image.clone(), label, 0.1)["divergence"].item()
    assert told[True] == pytest.approx(0, abs=1e-6)
    assert told[False] > 1e-3


def test_the_gradient_is_clipped_at_its_largest_norm_and_at_0_by_nothing(specs, digits, batch):
    image, adversarial, label = batch
    norms = {}
    for largest in (0, 0.5):
        student = method_of(specs, digits, max_gradient_norm=largest)
        student.optimise()
        student.craft = lambda *_: adversarial
        spread(student, image)
        student.update(image, label, SILENT)
        norms[largest] = torch.stack([p.grad.norm() for p in student.system.parameters()]).norm().item()
    assert norms[0] > 1
    assert norms[0.5] == pytest.approx(0.5, rel=1e-3)


def test_a_largest_gradient_norm_below_0_is_refused(specs, digits):
    with pytest.raises(ValueError, match="max_gradient_norm: -1 is negative; 0 turns clipping off"):
        method_of(specs, digits, max_gradient_norm=-1.0)


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
    from repobe.cipher.obfuscation import shuffle

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


# What each equation of the paper is: the one function or class.
EQUATIONS = {
    1: networks.ResidualBlock,
    2: networks.SqueezeExcitation,
    3: channels.normalise_power,
    4: obfuscation.row_confusion,
    5: obfuscation.column_offset,
    6: obfuscation.column_confusion,
    7: obfuscation.row_offset,
    8: obfuscation.inverse_row_offset,
    9: obfuscation.inverse_column_confusion,
    10: obfuscation.inverse_column_offset,
    11: obfuscation.inverse_row_confusion,
    12: cryptanalysis.log2_keys_printed,
    13: losses.contrastive,
    14: algorithm.Method.craft,
    15: algorithm.Hyper,
    16: algorithm.Method.l_class,
    17: losses.kl_divergence,
    18: losses.prototypes,
    19: losses.prototypes,
    20: losses.prototype_weights,
    21: losses.prototype_weights,
}


def test_every_equation_of_the_paper_is_named_where_it_lives():
    """Eqs. 1-21: the docstring of the function or class that is the equation carries its number."""
    assert list(EQUATIONS) == list(range(1, 22))
    for number, home in EQUATIONS.items():
        spans = re.findall(r"Eqs?\. (\d+)(?:-(\d+))?", home.__doc__)
        assert any(int(first) <= number <= int(last or first) for first, last in spans), (number, home)


def test_every_line_of_algorithm_1_is_named_where_it_runs():
    """Lines 1 and 4-9 in algorithm.py, the loop around them, 2-3 and 10-11, in loop.py."""
    named = set()
    for room in (algorithm, training):
        for first, last in re.findall(r"[Ll]ines? (\d+)(?:-(\d+))?", inspect.getsource(room)):
            named |= set(range(int(first), int(last or first) + 1))
    assert named == set(range(1, 12))
