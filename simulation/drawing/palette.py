"""Colours of all pictures: birds-eye drawings, videos, thumbnails, the viewer's page and the plots of the report.

Kinds of agents, drives and series use the colours of Okabe and Ito, which remain distinct under colour-vision
deficiency; kinds also differ by shape, lights by line style. Colours are `#rrggbb` or `#rrggbbaa`.

The page reads `simulation/viewer/web/src/palette.json`. After a change of this module, write it again:

    python -m simulation.drawing.palette > simulation/viewer/web/src/palette.json
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from driving.agents import AgentKind, LightStatus

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE = (
    "#000000",
    "#e69f00",
    "#56b4e9",
    "#009e73",
    "#f0e442",
    "#0072b2",
    "#d55e00",
    "#cc79a7",
)
RARITY_STOPS = (0.0, 0.5, 0.9, 0.99, 1.0)
"""Rarities of the colours of a palette: the scale is wide where agents are rare."""
SERIES = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, YELLOW, "#7f7f7f")
"""Colours of the series in a plot, in order."""


@dataclass(frozen=True, kw_only=True)
class Palette:
    """Colours of a scene on a light or dark ground."""

    ground: str
    road: str
    junction: str
    carpark: str
    walkway: str
    crosswalk: str
    crosswalk_line: str
    stop_line: str
    boundary: str
    lane: str
    route: str
    route_line: str
    goal: str
    logged_ego: str
    text: str
    text_plate: str
    """Background of labels on the scene."""
    edge: str
    """Outline of boxes."""
    arrow: str
    selected: str
    measure: str
    glass: str
    """Windscreens in the three-dimensional view."""
    axis: str
    grid: str
    bound: str
    """Axis labels, grid lines and metric bounds of charts; the last also marks missed agents and false boxes."""
    perceived: str
    """Outline of perceived boxes."""
    perceived_road: str
    perceived_line: str
    perceived_crosswalk: str
    """Cells of a perceived road; their opacity grows with the probability."""
    kinds: Mapping[AgentKind, str]
    lights: Mapping[LightStatus, str]
    drives: tuple[str, ...]
    """Egos of up to four overlaid drives."""
    scores: tuple[str, ...]
    """From the lowest to the highest score; lightness is monotonic, so the scale is readable without colour."""
    rarity: tuple[str, ...]
    """Agents of the rarities `RARITY_STOPS`; lightness is monotonic, too."""
    ghost: str
    """A changed agent without its change."""
    way_out: str
    """A drive of the ego without the failure."""
    sample: str
    """Agents of further samples of traffic, drawn faintly."""


def _kinds(*colors: str) -> dict[AgentKind, str]:
    """Colours of vehicle, pedestrian, bicycle, the three kinds of work zones, generic object and ego."""
    vehicle, pedestrian, bicycle, work_zone, other, ego = colors
    return dict(zip(AgentKind, (vehicle, pedestrian, bicycle, *[work_zone] * 3, other, ego), strict=True))


LIGHT = Palette(
    ground="#eef0f3",
    road="#d9dde3",
    junction="#d1d6dd",
    carpark="#dfe1dc",
    walkway="#e8e3d6",
    crosswalk="#f6f6f4",
    crosswalk_line="#b9bec6",
    stop_line="#8d6e63",
    boundary="#a3abb6",
    lane="#bcc3cd",
    route="#009e7329",
    route_line="#00805e8c",
    goal="#00805e",
    logged_ego="#4b5563",
    text="#1f2733",
    text_plate="#ffffffd9",
    edge="#ffffff",
    arrow="#27313f",
    selected="#111827",
    measure="#7c3aed",
    glass="#1b2733",
    axis="#5b6675",
    grid="#e3e6ea",
    bound="#c81e1e",
    perceived="#111827",
    perceived_road="#785ef0",
    perceived_line="#3b1fb0",
    perceived_crosswalk="#c026d3",
    kinds=_kinds(BLUE, PURPLE, SKY, ORANGE, "#6b7280", VERMILION),
    lights=dict(zip(LightStatus, ("#00936b", "#d9a400", "#d81b1b", "#8b95a3"), strict=True)),
    drives=(VERMILION, GREEN, "#785ef0", "#8a6d00"),
    scores=("#e3c84c", "#b5a65d", "#7d7c78", "#4a5a6d", "#0d2f6b"),
    rarity=("#aeb4bc", "#9d9ab6", "#a064c8", "#b0188c", "#6e0046"),
    ghost="#3f3f46",
    way_out="#0a7d34",
    sample="#1e3a8a",
)
DARK = Palette(
    ground="#14181e",
    road="#262c35",
    junction="#2b323c",
    carpark="#23282a",
    walkway="#2a2823",
    crosswalk="#3a424d",
    crosswalk_line="#566070",
    stop_line="#a58a7f",
    boundary="#566070",
    lane="#414a57",
    route="#00be8c29",
    route_line="#3cd2a58c",
    goal="#3cd2a5",
    logged_ego="#a7b0bd",
    text="#e6eaf0",
    text_plate="#10141ad9",
    edge="#14181e",
    arrow="#cbd3de",
    selected="#ffffff",
    measure="#b794f6",
    glass="#1b2733",
    axis="#a7b0bd",
    grid="#2b323c",
    bound="#ff6b60",
    perceived="#ffffff",
    perceived_road="#a493ff",
    perceived_line="#d9d0ff",
    perceived_crosswalk="#f0abfc",
    kinds=_kinds("#3ba0e0", "#e29bc3", "#86d0f7", "#f2b632", "#9aa3b0", "#ff8a3d"),
    lights=dict(zip(LightStatus, ("#27c498", "#f0c93a", "#ff5a4f", "#7d8796"), strict=True)),
    drives=("#ff8a3d", "#22c796", "#a493ff", "#d6b52c"),
    scores=("#35508c", "#5d6a80", "#8d8878", "#c4ac60", "#ffe45c"),
    rarity=("#565c66", "#75739a", "#a87ad8", "#ec7ccc", "#ffc4ec"),
    ghost="#d4d4d8",
    way_out="#4ade80",
    sample="#93c5fd",
)


def blended(over: str, under: str) -> str:
    """The opaque colour that a translucent colour makes on an opaque one."""
    alpha = int(over[7:9] or "ff", 16) / 255
    pairs = [(int(over[i : i + 2], 16), int(under[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(above * alpha + below * (1 - alpha)):02x}" for above, below in pairs)


def page_palettes() -> dict[str, Any]:
    """Both palettes as JSON; kinds by their lower-case names, lights in the order of `LightStatus`."""
    return {
        name: {
            **vars(palette),
            "kinds": {kind.name.lower(): color for kind, color in palette.kinds.items()},
            "lights": [palette.lights[status] for status in LightStatus],
            "drives": list(palette.drives),
            "scores": list(palette.scores),
            "rarity": list(palette.rarity),
        }
        for name, palette in (("light", LIGHT), ("dark", DARK))
    } | {"rarity_stops": list(RARITY_STOPS)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(page_palettes(), indent=2) + "\n")
