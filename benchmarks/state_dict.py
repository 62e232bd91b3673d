"""Loading a state dict into a network of 3002 layers: the built one, by block and by operator, and the hand-written.

Each loads its own state dict, with memory, strictly.
"""

from __future__ import annotations

import time

from measure import interleaved, ratio, report, show, timed


def main() -> None:
    options = timed(__doc__).parse_args()

    from reference.iresnet import CifarIResNet

    import archspec

    spec = archspec.load("cifar_iresnet3002")
    networks = {
        "archspec, by block": archspec.build(spec),
        "archspec, by operator": archspec.build(spec, granularity="op"),
        "hand-written": CifarIResNet([333, 334, 333]),
    }
    states = {name: network.state_dict() for name, network in networks.items()}
    assert len({len(state) for state in states.values()}) == 1
    works = {name: lambda name=name: networks[name].load_state_dict(states[name]) for name in networks}
    times = interleaved(options.rounds, works, time.process_time if options.cpu_time else time.perf_counter)
    rows, figures = [], {"tensors": len(states["hand-written"])}
    for name, seconds in times.items():
        quotient = ratio(seconds, times["hand-written"])
        figures[name] = round(quotient, 3)
        rows.append({"load_state_dict": name, "time": show(seconds), "to hand-written": f"{quotient:.2f}"})
    report(f"cifar_iresnet3002, {figures['tensors']} tensors", rows, figures, options.json)


if __name__ == "__main__":
    main()
