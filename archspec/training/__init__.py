"""Training a built network: the step, eager, compiled or captured."""
