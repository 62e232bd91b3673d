"""The architectures of the five papers as plain torch modules, written from the papers' descriptions.

They share no code with the compiler and know nothing of specs: what a spec means is proven against them.
"""
