"""What somebody may have meant by a word that is no operator: other libraries have other words."""

from __future__ import annotations

import difflib
from collections.abc import Collection

from archspec.ops import BY_KEY
from archspec.ops.module import ALLOWED

ELSEWHERE = {
    "swish": "silu", "batchnorm": "bn", "batchnorm2d": "bn", "batchnorm3d": "bn", "norm": "bn", "fc": "linear",
    "dense": "linear", "conv2d": "conv", "conv3d": "conv", "convolution": "conv", "gap": "global_avg_pool",
    "globalpool": "global_avg_pool", "adaptiveavgpool": "global_avg_pool", "maxpool2d": "max_pool",
    "maxpool3d": "max_pool", "avgpool2d": "avg_pool", "avgpool3d": "avg_pool", "sum": "add", "plus": "add",
    "mul": "multiply", "product": "multiply", "cat": "concat", "concatenate": "concat", "stochasticdepth": "drop_path",
    "pad": "pad_channels",
}  # fmt: skip
"""Operators by what other libraries call them, in small letters without `_`."""

NO_ADDITION = "`none` stands only alone, as a block's shortcut; an empty path is `identity`"
_KEYS = [*BY_KEY, "use", "each", "block"]
_FALLBACK = "a class of torch.nn goes by `module: {type: ...}`, a path of your own by `use: ...`"


def meant(word: str, named: Collection[str] = ()) -> str:
    """A hint for a word that stands where an operator should; `named` are the paths there are."""
    before, colon, after = word.partition(":")
    if colon and before in _KEYS:
        return f"a space after the colon: `{before}: {after}`"
    if word.lower() == "none":
        return NO_ADDITION
    if word in named:
        return f"for a named path write `use: {word}`"
    folded = _folded(word)
    same = {_folded(key): key for key in _KEYS} | ELSEWHERE
    if folded in same:
        return f"did you mean '{same[folded]}'?"
    classes = {_folded(name): name for name in sorted(ALLOWED, reverse=True)}
    for name in (folded, f"{folded}2d"):
        if name in classes:
            return f"as a class of torch.nn it goes by `module: {{type: {classes[name]}}}`"
    close = difflib.get_close_matches(word, [*_KEYS, *list(named)[:500]], n=1, cutoff=0.75)
    if close:
        return f"did you mean '{close[0]}'?" if close[0] in _KEYS else f"did you mean `use: {close[0]}`?"
    return _FALLBACK


def _folded(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "")
