"""Whether an optimizer trains the network that it is used with."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def check_held(network: nn.Module, optimizer: torch.optim.Optimizer, loss: Any = None) -> None:
    """Raises `ValueError` where an optimizer was made for other weights: of another network, of this one before it was
    copied, or of a layer that was replaced since. It would train nothing, in silence.

    Weights left out on purpose are fine, as are further ones of a `loss` that is a module.
    """
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise ValueError(f"optimizer is a torch.optim.Optimizer, not {type(optimizer).__name__}")
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    around = loss.parameters() if isinstance(loss, nn.Module) else ()
    own = {id(parameter) for parameter in (*network.parameters(), *around)}
    learned = [(name, id(parameter)) for name, parameter in network.named_parameters() if parameter.requires_grad]
    missing = [name for name, key in learned if key not in held]
    strange = len(held - own)
    if missing and strange:
        more = f" and {len(missing) - 1} more" if missing[1:] else ""
        raise ValueError(
            f"the optimizer does not hold {missing[0]}{more}, but {strange} parameters that are not the network's: "
            "make it of network.parameters() once the network is as it will be trained"
        )
