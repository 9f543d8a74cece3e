"""Training steps of methods with a size of their own, on images resized once, against resizing in every step."""

from collections.abc import Iterator

from benchmarks import steps
from benchmarks.setup import Setup
from benchmarks.table import FASTER, Goal, Row, compared, scaled
from repobe.images.resizing import images, through
from repobe.phy.channels import noise_power
from repobe.runs.spec import Training

METHODS = ("necst", "necst_dp", "ibal")
BATCH, SIZE = 128, 224
AT_LEAST = 2.0


def rows(setup: Setup) -> Iterator[Row]:
    """Milliseconds an image at the paper's S, for grey images: colour is augmented, so each epoch has new images."""
    data, batch, size = setup.data("mnist"), *((8, 64) if setup.quick else (BATCH, SIZE))
    pixels, label = (tensor[:batch] for tensor in data.train)
    n0 = noise_power(15)
    for method in METHODS:
        spec = steps.specified(data, method, size, Training(steps.EPOCHS, batch, 0.01))
        student = steps.trainable(spec, data)
        assert student.side is not None
        small = through(pixels, size, student.side)

        def once(student=student, small=small):
            return student.update(small, label, n0)

        def each(student=student):
            return student.update(images(pixels, size), label, n0)

        times = setup.times({"once": once, "each": each})
        ours, other = (scaled(times[key], 1000 / batch) for key in ("once", "each"))
        goal = Goal(AT_LEAST) if setup.device.type == "cpu" else None
        subject, source = f"{method}, S = {size}, batch {batch}", setup.source("mnist")
        yield compared("resizing", subject, ours, "in every step", other, FASTER, "ms an image", goal, source)
