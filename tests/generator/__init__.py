"""Random valid specs of the whole language, small enough to run in milliseconds.

`staged` gives one with stages, of which it says what its graph must show; `flat` one in the flat form; `anything`
either, with all the language has. Each takes a `random.Random`, so that a seed gives a spec again;
`tests/strategies.py` makes strategies of Hypothesis out of them, which shrink.
"""

from generator.anything import anything
from generator.drawn import Drawn
from generator.flat import flat
from generator.stages import staged

__all__ = ["Drawn", "anything", "flat", "staged"]
