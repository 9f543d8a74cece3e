"""What bfloat16 may round, and what it may not."""

import dataclasses

import pandas as pd
import pytest
import torch

from repobe.phy import channels
from repobe.runs.spec import Spec, Training
from repobe.systems import precision
from repobe.systems.precision import autocast
from repobe.training import loop
from repobe.training.loop import build, train

CPU = torch.device("cpu")


def rounded(spec: Spec) -> Spec:
    return dataclasses.replace(spec, training=dataclasses.replace(spec.training, precision="bfloat16"))


def test_symbols_noise_logits_losses_and_weights_stay_in_float32(specs, digits, monkeypatch):
    student = build(rounded(specs["undefended"]), digits)
    student.optimise()
    met = []
    apply = channels.Channel.apply
    monkeypatch.setattr(
        channels.Channel,
        "apply",
        lambda self, x, n0, draw: met.append((x.dtype, draw[1].dtype)) or apply(self, x, n0, draw),
    )
    image, label = torch.rand(8, 1, 32, 32), torch.arange(8)
    seen = []
    student.system.decoder.trunk.register_forward_hook(lambda *args: seen.append(args[-1].dtype))
    with autocast("bfloat16", CPU):
        logits = student.system(image, 0.1)
        terms = student.update(image, label, 0.1)
    assert met == [(torch.complex64, torch.complex64)] * 2
    assert seen == [torch.bfloat16] * 2  # the convolutions are what is rounded
    assert logits.dtype == torch.float32
    assert {value.dtype for value in terms.values()} == {torch.float32}
    assert {value.dtype for value in student.system.state_dict().values()} == {torch.float32, torch.int64}


def test_a_reconstruction_is_in_float32(specs, digits):
    student = build(rounded(specs["repobe_reconstruction"]), digits)
    with autocast("bfloat16", CPU):
        assert student.system(torch.rand(2, 1, 32, 32), 0.1).dtype == torch.float32


def test_bfloat16_rounds_an_update_and_little_of_it(specs, digits):
    losses = {}
    for name in ("float32", "bfloat16"):
        student = build(specs["undefended"], digits)
        student.optimise()
        torch.manual_seed(1)
        with autocast(name, CPU):
            losses[name] = student.update(torch.rand(32, 1, 32, 32), torch.arange(32) % 10, 0.1)["loss"].item()
    assert losses["bfloat16"] != losses["float32"]
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.02)


@pytest.mark.parametrize("label", ["undefended", "repobe_adversarial"])
def test_selection_runs_in_float32_in_every_precision_of_training(label, specs, digits, tmp_path, monkeypatch):
    """Where the training itself selects: around `validate`, as inside it, nothing may autocast."""
    met, at_work = {"training": set(), "selection": set()}, ["training"]
    made, validate = loop.build, loop.validate

    def heard(*args):
        student = made(*args)
        for module in student.system.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.register_forward_hook(lambda _, __, output: met[at_work[-1]].add(output.dtype))
        return student

    def selecting(*args):
        at_work.append("selection")
        score = validate(*args)
        at_work.pop()
        return score

    monkeypatch.setattr(loop, "build", heard)
    monkeypatch.setattr(loop, "validate", selecting)
    monkeypatch.setattr(loop, "VALIDATED", 8)
    spec = rounded(specs[label])
    spec = dataclasses.replace(spec, training=dataclasses.replace(spec.training, epochs=1))
    train(spec, digits.limit(64), tmp_path, build(specs["undefended"], digits))
    assert torch.bfloat16 in met["training"]
    assert met["selection"] == {torch.float32}


def test_the_precision_is_part_of_a_runs_identity_and_of_its_cost(specs, digits, tmp_path):
    spec = rounded(specs["undefended"])
    assert spec.dump() != specs["undefended"].dump()
    assert spec.as_trained() != specs["undefended"].as_trained()
    assert Spec.from_dict(spec.as_dict()) == spec
    train(dataclasses.replace(spec, training=dataclasses.replace(spec.training, epochs=1)), digits, tmp_path)
    assert pd.read_csv(tmp_path / "cost.csv").loc[0, "precision"] == "bfloat16"


def test_a_method_that_needs_float32_throughout_says_so_in_its_cost(specs, digits, tmp_path):
    spec = dataclasses.replace(rounded(specs["undefended"]), label="necst", method="necst")
    train(dataclasses.replace(spec, training=dataclasses.replace(spec.training, epochs=1)), digits, tmp_path)
    assert pd.read_csv(tmp_path / "cost.csv").loc[0, "precision"] == "float32"


def test_another_precision_is_refused_by_name():
    with pytest.raises(ValueError, match="should be 'float32' or 'bfloat16'"):
        Training(1, 64, 0.1, precision="float8")


@pytest.mark.parametrize(
    ("told", "warned"),
    [
        ("flags\t: fpu avx512f", True),
        ("flags\t: fpu avx512_bf16", False),
        ("Features\t: fp asimd bf16", False),
        ("", False),
    ],
)
def test_a_processor_without_bfloat16_gets_one_line(told, warned, monkeypatch, capsys):
    monkeypatch.setattr(precision.Path, "read_text", lambda self: f"processor\t: 0\n{told}\n")
    precision.warn_where_emulated("bfloat16", CPU)
    assert capsys.readouterr().err.count("\n") == warned
    precision.warn_where_emulated("float32", CPU)
    assert capsys.readouterr().err == ""
