"""Colours of a figure by role: light, dark, and paper (grey-scale). Shortcuts use the Okabe-Ito palette."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

FONT = "Helvetica,Arial,Liberation Sans,Nimbus Sans,sans-serif"


@dataclass(frozen=True)
class Theme:
    """Colours by role; `dashes` gives lines of a role another style, where colour alone must not tell."""

    name: str
    colours: Mapping[str, str]
    dashes: Mapping[str, str]

    def colour(self, role: str) -> str:
        """The value of a role."""
        return self.colours[role]


LIGHT = Theme("light", {
    "background": "#ffffff", "ink": "#1a1a1a", "muted": "#5f6670", "outline": "#3c4148", "main": "#3c4148",
    "track": "#c9cdd3", "panel": "#f6f7f9", "panel_line": "#c4c9d0", "frame": "#ffffff", "frame_line": "#d9dde2",
    "level1": "#D55E00", "level2": "#0072B2", "level3": "#7A5BB5", "own": "#009E73", "skip": "#B8860B",
    "projection": "#CC79A7",
    "conv": "#D6E6F4", "norm": "#F3EBC8", "activation": "#F9DCCF", "pool": "#D5EBDF", "io": "#ECEEF1",
    "other": "#E8E3F1", "sum": "#ffffff", "block": "#E3EAF2",
    "kind1": "#E3EAF2", "kind2": "#F7E1C4", "kind3": "#D9EEE4", "kind4": "#EFDDEA", "kind5": "#EDE9CF",
    "start": "#F7E1C4", "middle": "#DCE8F3", "end": "#D9EEE4", "none": "transparent",
}, {})  # fmt: skip

DARK = Theme("dark", {
    "background": "#0f1419", "ink": "#e8eaed", "muted": "#a0a8b3", "outline": "#9aa3af", "main": "#c9ced6",
    "track": "#4a525d", "panel": "#171d24", "panel_line": "#3a434f", "frame": "#12181e", "frame_line": "#2c343e",
    "level1": "#FF8F4A", "level2": "#56B4E9", "level3": "#B9A0F0", "own": "#2FD1A0", "skip": "#E6B93C",
    "projection": "#E59CC6",
    "conv": "#24435F", "norm": "#4D4420", "activation": "#5A3325", "pool": "#21493A", "io": "#2A313A",
    "other": "#3C3352", "sum": "#0f1419", "block": "#26384C",
    "kind1": "#26384C", "kind2": "#5A4322", "kind3": "#1F4A3A", "kind4": "#4C2F45", "kind5": "#47421F",
    "start": "#5A4322", "middle": "#26405A", "end": "#1F4A3A", "none": "transparent",
}, {})  # fmt: skip

PAPER = Theme("paper", {
    "background": "#ffffff", "ink": "#000000", "muted": "#404040", "outline": "#000000", "main": "#000000",
    "track": "#c4c4c4", "panel": "#ffffff", "panel_line": "#8c8c8c", "frame": "#ffffff", "frame_line": "#b0b0b0",
    "level1": "#000000", "level2": "#4d4d4d", "level3": "#6b6b6b", "own": "#808080", "skip": "#5a5a5a",
    "projection": "#000000",
    "conv": "#d4d4d4", "norm": "#f4f4f4", "activation": "#ffffff", "pool": "#b8b8b8", "io": "#ececec",
    "other": "#e2e2e2", "sum": "#ffffff", "block": "#e4e4e4",
    "kind1": "#e4e4e4", "kind2": "#c9c9c9", "kind3": "#f7f7f7", "kind4": "#d8d8d8", "kind5": "#eeeeee",
    "start": "#c9c9c9", "middle": "#e9e9e9", "end": "#ffffff", "none": "transparent",
}, {"level2": "dashed", "level3": "dotted", "skip": "dashed"})  # fmt: skip

THEMES: Mapping[str, Theme] = {theme.name: theme for theme in (LIGHT, DARK, PAPER)}
