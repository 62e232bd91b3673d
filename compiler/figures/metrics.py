"""Widths of text in Helvetica, so that boxes can be sized without a font file. All lengths are points."""

from __future__ import annotations

from functools import lru_cache

_UPRIGHT: dict[str, int] = {}
for _width, _characters in {
    191: "'",
    222: "ijl",
    260: "|",
    278: " !,./:;I[\\]ft",
    333: "()-`r",
    334: "{}",
    355: '"',
    389: "*",
    469: "^",
    500: "Jckszvxy",
    556: "#$0123456789?L_abdeghnopqu–†",
    584: "+<=>~×−",
    611: "FTZ",
    667: "&ABEKPSVXY",
    722: "CDHNRUw",
    778: "GOQ",
    833: "Mm",
    889: "%",
    944: "W",
    1000: "—…→",
    1015: "@",
}.items():
    _UPRIGHT.update(dict.fromkeys(_characters, _width))

_BOLD = 1.07  # Helvetica-Bold is wider by 7 % in the mean
_OTHER = 700  # characters that are not in the table


@lru_cache(maxsize=1 << 14)
def text_width(text: str, size: float) -> float:
    """Width of a line of text in points at a font size in points; a leading `*` makes the line bold."""
    bold = text.startswith("*")
    width = sum(_UPRIGHT.get(c, _OTHER) for c in text.removeprefix("*"))
    return width * (_BOLD if bold else 1) * size / 1000
