"""What the learned rivals have in common, at every size, colour depth, channel and task that they are for."""

from dataclasses import replace

import pytest
import torch
from conftest import step_not_taken

from repobe.images.resizing import images
from repobe.phy.channels import AWGN, Rayleigh
from repobe.training.loop import build, train
from repobe.training.method import Problem, load

CLASSIFY = ["adversarial_training", "trades", "ibal", "escst", "vae"]
RECONSTRUCT = ["ibal", "escst", "vae"]
FEW_STEPS = {"adversarial_training": {"steps": 1}, "trades": {"steps": 1}}
PLACES = [(1, 32, AWGN), (3, 64, Rayleigh)]  # test_methods.py has other pairs of them


def method_for(name, colours=1, size=32, channel=AWGN, reconstruct=False, updates=20, **hyper):
    problem = Problem(colours, 10, size, channel(), reconstruct, updates, 0.05, 5e-4, 0)
    return load(name, problem, FEW_STEPS.get(name, {}) | hyper)


@pytest.mark.parametrize(("colours", "size", "channel"), PLACES)
@pytest.mark.parametrize(
    ("name", "reconstruct"), [(name, False) for name in CLASSIFY] + [(name, True) for name in RECONSTRUCT]
)
def test_it_learns_and_sends_k_symbols_of_unit_power(name, reconstruct, colours, size, channel):
    student = method_for(name, colours, size, channel, reconstruct)
    student.optimise()
    image, label = torch.rand(3, colours, size, size), torch.arange(3)
    student.prepare(None, image, label, 0.1)
    before = [p.clone() for p in student.system.parameters()]
    assert all(term.isfinite() for term in student.update(image, label, 0.1).values())
    assert any(not torch.equal(p, q) for p, q in zip(before, student.system.parameters(), strict=True))

    student.eval()
    image.requires_grad_()
    key = student.keys.session("test").sending(0, 3)
    symbols = student.system.transmit(image, key)
    assert symbols.shape == (3, 32 if name == "ibal" else 2 * (size // 8) ** 2)
    assert symbols.is_complex()
    torch.testing.assert_close(symbols.abs().square().mean(dim=1), torch.ones(3))
    output = student.system.deliver(symbols, torch.full((3,), 0.1), key)
    if reconstruct:
        assert output.shape == (3, colours, size, size)
        assert 0 <= output.min() <= output.max() <= 1
    else:
        assert output.shape == (3, 10)
    (gradient,) = torch.autograd.grad(output.square().sum(), image)
    assert (gradient.abs().sum(dim=(1, 2, 3)) > 0).all()


@pytest.mark.parametrize("size", [28, 32, 224])
def test_images_of_any_size_are_resized_by_the_transmitter(size):
    for name in RECONSTRUCT:
        assert method_for(name).eval().system(torch.rand(2, 1, size, size), 0.1).shape == (2, 10)


@pytest.mark.parametrize(
    ("name", "term", "reconstruct", "updates"),
    # Bob first learns the cipher, so he reads what is encrypted last.
    [
        pytest.param("escst", "encrypted", False, 400, marks=pytest.mark.slow),
        ("escst", "encrypted", True, 20),
        ("ibal", "task", True, 20),
        ("vae", "mse", True, 20),
    ],
)
def test_what_the_contract_does_not_ask_for_is_learned_too(name, term, reconstruct, updates, digits):
    """A reconstruction, and a cipher; the contract of every method is in test_methods.py."""
    student = method_for(name, size=16, reconstruct=reconstruct, updates=updates)
    student.optimise()
    image, label = images(digits.train[0][:32], 16), digits.train[1][:32]
    student.prepare(None, image, label, 0.01)

    before = step_not_taken(student, image, label, term)
    for _ in range(updates):
        student.update(image, label, 0.01)
    assert step_not_taken(student, image, label, term) < 0.8 * before


@pytest.mark.parametrize(("name", "rival"), [("ibal", "adversary"), ("escst", "eve")])
@pytest.mark.parametrize("still", [0, 1])
def test_each_player_moves_its_own_weights_alone(name, rival, still):
    student = method_for(name)
    student.optimise()
    for group in student.optimisers[still].param_groups:
        group["lr"] = 0.0
    players = (student.system, getattr(student, rival))
    before = [[p.clone() for p in player.parameters()] for player in players]
    student.update(torch.rand(8, 1, 32, 32), torch.arange(8), 0.1)
    for number, (player, old) in enumerate(zip(players, before, strict=True)):
        moved = any(not torch.equal(p, q) for p, q in zip(player.parameters(), old, strict=True))
        assert moved == (number != still)


@pytest.mark.parametrize("name", ["adversarial_training", "trades"])
def test_adversarial_rivals_refuse_to_reconstruct(name):
    with pytest.raises(ValueError, match=rf"{name} has no task: reconstruction"):
        method_for(name, reconstruct=True)


@pytest.mark.parametrize("name", RECONSTRUCT)
def test_a_run_without_a_shuffle_has_no_cipher_audit(name, specs, digits, tmp_path):
    """The model's file says so: what an audit would attack is not loaded, its table is a header."""
    from repobe.__main__ import main
    from repobe.tables.schema import columns

    spec = replace(specs["undefended"], label=name, method=name)
    assert not build(spec, digits).shuffles
    (tmp_path / "spec.yaml").write_text(spec.dump())
    train(replace(spec, training=replace(spec.training, epochs=1)), digits, tmp_path)
    assert main(["audit", str(tmp_path / "spec.yaml")]) == 0
    assert (tmp_path / "audit.csv").read_text() == ",".join(columns("audit")) + "\n"
