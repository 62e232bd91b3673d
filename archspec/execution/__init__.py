"""Ways to run a built network: what a training step costs, and what can be traded for it."""
