"""What the five papers vary in the networks of `reference`, as plain torch modules, written from their descriptions.

They share no code with the compiler and know nothing of specs: what a spec means is proven against them.
"""
