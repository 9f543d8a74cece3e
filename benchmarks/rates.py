"""How long FLOP take: at the rates of a machine's measured training steps, or at the assumed rate of a GPU."""

import math
from dataclasses import dataclass
from pathlib import Path

from benchmarks import table
from repobe.runs.spec import Spec

TRAINS = ("training", "selection")  # the parts of a run's stage `train`; all others are of `measure`
STEPS = {"adversarial_training": "AT", "trades": "TRADES"}  # the measured step by method; RepObE has two


@dataclass(frozen=True)
class Rates:
    """FLOP/s. steps: measured, by (step, S, precision), on one thread of `machine`; gpu: assumed, by precision."""

    machine: str
    steps: dict[tuple[str, int, str], float]
    gpu: dict[str, float]

    @classmethod
    def measured(cls, path: Path, tflops: dict[str, float]) -> "Rates":
        """Reads part `limits` of a machine's table; ValueError if it has none. tflops: of a GPU, by precision."""
        rows = [row for row in table.read(path) if row["part"] == "limits" and row["meaning"] == table.SHARE]
        if not rows:
            raise ValueError(f"{path} has no training step of part limits; run `python -m benchmarks --only limits`")
        if bad := [name for name, rate in tflops.items() if not rate > 0]:
            raise ValueError(f"--gpu-{bad[0]} is {tflops[bad[0]]:g}; name the TFLOP/s that the GPU reaches, above 0")
        steps = {}
        for row in rows:
            step, size, precision = row["subject"].split(", ")
            steps[step, int(size.removeprefix("S = ")), precision] = 1e9 * float(row["value"])
        return cls(rows[0]["machine"], steps, {name: 1e12 * rate for name, rate in tflops.items()})

    @property
    def gpu_named(self) -> str:
        """The assumption in words."""
        return " and ".join(f"{rate / 1e12:g} TFLOP/s in {precision}" for precision, rate in self.gpu.items())

    def on_core(self, spec: Spec, part: str, precision: str) -> float:
        """FLOP/s of the measured step that is most like a part of a run, at the S nearest to the run's."""
        step = like(spec, part)
        sizes = [size for name, size, kind in self.steps if (name, kind) == (step, precision)]
        return self.steps[step, min(sizes, key=lambda size: abs(math.log(size / spec.image_size))), precision]

    def seconds(self, spec: Spec, parts: dict[str, float], precision: str) -> dict[str, float]:
        """Seconds of a run's two stages on one core, {"train": …, "measure": …}.

        parts: FLOP, as benchmarks.stage_flop counts them; precision: of the training. This is a lower bound for
        networks of a few dense layers (NECST, IBAL): resizing the images takes longer than their layers, and counts no
        FLOP.
        """
        found = {"train": 0.0, "measure": 0.0}
        for part, flop in parts.items():
            kind = precision if part == "training" else "float32"
            found["train" if part in TRAINS else "measure"] += flop / self.on_core(spec, part, kind)
        return found


def like(spec: Spec, part: str) -> str:
    """The measured step that is most like a part: for attacks that of AT, which crafts; else the natural step."""
    if part == "training" and spec.hyper.get("adversarial"):
        return "RepObE Eq. 16"
    if part == "training":
        return STEPS.get(spec.method, "RepObE natural")
    return "AT" if part in spec.evaluation.attacks else "RepObE natural"
