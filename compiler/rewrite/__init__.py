"""From a graph to a graph: the same function with fewer operators, or without what a step drops."""
