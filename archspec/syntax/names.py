"""Which words may name things, since names become module paths, state-dict keys and Python identifiers."""

from __future__ import annotations

import keyword
import re

IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*\Z")

_IN_STAGES = "stages, their columns, blocks and paths know it"
_IN_BLOCKS = "blocks and the paths they use know it"
_IN_SHORTCUTS = "shortcuts, levels, skips, and blocks in graph form with a field `out` know it"

# What a block or path is told by the compiler, and where; params and columns may not take these names.
SCOPE_NAMES = {
    "stage": _IN_STAGES, "stages": _IN_STAGES, "count": _IN_BLOCKS, "index": _IN_BLOCKS, "first": _IN_BLOCKS,
    "last": _IN_BLOCKS, "stride": _IN_BLOCKS, "downsampled": _IN_BLOCKS, "channels": "paths know it",
    "out": _IN_SHORTCUTS, "changed": _IN_SHORTCUTS,
}  # fmt: skip

FUNCTION_NAMES = frozenset({"min", "max", "sum", "len", "round"})

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


def unusable(name: str) -> str | None:
    """Why `name` cannot name a wire, an operator or an output; None if it can."""
    if not IDENTIFIER.match(name):
        return f"'{name[:60]}' is not a name: letters, digits and _ only, a letter first"
    if keyword.iskeyword(name):
        return f"'{name}' is a word of Python's and cannot be a name"
    if name in MODULE_ATTRIBUTES:
        return f"'{name}' is an attribute of every torch module and cannot be a name"
    return None


def unusable_variable(name: str) -> str | None:
    """Why a param, a column or a loop's variable cannot be called `name`; None if it can."""
    if name in SCOPE_NAMES or name in FUNCTION_NAMES:
        return "the language uses the name itself"
    if name in ("true", "false") or keyword.iskeyword(name) or not IDENTIFIER.match(name):
        return "it is not a name: letters, digits and _ only, a letter first, and no word of Python's"
    return None


def unusable_address(address: str) -> str | None:
    """Why `address`, names and numbers joined by dots, cannot name a node; None if it can."""
    if not ADDRESS.match(address):
        return f"'{address[:60]}' is not an address: names and numbers joined by dots"
    return next((reason for part in address.split(".") if not part.isdigit() and (reason := unusable(part))), None)
