"""RepObE itself, Algorithm 1: the shuffle with a shared key, and training on Eq. 16 or on cross-entropy only."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from repobe.attacks.pgd import craft
from repobe.cipher.keys import FixedKey, PerMessageKeys
from repobe.images import metrics
from repobe.images.resizing import Resized, gathered
from repobe.runs.seeds import secret, seed
from repobe.systems.folding import folded
from repobe.systems.networks import ATTENTION_BLOCKS
from repobe.systems.system import SemanticSystem
from repobe.training import losses, method
from repobe.training.method import MAX_GRADIENT_NORM, Problem, evaluating

SCHEDULES = {"fixed": FixedKey.derive, "per_message": PerMessageKeys}


@dataclass(frozen=True)
class Hyper:
    """adversarial: True trains on Eq. 16 in full, False on cross-entropy of natural images, the system of Fig. 3.

    Eq. 16 has no form for reconstruction. There, `adversarial` follows Algorithm 1 literally: L_rec over B' + B. Of the
    settings below, only those that craft B' then have an effect.

    Ablations: contrast = 0 drops the first term of Eq. 16, beta = 0 the third; weighted = False sets every weight of
    the third term to 1; supervise_adversarial replaces the second term by Eq. 15's CE(M(I_adv), y).
    """

    adversarial: bool = False
    contrast: float = 1.0  # D8: the first term of Eq. 16 has no weight
    beta: float = 6.0  # D8, as Zhang et al. 2019: the paper's second epsilon, in Eq. 16
    weighted: bool = True  # Eqs. 20-21
    supervise_adversarial: bool = False  # Eq. 15 in place of Eq. 16's natural cross-entropy
    temperature: float = 0.5  # D8: lambda of Eq. 13, not stated in the paper
    inner: str = "kl"  # D7: Eq. 14; the text can also be read as cross_entropy
    eps: float = 0.016  # Sec. 4.2
    step: float = 0.0032  # D7: Sec. 4.2 gives it for Fig. 4c; five steps just reach eps
    steps: int = 5  # Sec. 4.2
    start: float = 0.001  # D7: standard deviation of the starting noise, Zhang et al. 2019
    attention_blocks: int = ATTENTION_BLOCKS  # D5
    key_schedule: str = "fixed"  # D6: or per_message
    shared_air: bool = False  # D20: whether both halves of Eq. 16 share one channel draw
    max_gradient_norm: float = MAX_GRADIENT_NORM  # D19: 0 clips nothing


class Method(method.Method):
    """Algorithm 1. Adversarial training needs the trained `undefended` run for its prototypes (D9)."""

    def __init__(self, problem: Problem, hyper: Hyper) -> None:
        super().__init__(problem)
        if hyper.inner not in ("kl", "cross_entropy"):
            raise ValueError(f"hyper.inner: '{hyper.inner}' is unknown; it is kl or cross_entropy")
        if hyper.key_schedule not in SCHEDULES:
            raise ValueError(f"hyper.key_schedule: '{hyper.key_schedule}' is unknown; known: {', '.join(SCHEDULES)}")
        if hyper.max_gradient_norm < 0:
            raise ValueError(f"hyper.max_gradient_norm: {hyper.max_gradient_norm:g} is negative; 0 turns clipping off")
        self.hyper = hyper
        self.max_gradient_norm = hyper.max_gradient_norm or None
        self.system = SemanticSystem(
            problem.colours,
            problem.classes,
            problem.image_size,
            problem.channel,
            problem.reconstruct,
            hyper.attention_blocks,
        )
        # Line 1: the two ends negotiate the key.
        self.keys = SCHEDULES[hyper.key_schedule](secret("key", problem.seed), *self.system.grid)
        self.register_buffer("prototypes", torch.zeros(problem.classes, problem.classes))
        self.register_buffer("distance", torch.zeros((), dtype=torch.float64))  # sum over the first epoch
        self.register_buffer("counted", torch.zeros((), dtype=torch.float64))
        self.register_buffer("first_epoch", torch.zeros((), dtype=torch.float64))

    def prepare(self, teacher: method.Method | None, image: Resized, label: Tensor, n0: float) -> None:
        """Prototypes p_y: mean logits of the teacher on the natural training images (Eqs. 18-19, D9)."""
        if not self.hyper.adversarial or self.problem.reconstruct:
            return
        if teacher is None:
            raise ValueError("hyper.adversarial needs `after: undefended`: its logits make the prototypes (Eq. 19)")
        generator = torch.Generator(image.device).manual_seed(seed("prototypes", self.problem.seed))
        with torch.no_grad(), evaluating(teacher.system):
            key = teacher.keys.session("prototypes").sending(0, len(image))
            each = (teacher.system(image[p], n0, key and key[p], generator) for p in self.parts(len(image)))
            logits = gathered(each, len(image))
        self.prototypes.copy_(losses.prototypes(logits, label, self.problem.classes))
        self.first_epoch.fill_(len(image))

    def update(self, image: Tensor, label: Tensor, n0: float) -> dict[str, Tensor]:
        """Lines 4-9 on one batch."""
        if self.problem.reconstruct:
            sent = torch.cat([image, self.craft(image, label, n0)]) if self.hyper.adversarial else image
            output = self.system(sent, n0, self.next_key(len(sent)))
            terms = {"loss": mse_loss(output, image.repeat(len(sent) // len(image), 1, 1, 1))}
        elif self.hyper.adversarial:
            terms = self.l_class(image, self.craft(image, label, n0), label, n0)
        else:
            terms = {"loss": cross_entropy(self.system(image, n0, self.next_key(len(image))), label)}
        self.optimizer_step(terms["loss"])  # line 9
        return {name: value.detach() for name, value in terms.items()}

    def craft(
        self, image: Tensor, label: Tensor, n0: float | Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Line 4: I_adv that maximises D_KL(M(I_nat) ‖ M(I_adv)) by PGD (Eq. 14, D7), or cross-entropy: Image.

        For reconstruction, I_adv maximises L_rec, the squared distance of the output from I_nat. PGD's trial
        transmissions, in training and in selection, stay inside the transmitter, so no eavesdropper hears them and one
        key per image serves all of its trials.
        """
        hyper, key = self.hyper, self.next_key(len(image), "craft")
        system = folded(self.system)

        def model(x: Tensor) -> Tensor:
            return system(x, n0, key, generator)

        def divergence(natural: Tensor, logits: Tensor) -> Tensor:
            if self.problem.reconstruct:
                return metrics.mse(logits, image)
            if hyper.inner == "cross_entropy":
                return cross_entropy(logits, label, reduction="none")
            return losses.kl_divergence(natural, logits)

        return craft(model, divergence, image, hyper.start, hyper.eps, hyper.step, hyper.steps, generator)

    def l_class(self, nat: Tensor, adv: Tensor, label: Tensor, n0: float) -> dict[str, Tensor]:
        """L_class (Eq. 16) and its terms, with the weights of Hyper: two Images to scalars.

        contrast (Eq. 13) + CE(M(I_nat), y) + (β/N) Σ ŵ(I_adv) D_KL(M(I_nat) ‖ M(I_adv)). Both halves pass encoder,
        shuffle, channel and decoder as one batch (lines 5-7). `shared_air` decides whether an image and its twin share
        a channel draw (D20).
        """
        hyper = self.hyper
        key = self.next_key(2 * len(nat))
        z, logits = self.system.embed(torch.cat([nat, adv]), n0, key, twins=hyper.shared_air)
        (z_nat, z_adv), (nat, adv) = z.chunk(2), logits.chunk(2)
        weight = losses.prototype_weights(adv, self.prototypes[label], self.tau(nat, label)) if hyper.weighted else 1
        terms = {
            "contrast": losses.contrastive(z_adv, z_nat, hyper.temperature),
            "supervised": cross_entropy(adv if hyper.supervise_adversarial else nat, label),
            "divergence": (weight * losses.kl_divergence(nat, adv)).mean(),
        }
        loss = hyper.contrast * terms["contrast"] + terms["supervised"] + hyper.beta * terms["divergence"]
        return {"loss": loss} | terms

    def tau(self, logits: Tensor, label: Tensor) -> Tensor:
        """τ: mean squared distance of the first epoch's natural logits to their prototypes, a running mean (D8)."""
        distance = losses.squared_distance(logits.detach(), self.prototypes[label]).double()
        first = (self.counted < self.first_epoch).double()
        self.distance += first * distance.sum()
        self.counted += first * len(label)
        return (self.distance / self.counted).to(logits.dtype)

    def score(self, image: Tensor, label: Tensor, n0: Tensor, generator: torch.Generator) -> Tensor:
        """Correctness on fresh noise; on adversarial images if training uses Eq. 16 (D10)."""
        if self.hyper.adversarial and not self.problem.reconstruct:
            image = self.craft(image, label, n0, generator)
        return super().score(image, label, n0, generator)
