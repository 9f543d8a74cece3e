"""A GPU for machines without one: tensors of real values on the CPU that claim to lie on another device, `fake:0`.

    with fake_device() as device:
        x = torch.randn(3).to(device)
        x + torch.zeros(3)      # WrongDevice, as on a GPU
        with no_waiting():
            x.sum().item()      # Waits: the host would stand still until the GPU had caught up

Every operation on such a tensor passes `_run`, which checks it as CUDA would and computes it on the
CPU. A generator claims a device too, but draws the CPU's numbers, so that a computation gives the CPU's results bit
for bit. Not covered: kernels that CUDA lacks or that are not deterministic there, memory, autocast (which stays off).

The device takes torch's place for a backend of one's own, PrivateUse1, by torch's hook for backends in Python.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import torch
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "fake"
TrueGenerator = torch.Generator
aten = torch.ops.aten
INDEXING = {  # by a tensor on the CPU is allowed: CUDA copies it
    aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._index_put_impl_.default,
    aten._unsafe_index.Tensor,
}  # fmt: skip
# What needs a number, or a size, that only the device knows.
WAITING = {
    "_local_scalar_dense", "nonzero", "masked_select", "equal", "bincount", "_unique2", "unique_dim",
    "unique_consecutive", "repeat_interleave",
}  # fmt: skip


class WrongDevice(Exception):
    """An operation that CUDA refuses: tensors of two devices, or a generator of another one."""


class Waits(Exception):
    """An operation that makes the host wait for the device, where it must not."""


_claims: dict[int, str] = {}  # the kinds of device of generators
_forbidden = False  # whether to wait is forbidden now
_copies: Counter = Counter()  # host to device, by shape


class FakeTensor(torch.Tensor):
    """`value`, a tensor on the CPU, under the name of another device."""

    @staticmethod
    def __new__(cls, value: torch.Tensor) -> "FakeTensor":
        value = value.resolve_conj().resolve_neg()  # torch notes either in a tensor's keys, which this one would lack
        like = {name: getattr(value, name) for name in ("dtype", "layout")}
        at = {"strides": value.stride(), "storage_offset": value.storage_offset()}
        fake = torch.Tensor._make_wrapper_subclass(cls, value.size(), device=DEVICE, **like, **at)
        fake.value = value
        return fake

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return _run(function, args, kwargs or {})

    def __repr__(self):
        return f"{self.value!r} on {self.device}"

    def tolist(self):
        _wait("tolist")
        return self.value.tolist()

    def numpy(self, **_):
        raise TypeError(f"can't convert {NAME}:0 device type tensor to numpy. Use Tensor.cpu() first")


class FakeGenerator(TrueGenerator):
    """A generator of the CPU that claims a device."""

    def __new__(cls, device="cpu"):
        return super().__new__(cls, "cpu")

    def __init__(self, device="cpu"):
        _claims[self._cdata] = torch.device(device).type  # an operation is handed another object around the same one


class Everywhere(TorchDispatchMode):
    """Operations whose tensors are all on the CPU too: some of them make, or copy to, tensors on the device."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return _run(function, args, kwargs or {})


def _backend() -> SimpleNamespace:
    """What torch asks a backend's module for. Its global random stream is the CPU's."""
    return SimpleNamespace(
        is_available=lambda: True,
        is_initialized=lambda: True,
        device_count=lambda: 1,
        current_device=lambda: 0,
        _is_in_bad_fork=lambda: False,
        manual_seed_all=lambda seed: None,
        get_rng_state=lambda device=None: torch.get_rng_state(),
        set_rng_state=lambda state, device=None: torch.set_rng_state(state),
        get_amp_supported_dtype=lambda: [torch.bfloat16],
    )


# When this module is imported, because the first backward pass of a process fixes which devices autograd knows.
_setup_privateuseone_for_python_backend(NAME, _backend())
DEVICE = torch.device(NAME, 0)


@contextmanager
def fake_device() -> Iterator[torch.device]:
    """The device, for the block."""
    torch.Generator = FakeGenerator
    torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(…, device=…) is made on the CPU and copied, as for CUDA
    try:
        with Everywhere():
            yield DEVICE
    finally:
        torch.Generator = TrueGenerator
        torch._C._set_only_lift_cpu_tensors(False)


@contextmanager
def no_waiting() -> Iterator[Counter]:
    """Waits is raised where the host waits; gives the shapes of what is copied to the device, counted."""
    global _forbidden
    _copies.clear()
    _forbidden = True
    try:
        yield _copies
    finally:
        _forbidden = False


def _run(function, args: tuple, kwargs: dict):
    """Checks one operation, computes it on the CPU, and puts what it gives where CUDA would."""
    leaves = tree_leaves((args, kwargs))
    fakes = [leaf for leaf in leaves if isinstance(leaf, FakeTensor)]
    asked = kwargs.get("device")
    on_device = bool(fakes) if asked is None else torch.device(asked).type == NAME
    _check(function, args, leaves, fakes, on_device)

    def real(leaf):
        if isinstance(leaf, torch.device) and leaf.type == NAME:
            return torch.device("cpu")
        return leaf.value if isinstance(leaf, FakeTensor) else leaf

    result = function(*tree_map(real, args), **tree_map(real, kwargs))
    if not on_device:
        return result
    result = tree_map(lambda leaf: FakeTensor(leaf) if type(leaf) is torch.Tensor else leaf, result)
    return return_and_correct_aliasing(function, args, kwargs, result)


def _check(function, args: tuple, leaves: list, fakes: list, on_device: bool) -> None:
    name = function._schema.name.removeprefix("aten::")
    on_host = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor) and not isinstance(leaf, FakeTensor)]
    if function is aten._to_copy.default:
        _copy(name, args[0], on_device)
    elif function is aten.copy_.default:
        _copy(name, args[1], isinstance(args[0], FakeTensor))
    elif function in INDEXING and isinstance(args[0], FakeTensor):
        for index in args[1]:
            if index is not None and not isinstance(index, FakeTensor):
                _copy(f"{name} by an index on the CPU", index, True)
            if index is not None and index.dtype in (torch.bool, torch.uint8):
                _wait(f"{name} by a mask")
    elif fakes and any(tensor.dim() or function in INDEXING for tensor in on_host):
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in on_host)
        raise WrongDevice(f"{name}: a tensor on the CPU, {shapes}, meets one on the device")
    if name in WAITING and fakes:
        _wait(name)
    for leaf in leaves:
        if isinstance(leaf, TrueGenerator):
            claimed, needed = _claims.get(leaf._cdata, "cpu"), NAME if on_device else "cpu"
            if claimed != needed:
                raise WrongDevice(f"{name}: a generator of {claimed} draws on {needed}")


def _copy(name: str, source: torch.Tensor, to_device: bool) -> None:
    if isinstance(source, FakeTensor) and not to_device:
        _wait(f"{name} to the CPU")
    elif not isinstance(source, FakeTensor) and to_device:
        _copies[tuple(source.shape)] += 1


def _wait(what: str) -> None:
    if _forbidden:
        raise Waits(f"{what} makes the host wait for the device")
