"""What a config may say, and checking one: a mistake is one line that names the key and the fix.

`python -m repobe.runs.config` prints the JSON schema of a config, which editors complete and check by.
"""

import ast
import dataclasses
import json
import typing
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, WithJsonSchema, WrapValidator, with_config
from typing_extensions import TypedDict  # pydantic accepts typing's own only from Python 3.12 on

from repobe.runs import custom_data_checks, mlflow_uri, names, plugin_signatures, plugins, values
from repobe.runs.checking import checked
from repobe.runs.config_files import merged, read
from repobe.runs.folders import data_file
from repobe.runs.hyper_checks import refusal
from repobe.runs.plugins import ROOT
from repobe.runs.spec import Attack, AttackName, Audit, Hyper, Inversion, Task, Training

SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.json"
TYPES = {kind.__name__: kind for kind in (int, float, bool, str, list, tuple, dict)} | {"Literal": Literal}


def _mapping(name: str, **keys: Any) -> Any:
    """The type of a mapping that has these keys and no others; keys that are NotRequired may be missing."""
    return with_config(ConfigDict(extra="forbid"))(TypedDict(name, keys))  # type: ignore[operator]


def _keys_of(part: type, all_may_lack: bool = False, **more: Any) -> Any:
    """The type of a part of a spec as a config writes it, with `more` keys."""
    hints = typing.get_type_hints(part, include_extras=True)
    needed = [field.name for field in dataclasses.fields(part) if field.default is dataclasses.MISSING]
    keys = {name: kind if name in needed and not all_may_lack else NotRequired[kind] for name, kind in hints.items()}
    return _mapping(part.__name__ + "Departures" * all_may_lack, **keys, **more)


def _module(name: str) -> str:
    if plugins.is_file(name):
        return values.file(name)
    if not names.SAFE.fullmatch(name):
        raise ValueError(f"{name!r} should be the name of a method, or the path of its .py file")
    return name


def _channel(entry: str) -> str:
    source, label = names.located(entry)
    return f"{values.file(source)}:{label}" if source else entry


def _or_matched(value: Any, otherwise: Any) -> Any:
    return value if value == "matched" else otherwise(value)


TRAINING = _keys_of(Training, all_may_lack=True)
DATASET = _mapping(
    "Dataset",
    source=NotRequired[Annotated[values.File, Field(description="your own: a folder of class folders, or an .npz")]],
    image_size=values.Size,
    train_images=NotRequired[Annotated[values.TrainImages, Field(description="the first so many training images")]],
    training=NotRequired[TRAINING],
    training_of=NotRequired[Annotated[dict[values.Name, TRAINING], Field(description="by label, before all others")]],  # type: ignore[valid-type]
)
METHOD = _mapping(
    "Method",
    method=NotRequired[Annotated[str, AfterValidator(_module), Field(description="its module or path.py; its label")]],
    task=NotRequired[Task],
    hyper=NotRequired[Annotated[Hyper, Field(description="departures from the method's Hyper")]],
    after=NotRequired[Annotated[values.Name, Field(description="the label whose trained model it needs")]],
    training=NotRequired[TRAINING],
    image_size=NotRequired[values.Size],
    snr_train_db=NotRequired[
        Annotated[
            values.SNRs,
            WrapValidator(_or_matched),
            WithJsonSchema({"anyOf": [{"const": "matched"}, {"type": "array", "items": {"type": "number"}}]}),
            Field(description="SNRs in dB that batches draw from; matched trains a model for each of snr_db"),
        ]
    ],
)
CONFIG = _mapping(
    "Config",
    results_dir=Annotated[values.Folder, Field(description="where what is measured goes")],
    figures_dir=Annotated[values.Folder, Field(description="where what is rendered goes")],
    data_dir=Annotated[values.File | None, Field(description="folder with the datasets' files; null downloads")],
    only=values.Patterns,
    threads=Annotated[values.Threads, Field(description="threads of each job")],
    recompute=NotRequired[Annotated[values.Flag, Field(description="less memory, up to a third more time")]],
    device=NotRequired[Annotated[str, *values.spelled("auto|cpu|cuda(:[0-9]+)?", "auto, cpu, cuda or cuda:1")]],
    datasets=Annotated[dict[values.Name, DATASET], Field(min_length=1)],  # type: ignore[valid-type]
    channels=Annotated[
        values.UniqueTuple[Annotated[str, AfterValidator(_channel)]],
        Field(description="such as awgn, rician_k10, path.py:name"),
    ],
    methods=Annotated[dict[values.Name, METHOD], Field(min_length=1, description="labels of your own")],  # type: ignore[valid-type]
    halves=NotRequired[
        Annotated[
            values.UniqueTuple[values.Name],
            Field(description="labels that are also trained for half the epochs, as <label>_half, at the first seed"),
        ]
    ],
    seeds=values.UniqueTuple[values.Seed],
    snr_db=values.SNRs,
    training=_keys_of(Training),
    evaluation=_mapping(
        "Evaluation",
        draws=Annotated[values.Draws, Field(description="channel realisations of the test set at each SNR")],
        attacks=dict[AttackName, _keys_of(Attack, only=NotRequired[values.Patterns])],  # type: ignore[misc]
    ),
    inversion=_keys_of(Inversion, only=NotRequired[values.Patterns]),
    audit=Audit,
    mlflow_uri=Annotated[
        str | None,
        AfterValidator(mlflow_uri.without_password),
        Field(description="server or database, without a password; null: MLFLOW_TRACKING_URI, else in results_dir"),
    ],
    mlflow_weights=NotRequired[Annotated[values.Flag, Field(description="send weights to a server too")]],
)


def load(*paths: Path) -> dict:
    """Reads a config and checks it; a later file overrides those before it. ValueError names file and key."""
    config: Any = {}
    for path in paths:
        config = merged(config, read(path))
    try:
        return check(config)
    except ValueError as error:
        raise ValueError(f"{', '.join(map(str, paths))}: {error}") from None


def check(config: Any) -> dict:
    """The config with each value in its one spelling; ValueError for the first mistake, of type, bounds or name."""
    config = json.loads(json.dumps(checked(CONFIG, config), default=dataclasses.asdict))
    for name, described in config["datasets"].items():
        _check_dataset(name, described.get("source"), Path(config["results_dir"]))
    made = all(data_file(Path(config["results_dir"]), name).exists() for name in config["datasets"])
    if config["data_dir"] is not None and not made:
        custom_data_checks.refuse_data_dir(Path(config["data_dir"]))
    for number, entry in enumerate(config["channels"]):
        source, label = names.located(entry)
        try:
            name, _ = names.channel(label, source)
            if source:
                plugin_signatures.refuse_channel(source, name)
        except ValueError as error:
            raise ValueError(f"channels.{number}: {error}") from None
        if label in [names.located(other)[1] for other in config["channels"][:number]]:
            raise ValueError(f"channels.{number}: another channel of this config has the label '{label}'")
    for name, attack in config["evaluation"]["attacks"].items():
        if plugins.is_file(attack["kind"]):
            try:
                plugin_signatures.refuse_attack(attack["kind"])
            except ValueError as error:
                raise ValueError(f"evaluation.attacks.{name}.kind: {error}") from None
    for label, described in config["methods"].items():
        where, method, hyper = f"methods.{label}", described.get("method", label), described.get("hyper", {})
        _check_hyper(method, hyper, where)
        if text := refusal(source_of(method), hyper, described.get("task") == "reconstruction"):
            raise ValueError(f"{where}{'.' if text.startswith('hyper.') else ': '}{text}")
        _check_bounds(method, hyper, where)
    return config


def _check_dataset(name: str, source: str | None, results: Path) -> None:
    """ValueError unless the dataset is the suite's, or has another name and a source that can be one."""
    if source is not None and name in names.DATASETS:
        raise ValueError(f"datasets.{name}.source: '{name}' is a dataset of the suite; give yours another name")
    if source is None and name not in names.DATASETS:
        known, near = ", ".join(names.DATASETS), names.nearest(name, names.DATASETS)
        raise ValueError(f"datasets.{name}: '{name}' is not one of {known}; {near}a dataset of your own needs a source")
    if source is None or (not Path(source).exists() and data_file(results, name).exists()):
        return  # the source is gone, but its dataset is already made
    try:
        custom_data_checks.refuse(Path(source))
    except (ValueError, OSError) as error:
        raise ValueError(f"datasets.{name}.source: {error}{custom_data_checks.start_of(Path(source))}") from None


def _check_hyper(method: str, hyper: dict, where: str) -> None:
    """ValueError unless the method's Hyper has every parameter, with that type."""
    known = hyper_parameters(method, where)
    if unknown := sorted(set(hyper) - set(known)):
        what = f"{method} knows {', '.join(known) or 'none'}"
        raise ValueError(f"{where}.hyper: no such hyper-parameter: {', '.join(map(repr, unknown))}; {what}")
    for name, value in hyper.items():
        checked(known[name], value, f"{where}.hyper.{name}", strict=True)


def _check_bounds(method: str, hyper: dict, where: str) -> None:
    """ValueError unless every number is within its bounds, which files of one's own choose themselves."""
    bounds = typing.get_type_hints(Training, include_extras=True)  # learning_rate, epochs … of its own optimiser
    bounds |= {} if plugins.is_file(method) else values.HYPER
    for name in sorted(bounds.keys() & hyper.keys()):
        checked(bounds[name], hyper[name], f"{where}.hyper.{name}")


def source_of(method: str) -> str:
    """The file of a method: relative to the root of the repository, or as the config gives it."""
    if plugins.is_file(method):
        return method
    return "repobe/training/algorithm.py" if method == "repobe" else f"baselines/{method}.py"


def methods() -> list[str]:
    """The suite's own methods."""
    return ["repobe", *sorted(path.stem for path in (ROOT / "baselines").glob("[a-z]*.py"))]


def hyper_parameters(method: str, where: str) -> dict[str, Any]:
    """The fields of a method's Hyper with their types, parsed from its file: importing would import torch, in seconds.

    A type that is not made of Python's own is Any: its values are checked only when the run starts.
    """
    path = source_of(method)
    if not plugins.is_file(method) and not (ROOT / path).exists():
        known = methods()
        said = f"{names.nearest(method, known)}it is one of {', '.join(known)}, or the path of a .py file"
        raise ValueError(f"{where}: method '{method}' is unknown; {said}")
    try:
        plugin_signatures.refuse_method(path)
        hyper = plugins.defines(path, ast.ClassDef, "Hyper")
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    fields = [node for node in hyper.body if isinstance(node, ast.AnnAssign)]
    return {field.target.id: _type_of(field.annotation) for field in fields if isinstance(field.target, ast.Name)}


def _type_of(annotation: ast.expr) -> Any:
    """The type that an annotation writes: float, int | None, tuple[float, ...], Literal["a", "b"]; else Any."""
    parts = (ast.Name, ast.Load, ast.Constant, ast.Subscript, ast.Tuple, ast.BinOp, ast.BitOr)
    if not all(isinstance(node, parts) for node in ast.walk(annotation)):
        return Any
    try:
        return eval(compile(ast.Expression(annotation), "annotation", "eval"), {"__builtins__": {}}, TYPES)
    except (NameError, TypeError):
        return Any


if __name__ == "__main__":
    print(json.dumps(TypeAdapter(CONFIG).json_schema(), indent=2))
