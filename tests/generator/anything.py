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
    if len(drawn.outputs) > 1 or rng.randrange(4) < 3:
        return drawn
    alone = not drawn.levels and not drawn.adds and not drawn.concats and "rule:" not in drawn.text
    if last > 1 and alone:  # nothing leads from what is left to what is cut off
        last -= 1
    kept = [line for line in drawn.text.splitlines() if not line.startswith("head:")]
    text = "\n".join([*kept, f"until: stage{last}"]) + "\n"
    return replace(drawn, text=text, features=drawn.features | {"until"}, repeat=drawn.repeat[:last])
