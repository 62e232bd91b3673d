"""Which shortcuts does a plain network of 56 layers need? A search under a budget, with the probe as score.

Random draws, then mutations of the best. The score is by how many orders of magnitude the gradients of blocks differ at
initialisation: small is good, and without shortcuts it is hopeless.
"""

import archspec
from archspec.research import Space
from archspec.topologies import rule

space = Space(
    "cifar_plain56",
    axes={"density": [0.02, 0.05, 0.1], "seed": {"from": 0, "to": 9999}},
    where=["params <= 1M", "shortest_path <= 20"],
    change={
        "params": {"density": 0.01, "seed": 0},
        "skips": [rule("random", probability="density", seed="seed", path="B")],
    },
    name="search",
)


def score(spec: archspec.Spec) -> float:
    """Orders of magnitude that the gradient spans."""
    return archspec.probe(spec, batch=2, size=(16, 16)).gradient_span


print(f"without skips           {score(archspec.load('cifar_plain56')):.2f} orders of magnitude")
best_score, best = min(((score(spec), spec) for spec in space.sample(4, seed=1)), key=lambda pair: pair[0])
print(f"best of 4 draws         {best_score:.2f}")
for seed in range(4):
    mutant = space.mutate(best, seed)
    found = score(mutant)
    if found < best_score:
        best_score, best = found, mutant
print(f"after 4 mutations       {best_score:.2f}\n")
print(best.to_yaml())
