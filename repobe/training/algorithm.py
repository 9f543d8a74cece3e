"""RepObE itself: Algorithm 1. The shuffle with a shared key, and training by Eq. 16 or by cross-entropy alone."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from repobe.attacks.pgd import craft
from repobe.cipher.keys import FixedKey, PerMessageKeys
from repobe.images.resizing import Resized
from repobe.runs.seeds import secret, seed
from repobe.systems.folding import folded
from repobe.systems.networks import ATTENTION_BLOCKS
from repobe.systems.system import SemanticSystem
from repobe.training import losses, method
from repobe.training.method import MAX_GRADIENT_NORM, Problem, evaluating

SCHEDULES = {"fixed": FixedKey.derive, "per_message": PerMessageKeys}


@dataclass(frozen=True)
class Hyper:
    """adversarial: Eq. 16 in full, or cross-entropy on natural images, the system of Fig. 3.

    A reconstruction has no Eq. 16: there `adversarial` is Algorithm 1 to the letter, L_rec over B' + B, and of all
    that follows only what crafts B' counts.

    What an ablation switches: contrast and beta at 0 drop Eq. 16's first and third terms; weighted False sets every
    weight of the third to 1; supervise_adversarial takes Eq. 15's CE(M(I_adv), y) for the second.
    """

    adversarial: bool = False
    contrast: float = 1.0  # D8: the first term of Eq. 16 stands there without a weight
    beta: float = 6.0  # D8, as Zhang et al. 2019: the paper's second epsilon, of Eq. 16
    weighted: bool = True  # Eqs. 20-21
    supervise_adversarial: bool = False  # Eq. 15 in place of Eq. 16's natural cross-entropy
    temperature: float = 0.5  # D8: lambda of Eq. 13, not stated in the paper
    inner: str = "kl"  # D7: Eq. 14; the text's other reading is cross_entropy
    eps: float = 0.016  # Sec. 4.2
    step: float = 0.0032  # D7: Sec. 4.2's of Fig. 4c; five of them just reach eps
    steps: int = 5  # Sec. 4.2
    start: float = 0.001  # D7: standard deviation of the first noise, Zhang et al. 2019
    attention_blocks: int = ATTENTION_BLOCKS  # D5
    key_schedule: str = "fixed"  # D6: or per_message
    shared_air: bool = False  # D20: whether both halves of Eq. 16 meet one channel draw
    max_gradient_norm: float = MAX_GRADIENT_NORM  # D19: 0 clips nothing


class Method(method.Method):
    """Algorithm 1. Needs the trained `undefended` run for its prototypes where it is adversarial (D9)."""

    def __init__(self, problem: Problem, hyper: Hyper) -> None:
        super().__init__(problem)
        if hyper.inner not in ("kl", "cross_entropy"):
            raise ValueError(f"hyper.inner: '{hyper.inner}' is neither kl nor cross_entropy")
        if hyper.key_schedule not in SCHEDULES:
            raise ValueError(f"hyper.key_schedule: '{hyper.key_schedule}' is none of {', '.join(SCHEDULES)}")
        if hyper.max_gradient_norm < 0:
            raise ValueError(f"hyper.max_gradient_norm: {hyper.max_gradient_norm:g} is below 0; 0 clips nothing")
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
        self.register_buffer("distance", torch.zeros((), dtype=torch.float64))  # of the first epoch, summed
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
            logits = [teacher.system(image[p], n0, key and key[p], generator) for p in self.parts(len(image))]
        self.prototypes.copy_(losses.prototypes(torch.cat(logits), label, self.problem.classes))
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
        self.descend(terms["loss"])  # line 9
        return {name: value.detach() for name, value in terms.items()}

    def craft(self, image: Tensor, label: Tensor, n0: float | Tensor, generator: torch.Generator | None = None):
        """Line 4: I_adv that maximises D_KL(M(I_nat) ‖ M(I_adv)) by PGD (Eq. 14, D7), or cross-entropy: Image.

        Of a reconstruction, I_adv maximises its squared distance from I_nat, which is L_rec.
        Its trial transmissions, in training and in selection, stay in the transmitter and no eavesdropper hears them:
        one key an image does for all of its trials.
        """
        hyper, key = self.hyper, self.next_key(len(image), "craft")
        system = folded(self.system)

        def model(x: Tensor) -> Tensor:
            return system(x, n0, key, generator)

        def divergence(natural: Tensor, logits: Tensor) -> Tensor:
            if self.problem.reconstruct:
                return (logits - image).square().mean(dim=(1, 2, 3))
            if hyper.inner == "cross_entropy":
                return cross_entropy(logits, label, reduction="none")
            return losses.kl_divergence(natural, logits)

        return craft(model, divergence, image, hyper.start, hyper.eps, hyper.step, hyper.steps, generator)

    def l_class(self, nat: Tensor, adv: Tensor, label: Tensor, n0: float) -> dict[str, Tensor]:
        """L_class and its terms, each weighed as Hyper says (Eq. 16): Image twice to scalars.

        contrast (Eq. 13) + CE(M(I_nat), y) + (β/N) Σ ŵ(I_adv) D_KL(M(I_nat) ‖ M(I_adv)). Both halves cross encoder,
        shuffle, air and back as one batch (lines 5-7); an image and its twin share a channel draw or do not (D20).
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
        """Mean squared distance of the first epoch's natural logits to their prototypes, running until full (D8)."""
        distance = losses.squared_distance(logits.detach(), self.prototypes[label]).double()
        first = (self.counted < self.first_epoch).double()
        self.distance += first * distance.sum()
        self.counted += first * len(label)
        return (self.distance / self.counted).to(logits.dtype)

    def score(self, image: Tensor, label: Tensor, n0: Tensor, generator: torch.Generator) -> Tensor:
        """Adversarial correctness on fresh noise, where training is by Eq. 16 (D10)."""
        if self.hyper.adversarial and not self.problem.reconstruct:
            image = self.craft(image, label, n0, generator)
        return super().score(image, label, n0, generator)
