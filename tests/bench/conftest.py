from bench_specs import folder

__all__ = ["folder"]
