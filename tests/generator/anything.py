"""Random specs of the whole language."""

from __future__ import annotations

import random
from dataclasses import replace

from generator.drawn import Drawn
from generator.flat import flat
from generator.stages import staged


def anything(rng: random.Random) -> Drawn:
    """A random spec with stages, cut off or not, or in the flat form."""
    if rng.randrange(3) == 2:
        return flat(rng)
    drawn = staged(rng, whole=True)
    last = len(drawn.repeat)
    cuttable = last > 1 and not drawn.levels and not drawn.adds and not drawn.concats and len(drawn.outputs) == 1
    if cuttable and "rule:" not in drawn.text and rng.randrange(2):
        kept = [line for line in drawn.text.splitlines() if not line.startswith(("head:", "outputs:"))]
        text = "\n".join([*kept, f"until: stage{last - 1}"]) + "\n"
        return replace(drawn, text=text, features=drawn.features | {"until"}, repeat=drawn.repeat[:-1])
    return drawn
