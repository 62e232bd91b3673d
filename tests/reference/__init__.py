"""Networks written by hand from the papers, as one would without archspec: what it is held against."""
