"""The verbs that exchange with the rest of the world: weights come in, features and whole networks go out.

As those of `archspec.api`, each takes a spec, a graph, a name of the zoo, a .yaml file or a built network. Importing
this imports no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archspec.compiler.lower import Network
    from archspec.weights.assignment import Head, Input
    from archspec.weights.load import Probe, Source
    from archspec.weights.transfer import Transfer


def load_weights(
    network: Network, source: Source, *, head: Head = "same", input: Input = "same", strict: bool = True,
    probe: Probe | None = None,
) -> Transfer:  # fmt: skip
    """Loads a network's weights from a file, a state dict or a module that computes the same, in place.

    From a module (its weights are copied), layers are matched by structure, then both sides run on one input and every
    block is compared; networks that differ are refused with the first block at which they part. From a state dict or a
    file (safetensors, or a state dict that torch.save has written), layers are matched by the names that torchvision,
    timm, iduta, pytorchcv, fb.resnet or archspec give them, or else in order; that shapes fit proves little, so the
    result's `verified` is None unless a `probe` is given: a file or mapping with one `input` of theirs and the
    `output` it gave (for several outputs, by their names).

    `head="new"` leaves the last layers as they are, for other classes; `input="sum"` sums the first convolution's
    weights over the channels, for a network that reads one. Without `strict`, tensors that find no other are left out
    and told. Raises `WeightsError`, with both sides named, and then nothing has changed; `OSError`.
    """
    from archspec.weights.load import load_weights as loaded

    return loaded(network, source, head=head, input=input, strict=strict, probe=probe)
