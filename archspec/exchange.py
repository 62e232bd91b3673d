"""The verbs that exchange with the rest of the world: weights come in, features and whole networks go out.

As those of `archspec.api`, each takes a spec, a graph, a name of the zoo, a .yaml file or a built network. Importing
this imports no torch.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from archspec.api import Model
    from archspec.compiler.lower import Granularity, Network
    from archspec.deployment.export import Format
    from archspec.deployment.exported import Exported
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


def features(
    model: Model, stages: Sequence[int] | None = None, *, granularity: Granularity = "block",
    device: torch.device | str | None = None, dtype: torch.dtype | str | None = None, **overrides: Any,
) -> Network:  # fmt: skip
    """A network that gives the outputs of stages (all by default) as a dict by the names `stage1`, `stage2`, without
    what only the head needs: a backbone for detection and segmentation.

    `network.architecture.maps()` has the channels, stride and size of each. State-dict keys are the classifier's, of
    which a built one's weights come along. One stage alone gives its map itself. `output_stride=8` among the
    overrides has the later stages dilate instead of striding. Raises `SpecError`, and `ValueError` for stages that
    there are not.
    """
    from archspec import api
    from archspec.compiler.rewrite.features import features as cut

    backbone = api.build(
        cut(api.expand(model, **overrides), stages), granularity=granularity, device=device, dtype=dtype
    )
    if hasattr(model, "state_dict"):
        state = model.state_dict()
        backbone.load_state_dict({key: state[key] for key in backbone.state_dict()})
    return backbone


def export(
    model: Model, path: str | os.PathLike[str], format: Format | None = None, *, optimize: bool = False,
    **overrides: Any,
) -> Exported:  # fmt: skip
    """Writes a network for other programs, and runs what was written beside it.

    `format`, by default from the path's ending: "onnx", "pt2" (torch.export), "aoti" (compiled ahead of time for this
    kind of machine), "safetensors" (weights alone), "model.py" (Python that needs torch alone). All compute in
    evaluation mode, for any batch; the input is called `input` and the outputs as in the spec (`output`). The
    network's name and signature are in the file's metadata, in ONNX every node's address too. `optimize` folds batch
    norms into layers first. A built network goes out with its weights, a spec with freshly drawn ones.

    Raises `ExportError` where a network cannot be exported, or the file computes something else, and `OSError`;
    nothing is written then. Raises `SpecError` for a bad spec.
    """
    from archspec import api
    from archspec.compiler.lower import Network
    from archspec.deployment.export import export as exported

    if isinstance(model, Network) and overrides:
        raise TypeError(f"a network takes no '{next(iter(overrides))}'")
    network = model if isinstance(model, Network) else api.build(model, **overrides)
    return exported(network, path, format, optimize)
