from emulated import graphs

__all__ = ["graphs"]
