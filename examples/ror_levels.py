"""RoR with one to five shortcut levels, compared before training: what each level costs, and what it shortens."""

import archspec

base = archspec.load("ror3_110")
print(
    f"{'levels':>6} {'parameters':>11} {'MACs':>12} {'shortest path':>14} {'mean path':>10} {'carried over a cut':>19}"
)
for m in range(1, 6):
    spec = base.with_levels(m=m).with_name(f"ror{m}_110")
    graph = archspec.expand(spec)
    analysis = archspec.analyze(graph)
    assert analysis.levels == m
    widest = max(cut.tensors for cut in analysis.cuts)
    print(
        f"{m:>6} {graph.params:>11,} {graph.macs:>12,} {analysis.layers.shortest:>14} {analysis.layers.mean:>10.1f} "
        f"{widest:>11} tensors"
    )
print("\nthe last one as YAML:\n" + spec.to_yaml())
