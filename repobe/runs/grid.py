"""The runs of a config: one Spec for each dataset, channel, method and seed, and for each SNR of matched training."""

import fnmatch
import itertools
import re

from repobe.runs import names
from repobe.runs.checking import checked
from repobe.runs.spec import Spec

# What an attack that is called `paper` may say of itself, because printed numbers are compared with it (Sec. 4.2).
PUBLISHED: dict[str, list] = {
    "kind": ["pgd"],
    "eps": [[0.016], (0.016,)],
    "steps": [None, 5],
    "restarts": [1],
    "eot": [None, 1],
}
HALF = "_half"  # of a label: the same method, trained for half as many epochs, or on half as many images (D32)


def grid(config: dict) -> list[Spec]:
    """The runs of a config that its `only` keeps, in their order. ValueError names the key that is wrong."""
    return kept(config, every_run(config))


def kept(config: dict, specs: list[Spec]) -> list[Spec]:
    """The runs of a config that its `only` keeps. ValueError for a pattern of `only` that matches no run."""
    only, runs = config.get("only", "*"), [name_of(spec.path) for spec in specs]
    refuse_idle_patterns("only", only, runs)
    chosen = [s for s, run in zip(specs, runs, strict=True) if matches(only, run)]
    if not chosen:
        raise ValueError(f"only: {only!r} leaves no run; take a pattern after ! out")
    return chosen


def every_run(config: dict) -> list[Spec]:
    """All runs of a config, ordered by dataset, channel, method, seed and SNR, also those that `only` leaves out.

    ValueError names the key that is wrong.
    """
    specs = []
    _refuse_odd_names(config)
    _refuse_odd_teachers(config["methods"])
    channels = map(names.located, config["channels"])
    halves = [(label, label + HALF) for label in config.get("halves", [])]
    for dataset, (source, channel), (of, label), number in itertools.product(
        config["datasets"], channels, [*((label, label) for label in config["methods"]), *halves], config["seeds"]
    ):
        if label != of and number != config["seeds"][0]:
            continue
        data, method = config["datasets"][dataset], config["methods"][of]
        run = names.run_name(dataset, channel, label, number)
        training = config["training"] | data.get("training", {}) | method.get("training", {})
        training |= data.get("training_of", {}).get(of, {})
        if label != of:
            training |= {"epochs": _halved(training["epochs"], dataset, of)}
        after = method.get("after")
        common = {
            "dataset": dataset,
            "channel": channel,
            "channel_source": source,
            "label": label,
            "method": method.get("method", of),
            "task": method.get("task", "classification"),
            "seed": number,
            "image_size": method.get("image_size", data["image_size"]),
            "train_images": data.get("train_images"),
            "after": after,
            "snr_db": config["snr_db"],
            "snr_train_db": method.get("snr_train_db", config["snr_db"]),
            "training": training,
            "evaluation": _evaluation(config["evaluation"], run),
            "inversion": _inversion(config["inversion"], run),
            "audit": config["audit"],
            "threads": config["threads"],
            "recompute": config.get("recompute", False),
            "hyper": method.get("hyper", {}),
        }
        if common["snr_train_db"] == "matched":  # D2: one model for each SNR, evaluated at that SNR
            own = ({"snr_db": [snr], "snr_train_db": [snr], "matched": True} for snr in config["snr_db"])
            specs += [checked(Spec, common | at) for at in own]
        else:
            specs.append(checked(Spec, common))
    runs = [name_of(spec.path) for spec in specs]
    refuse_idle_patterns("inversion.only", config["inversion"].get("only", "*"), runs)
    for name, attack in config["evaluation"]["attacks"].items():
        where, patterns = f"evaluation.attacks.{name}.only", attack.get("only", "*")
        refuse_idle_patterns(where, patterns, runs)
        if "only" in attack and not any(
            s.task == "classification" and matches(patterns, r) for s, r in zip(specs, runs, strict=True)
        ):
            raise ValueError(f"{where}: {patterns!r} matches reconstruction runs alone, and attacks are on classifiers")
    return specs


def _halved(epochs: int, dataset: str, label: str) -> int:
    if epochs < 2:
        raise ValueError(f"halves names '{label}', which has one epoch on {dataset}; give it two, or leave it out")
    return epochs // 2


def name_of(path: str) -> str:
    """The name that patterns match, dataset/channel/method/seed<k>; the path of a matched run also ends in its SNR."""
    return re.sub(r"(/seed\d+)_[^/]*$", r"\1", path)


def refuse_idle_patterns(where: str, patterns: str, runs: list[str]) -> None:
    """ValueError for the first pattern that matches no run: a mistyped one would leave runs out in silence."""
    for pattern in patterns.split():
        if not any(matches(pattern.removeprefix("!"), run) for run in runs):
            raise ValueError(f"{where}: no run matches {pattern!r} (patterns over dataset/channel/method[/seed0])")


def _refuse_odd_teachers(methods: dict) -> None:
    """ValueError if `after` is missing, leads back to the same label, or names a method that does not classify."""
    for label, described in methods.items():
        after, seen = described.get("after"), [label]
        while after and after not in seen:
            seen.append(after)
            after = methods[after].get("after")
        if after:
            circle = " after ".join([*seen, after])
            raise ValueError(f"methods.{label}.after makes a circle: {circle}; leave one `after` out")
        tasks = [methods[one].get("task", "classification") for one in seen[:2]]
        if tasks == ["classification", "reconstruction"]:
            raise ValueError(f"methods.{label}.after names '{seen[1]}', which does not classify; '{label}' does")
        adversarial = described.get("method", label) == "repobe" and described.get("hyper", {}).get("adversarial")
        if adversarial and tasks == ["classification"]:
            raise ValueError(
                f"methods.{label}.hyper.adversarial needs `after: undefended`: its logits make the prototypes (Eq. 19)"
            )


def _refuse_odd_names(config: dict) -> None:
    """ValueError where a config refers to a method or an SNR that it does not list, or that cannot be used there."""
    methods, attacks = config["methods"], config["evaluation"]["attacks"]
    named = {f"datasets.{name}.training_of": [*one.get("training_of", {})] for name, one in config["datasets"].items()}
    named |= {f"methods.{label}.after": [one["after"]] for label, one in methods.items() if one.get("after")}
    named |= {"halves": config.get("halves", [])}
    surrogates = {f"evaluation.attacks.{name}.surrogate": [one.get("surrogate")] for name, one in attacks.items()}
    named |= {where: labels for where, labels in surrogates.items() if labels != [None]}
    if odd := [one for one in methods if one.endswith(HALF) and one.removesuffix(HALF) not in methods]:
        what = f"labels that end in {HALF} are trainings of half the length"
        raise ValueError(f"methods.{odd[0]}: {what}, and '{odd[0].removesuffix(HALF)}' is no method; rename it")
    for where, labels in named.items():
        if unknown := sorted(set(labels) - set(methods)):
            raise ValueError(f"{where} names '{unknown[0]}', which methods does not list")
        if where == "halves" and (twice := [label for label in labels if label + HALF in methods]):
            raise ValueError(f"halves names '{twice[0]}', but methods lists '{twice[0]}{HALF}'; leave one of them out")
        matched = [label for label in labels if methods[label].get("snr_train_db") == "matched"]
        if matched and not where.endswith(("training_of", "halves")):
            raise ValueError(f"{where} names '{matched[0]}', which trains a model for each SNR; name a mixed one")
        if where in surrogates and methods[labels[0]].get("task", "classification") != "classification":
            raise ValueError(f"{where} names '{labels[0]}', which does not classify")
    for name, attack in attacks.items():
        own = [key for key, value in attack.items() if name == "paper" and value not in PUBLISHED.get(key, [value])]
        if own:
            what = "the name is kept for the paper's own attack, PGD of 5 steps at 0.016; name yours differently"
            raise ValueError(f"evaluation.attacks.paper.{own[0]}: {what}")
        if odd := sorted(set(attack.get("snr_db") or []) - set(config["snr_db"])):
            raise ValueError(f"evaluation.attacks.{name}.snr_db has {odd[0]:g}, which is not in the config's snr_db")


def matches(patterns: str, run: str) -> bool:
    """Whether a run, dataset/channel/method/seed<k> with or without the seed, matches one of the patterns.

    patterns: separated by spaces, with * and ? as in file names. A pattern after ! leaves out the runs that match it;
    if all patterns are of that kind, every other run matches.
    """
    names = run, run.rpartition("/")[0]
    wanted = [pattern for pattern in patterns.split() if not pattern.startswith("!")] or ["*"]
    unwanted = [pattern.removeprefix("!") for pattern in patterns.split() if pattern.startswith("!")]

    def among(chosen: list[str]) -> bool:
        return any(fnmatch.fnmatch(name, pattern) for name in names for pattern in chosen)

    return among(wanted) and not among(unwanted)


def _inversion(described: dict, run: str) -> dict:
    """The `inversion` of one run: without attackers where its `only` does not match."""
    rest = _but_only(described)
    return rest if matches(described.get("only", "*"), run) else rest | {"attackers": []}


def _evaluation(described: dict, run: str) -> dict:
    """The `evaluation` of one run: without the attacks whose `only` does not match."""
    attacks = described["attacks"].items()
    kept = {label: _but_only(attack) for label, attack in attacks if matches(attack.get("only", "*"), run)}
    return described | {"attacks": kept}


def _but_only(described: dict) -> dict:
    return {key: value for key, value in described.items() if key != "only"}
