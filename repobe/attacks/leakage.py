"""What no shuffle hides: the multiset of symbols. Two classifiers read an image's class from it."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot
from torch.optim import Adam
from torch.optim.lr_scheduler import OneCycleLR

from repobe.phy.mapping import features
from repobe.runs.devices import forked_random
from repobe.systems.optimizer_step import optimizer_step

BINS = 16


def multiset(symbols: Tensor, grid: tuple[int, int]) -> Tensor:
    """Received Symbols Complex[b, k] as Float[b, places, a]; the order of places carries no information."""
    return features(symbols, grid).flatten(2).transpose(1, 2)


class DeepSet(nn.Module):
    """Float[b, places, a] to Logits: ρ(mean φ, max φ), invariant to the order of places (Zaheer et al. 2017)."""

    def __init__(self, inputs: int, classes: int, width: int = 128) -> None:
        super().__init__()
        self.phi = nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.rho = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, classes))

    def forward(self, places: Tensor) -> Tensor:
        each = self.phi(places)
        return self.rho(torch.cat([each.mean(dim=1), each.amax(dim=1)], dim=1))


def from_multiset(train: Tensor, label: Tensor, test: Tensor, classes: int, epochs: int, generator) -> Tensor:
    """Logits [n, classes] for test messages from a DeepSet trained on labelled ones. Adam, one cycle, peak 1e-3."""
    batch = 64
    with forked_random(train.device):
        torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
        network = DeepSet(train.shape[2], classes)
    network.to(train.device)
    optimiser = Adam(network.parameters())
    schedule = OneCycleLR(optimiser, 1e-3, epochs * -(-len(train) // batch) + 1)
    for _ in range(epochs):
        for index in torch.randperm(len(train), generator=generator).to(train.device).split(batch):
            loss = cross_entropy(network(train[index]), label[index])
            optimizer_step(loss, optimiser, schedule)
    with torch.no_grad():
        return torch.cat([network(part) for part in test.split(500)])


def from_histogram(train: Tensor, label: Tensor, test: Tensor, classes: int, epochs: int, generator) -> Tensor:
    """Logits [n, classes] from logistic regression on each channel's histogram and energy."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    levels = torch.arange(1, BINS, device=train.device) / BINS  # equal counts
    edges = torch.quantile(train[:500].flatten(0, 1), levels, dim=0)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    model.fit(_statistics(train, edges).numpy(), label.cpu().numpy())
    logits = torch.full((len(test), classes), -torch.inf)
    logits[:, model.classes_] = torch.from_numpy(model.predict_log_proba(_statistics(test, edges).numpy())).float()
    return logits.to(test.device)


def _statistics(places: Tensor, edges: Tensor) -> Tensor:
    """Float[b, a·BINS + a] on the CPU: the fraction of places in each bin, and the energy of each channel."""
    rows = []
    for part in places.split(500):
        bins = torch.searchsorted(edges.T.contiguous(), part.permute(2, 0, 1).flatten(1).contiguous())
        counts = one_hot(bins.unflatten(1, part.shape[:2]), BINS).float().mean(dim=2)  # [a, b, BINS]
        rows.append(torch.cat([counts.transpose(0, 1).flatten(1), part.square().mean(dim=1)], dim=1).cpu())
    return torch.cat(rows)


# By the name of its quantity in audit.csv.
INFERENCES: dict[str, Callable[..., Tensor]] = {
    "multiset_label_accuracy": from_multiset,
    "histogram_label_accuracy": from_histogram,
}
