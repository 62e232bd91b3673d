"""What is wrong with weights from elsewhere."""


class WeightsError(ValueError):
    """Weights that cannot be loaded: what is wrong, and with which tensors of either side. Nothing was changed."""
