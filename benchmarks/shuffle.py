"""The shuffle, forward and backward on a 256×4×28×28 batch, beside a plain clone (at most 1.5 times) and other ways.

On one CPU core torch's gather takes 1.7 to 1.8 clones where every place stays where it is, so 1.5 is out of its reach.
"""

import torch

from benchmarks.timing import medians
from repobe.cipher.keys import Key, PerMessageKeys
from repobe.cipher.obfuscation import ENCRYPTION, encrypt, step_by_step


def main() -> None:
    """Prints each candidate's milliseconds and its ratio to the clone."""
    torch.set_num_threads(1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    feature = torch.randn(256, 784, 4, device=device, requires_grad=True)  # as channels-last memory has it
    gradient = torch.randn_like(feature)
    key = Key.random(28, 28, torch.Generator().manual_seed(0))
    keys = PerMessageKeys(bytes(32), 28, 28).sending(0, 256)
    places = key.permutation.to(device)
    idle = Key((0,), torch.arange(784), 0, 0)  # of 1×784 places, each stays

    def forth_and_back(move):
        def run():
            feature.grad = None
            move(feature).backward(gradient)

        return run

    seconds = medians(
        {
            "clone": forth_and_back(torch.clone),
            "encrypt, one key": forth_and_back(lambda x: encrypt(x, key)),
            "encrypt, a key a message": forth_and_back(lambda x: encrypt(x, keys)),
            "encrypt, nothing moves": forth_and_back(lambda x: encrypt(x, idle)),
            "index and autograd": forth_and_back(lambda x: x[:, places]),
            "four literal steps": forth_and_back(
                lambda x: step_by_step(x.mT.unflatten(2, (28, 28)), key, ENCRYPTION).flatten(2).mT
            ),
            "deriving 256 keys": lambda: PerMessageKeys(bytes(32), 28, 28).sending(0, 256).permutation,
        }
    )
    print(f"256×4×28×28 float32, forward and backward, {device}, 1 thread")
    for name, value in seconds.items():
        print(f"{name:26} {1000 * value:8.3f} ms  {value / seconds['clone']:6.2f} × clone")


if __name__ == "__main__":
    main()
