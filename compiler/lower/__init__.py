"""From a graph to a network: an executable torch.fx.GraphModule."""

from archspec.compiler.lower.network import Architecture, Granularity, Network, blocks, emit_unit, lower

__all__ = ["Architecture", "Granularity", "Network", "blocks", "emit_unit", "lower"]
