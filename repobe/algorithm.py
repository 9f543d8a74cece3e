"""RepObE itself: Algorithm 1. The shuffle with a shared key, and training by Eq. 16 or by cross-entropy alone."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from repobe import losses, method
from repobe.evasion import pgd
from repobe.method import Problem, evaluating
from repobe.obfuscation import Key
from repobe.spec import seed
from repobe.system import SemanticSystem


@dataclass(frozen=True)
class Hyper:
    """adversarial: Eq. 16 in full, or cross-entropy on natural images, the system of Fig. 3."""

    adversarial: bool = False
    beta: float = 6.0  # D8, as Zhang et al. 2019: the paper's second epsilon, of Eq. 16
    temperature: float = 0.5  # D8: lambda of Eq. 13, not stated in the paper
    eps: float = 0.016  # Sec. 4.2
    step: float = 0.0032  # D7: not stated; five of them just reach eps
    steps: int = 5  # Sec. 4.2
    start: float = 0.001  # D7: standard deviation of the first noise, Zhang et al. 2019


class Method(method.Method):
    """Algorithm 1. Needs the trained `undefended` run for its prototypes where it is adversarial (D9)."""

    def __init__(self, problem: Problem, hyper: Hyper) -> None:
        super().__init__(problem)
        if problem.reconstruct and hyper.adversarial:
            raise ValueError("hyper.adversarial: Eq. 16 is a loss of classification; drop it or the task")
        self.hyper = hyper
        self.system = SemanticSystem(
            problem.colours, problem.classes, problem.image_size, problem.channel, problem.reconstruct
        )
        # Line 1: the two ends negotiate the key.
        self.key = Key.random(*self.system.grid, torch.Generator().manual_seed(seed("key", problem.seed)))
        self.register_buffer("prototypes", torch.zeros(problem.classes, problem.classes))
        self.register_buffer("distance", torch.zeros((), dtype=torch.float64))  # of the first epoch, summed
        self.register_buffer("counted", torch.zeros((), dtype=torch.float64))
        self.register_buffer("first_epoch", torch.zeros((), dtype=torch.float64))

    def prepare(self, teacher: method.Method | None, image: Tensor, label: Tensor, n0: float) -> None:
        """Prototypes p_y: mean logits of the teacher on the natural training images (Eqs. 18-19, D9)."""
        if not self.hyper.adversarial:
            return
        if teacher is None:
            raise ValueError("hyper.adversarial needs `after: undefended`: its logits make the prototypes (Eq. 19)")
        generator = torch.Generator(image.device).manual_seed(seed("prototypes", self.problem.seed))
        with torch.no_grad(), evaluating(teacher.system):
            logits = [teacher.system(batch, n0, teacher.key, generator) for batch in image.split(500)]
        self.prototypes.copy_(losses.prototypes(torch.cat(logits), label, self.problem.classes))
        self.first_epoch.fill_(len(image))

    def update(self, image: Tensor, label: Tensor, n0: float) -> dict[str, Tensor]:
        if self.problem.reconstruct:
            loss = mse_loss(self.system(image, n0, self.key), image)  # L_rec
            self.descend(loss)
            return {"loss": loss.detach()}
        if not self.hyper.adversarial:
            loss = cross_entropy(self.system(image, n0, self.key), label)
            self.descend(loss)
            return {"loss": loss.detach()}

        # Lines 4-7: adversarial images, then both halves through encoder, shuffle, air and back, as one batch.
        z, logits = self.system.embed(torch.cat([image, self.craft(image, n0)]), n0, self.key)
        (z_nat, z_adv), (nat, adv) = z.chunk(2), logits.chunk(2)
        # Line 8: Eq. 16.
        contrast = losses.contrastive(z_adv, z_nat, self.hyper.temperature)
        natural = cross_entropy(nat, label)
        weight = losses.prototype_weights(adv, self.prototypes[label], self.tau(nat, label))
        divergence = (weight * losses.kl_divergence(nat, adv)).mean()
        loss = contrast + natural + self.hyper.beta * divergence
        self.descend(loss)  # line 9
        terms = {"loss": loss, "contrast": contrast, "natural": natural, "divergence": divergence}
        return {name: value.detach() for name, value in terms.items()}

    def craft(self, image: Tensor, n0: float, generator: torch.Generator | None = None) -> Tensor:
        """Line 4: maximises D_KL(M(I_nat) ‖ M(I_adv)) by PGD (Eq. 14, D7)."""
        with evaluating(self.system):
            with torch.no_grad():
                natural = self.system(image, n0, self.key, generator)
            noise = torch.randn(image.shape, generator=generator, device=image.device)
            return pgd(
                lambda x: losses.kl_divergence(natural, self.system(x, n0, self.key, generator)).sum(),
                image,
                image + self.hyper.start * noise,
                self.hyper.eps,
                self.hyper.step,
                self.hyper.steps,
            )

    def tau(self, logits: Tensor, label: Tensor) -> Tensor:
        """Mean squared distance of the first epoch's natural logits to their prototypes, running until full (D8)."""
        distance = losses.squared_distance(logits.detach(), self.prototypes[label]).double()
        first = (self.counted < self.first_epoch).double()
        self.distance += first * distance.sum()
        self.counted += first * len(label)
        return (self.distance / self.counted).to(logits.dtype)

    def score(self, image: Tensor, label: Tensor, n0: Tensor, generator: torch.Generator) -> Tensor:
        """Adversarial correctness on fresh noise, where training is adversarial (D10)."""
        if self.hyper.adversarial:
            image = self.craft(image, n0, generator)
        return super().score(image, label, n0, generator)
