"""What torch.compile's errors mean: torch's own sentence, out of the report that hides it, and what can be done."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor
from torch._dynamo.exc import BackendCompilerFailed, TorchDynamoException, TorchRuntimeError

from archspec.ops import Shape, show_shape

_RAISED = "raised exception "
"""How dynamo quotes what the code that it reads would raise."""
_NAMED = re.compile(r"ExceptionVariable\(<class '(?:[\w.]+\.)?(\w+)'>.*\)")
"""How torch before 2.12 shows an exception there."""
_LONGEST = 400


def told(error: TorchDynamoException, address: str, sample: Shape, arguments: Sequence[Any]) -> str:
    """The message for a part of a network, which reads samples of a shape, that could not be compiled for some
    arguments: what went wrong, and what helps."""
    own = next(_own(error), None)
    if isinstance(error, BackendCompilerFailed):
        reason = f"the backend raised {type(own).__name__}: {_line(str(own))}" if own else _line(str(error))
        advice = "another backend=, other options=, or archspec.compile(network, mode='eager') may run it"
    elif isinstance(error, TorchRuntimeError) or _RAISED in str(error):
        raised = str(own).removeprefix(_RAISED) if own else str(error)
        return unrunnable(_NAMED.sub(r"\1", raised), address, sample, arguments)
    else:
        reason, advice = _line(str(error)), "archspec.compile(network, mode='eager') runs it uncompiled"
    return f"'{address}' could not be compiled, and was not run: {reason}\n{advice}"


def unrunnable(reason: str, address: str, sample: Shape, arguments: Sequence[Any]) -> str:
    """The message for a part of a network that cannot run on its arguments, for torch's reason."""
    shapes = [f"{show_shape(tuple(x.shape))} in {str(x.dtype)[6:]}" for x in arguments if isinstance(x, Tensor)]
    return (
        f"'{address}' cannot run on its input, compiled or not: {_line(reason)}\n"
        f"it was given {' and '.join(shapes)}; the network reads batches of {show_shape(sample)}, in the type of "
        "its weights or under autocast"
    )


def _own(error: BaseException) -> Iterator[BaseException]:
    """What lies behind dynamo's error and is none of its own reports, innermost first."""
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = getattr(link, "inner_exception", None) or link.__cause__ or link.__context__
    for link in reversed(chain[1:]):
        if not isinstance(link, TorchDynamoException) or str(link).startswith(_RAISED):
            yield link


def _line(text: str) -> str:
    """The first line of a report, with the explanation that follows it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    explained = [line.removeprefix("Explanation: ") for line in lines[1:2] if line.startswith("Explanation: ")]
    return ": ".join([*lines[:1], *explained])[:_LONGEST] or "it gives no reason"
