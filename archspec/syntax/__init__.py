"""Text with its places: YAML whose every value knows its line, expressions, and the problems found in them."""
