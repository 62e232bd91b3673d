"""What the structure of a graph says, in exact integers: paths, the main path, nesting of shortcuts, memory."""
