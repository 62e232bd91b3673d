"""Which words may name things, since names become module paths, state-dict keys, classes and Python identifiers.

One form for each kind of name. It is held where names are read (`archspec.language.naming`, and items of paths), and
told to editors by the JSON Schema; whoever reads a spec may rely on it.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from archspec.syntax import limits

LONGEST = 100
"""Characters of a name."""

_WORD = f"[A-Za-z][A-Za-z0-9_]{{0,{LONGEST - 1}}}"

_IN_STAGES = "stages, their columns, blocks and paths know it"
_IN_BLOCKS = "blocks and the paths they use know it"
_IN_SHORTCUTS = "shortcuts, levels, skips, and blocks in graph form with a field `out` know it"
_IN_WEIGHTS = "the `weights` of an addition know it"

# What a block or path is told by the compiler, and where; params and columns may not take these names.
SCOPE_NAMES = {
    "stage": _IN_STAGES, "stages": _IN_STAGES, "count": _IN_BLOCKS, "index": _IN_BLOCKS, "first": _IN_BLOCKS,
    "last": _IN_BLOCKS, "stride": _IN_BLOCKS, "downsampled": _IN_BLOCKS, "channels": "paths know it",
    "here": "paths know it", "number": _IN_BLOCKS, "total": _IN_BLOCKS,
    "out": _IN_SHORTCUTS, "changed": _IN_SHORTCUTS,
    "operand": _IN_WEIGHTS, "operands": _IN_WEIGHTS,
}  # fmt: skip
NAMES_IN_WEIGHTS = frozenset({"operand", "operands"})
"""Those of them that nothing but the weights of an addition know."""

FUNCTION_NAMES = frozenset({"min", "max", "sum", "len", "round", "floor", "ceil", "sqrt", "log", "exp"})

# Public attributes of torch.nn.Module, torch.fx.GraphModule and the compiler's subclasses of them, which a submodule
# cannot be called. A test compares.
MODULE_ATTRIBUTES = frozenset(
    "T_destination add_module add_submodule apply bfloat16 buffers call_super_init children code compile cpu cuda "
    "delete_all_unused_submodules delete_submodule double dump_patches eval extra_repr float forward get_buffer "
    "get_extra_state get_parameter get_submodule graph half ipu load_state_dict meta modules mtia named_buffers "
    "named_children named_modules named_parameters parameters print_readable recompile register_backward_hook "
    "register_buffer register_forward_hook register_forward_pre_hook register_full_backward_hook "
    "register_full_backward_pre_hook register_load_state_dict_post_hook register_load_state_dict_pre_hook "
    "register_module register_parameter register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ "
    "set_extra_state set_submodule share_memory state_dict to to_empty to_folder train training type xpu zero_grad "
    "architecture bypass bypass_graph computing drop_generator edited execution fx_graph granularity plan shape_env "
    "skips_dropped whole".split()
)


@dataclass(frozen=True)
class Form:
    """The legal form of one kind of name: a pattern, and the words of that pattern that are taken, with the reason."""

    pattern: str
    wrong: str
    """Why a name is refused that the pattern does not fit; `{}` stands for the name."""
    taken: tuple[tuple[str, frozenset[str]], ...] = ()
    """Words that are taken, by why (with `{}` for the name)."""
    whole: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "whole", re.compile(f"{self.pattern}\\Z"))

    def unusable(self, name: str) -> str | None:
        """Why `name` cannot be one; None if it can."""
        if not self.whole.match(name):
            if len(name) > LONGEST and self.whole.match(name[:LONGEST]):
                return f"'{name[:40]}...' is longer than {LONGEST} characters"
            return self.wrong.format(name[:60])
        return next((why.format(name) for why, words in self.taken if name in words), None)

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The form in JSON Schema."""
        words = sorted({word for _, words in self.taken for word in words if self.whole.match(word)})
        return {"type": "string", "pattern": f"^{self.pattern}$", **({"not": {"enum": words}} if words else {})}

    def but(self, words: Iterable[str]) -> Form:
        """This form, with some words free."""
        free = frozenset(words)
        return Form(self.pattern, self.wrong, tuple((why, taken - free) for why, taken in self.taken))


_NOT_A_NAME = "'{}' is not a name: letters, digits and _ only, a letter first"
_KEYWORDS = ("'{}' is a word of Python's and cannot be a name", frozenset(keyword.kwlist))
_NO_VARIABLE = "it is not a name: letters, digits and _ only, a letter first, and no word of Python's"

LABEL = Form(_WORD, _NOT_A_NAME, (_KEYWORDS,))
"""Of blocks and paths, which the spec alone knows; blocks become classes of emitted code."""
NAME = Form(
    _WORD, _NOT_A_NAME,
    (_KEYWORDS, ("'{}' is an attribute of every torch module and cannot be a name", MODULE_ATTRIBUTES)),
)  # fmt: skip
"""Of wires, operators and outputs, which become submodules and keys of the state dict."""
VARIABLE = Form(
    _WORD, _NO_VARIABLE,
    (("the language uses the name itself", frozenset(SCOPE_NAMES) | FUNCTION_NAMES),
     (_NO_VARIABLE, frozenset(keyword.kwlist) | {"true", "false"})),
)  # fmt: skip
"""Of params, columns of stages and variables of loops, which expressions name."""
SPEC = Form(
    f"[A-Za-z0-9_][A-Za-z0-9_.-]{{0,{LONGEST - 1}}}",
    "letters, digits, _ - and . only, and neither - nor . first",
)  # fmt: skip
"""Of specs, which name files."""
PRINTED = Form(f"[^\\x00-\\x1f\\x7f-\\x9f:]{{1,{LONGEST}}}", "'{}' is not a line of text without a colon")
"""Of data sets, which are only printed."""
ADDRESS = Form(rf"{_WORD}(\.({_WORD}|[0-9]{{1,9}}))*", "'{}' is not an address: names and numbers joined by dots")
"""Of wires of the flat form: the addresses of operators, each of whose words is a `NAME`."""


def unusable(name: str) -> str | None:
    """Why `name` cannot name a wire, an operator or an output; None if it can."""
    return NAME.unusable(name)


def unusable_variable(name: str) -> str | None:
    """Why a param, a column or a loop's variable cannot be called `name`; None if it can."""
    return VARIABLE.unusable(name)


def unusable_address(address: str) -> str | None:
    """Why `address`, names and numbers joined by dots, cannot name a node; None if it can."""
    if len(address) > limits.MAX_ADDRESS:
        return f"'{address[:40]}...' is longer than the {limits.MAX_ADDRESS} characters of an address"
    if reason := ADDRESS.unusable(address):
        return reason
    words = address.split(".")
    if all(taken.isdisjoint(words) for _, taken in NAME.taken):
        return None
    return next((reason for word in words if not word.isdigit() and (reason := unusable(word))), None)
