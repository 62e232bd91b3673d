"""The weights of built networks, and what they become elsewhere: folded into a simpler network for inference."""
