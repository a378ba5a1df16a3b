"""How a scene is lit and how the camera records it: time of day, weather, exposure, faults of the lens."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np

Colour = tuple[float, float, float]
"""Red, green, blue; 1 is a white surface in full daylight."""

MIN_SHADOW_LIGHT = 0.1
"""Light of the sun on level ground below which no shadows are drawn."""


@dataclass(frozen=True, kw_only=True)
class Appearance:
    """Light, weather and sensor. The defaults are a clear day."""

    sun_elevation_rad: float = 0.8
    """Below 0 at night."""
    sun_azimuth_rad: float = 2.3
    """Direction towards the sun, counter-clockwise from east."""
    sun_colour: Colour = (0.74, 0.70, 0.62)
    """Light on a surface that faces the sun."""
    ambient: Colour = (0.34, 0.37, 0.42)
    """Light of the sky on surfaces that face up."""
    zenith: Colour = (0.28, 0.46, 0.82)
    horizon: Colour = (0.74, 0.83, 0.93)
    cloud_cover: float = 0.35
    """0 clear to 1 overcast."""
    has_headlights: bool = False
    """Whether vehicles and street lamps are lit."""
    lit_windows: float = 0.0
    """Share of windows with light."""
    fog_per_m: float = 0.0008
    """Extinction: light of an object falls by exp(-fog_per_m distance_m)."""
    rain: float = 0.0
    """0 dry to 1 heavy: wet ground, streaks, drops on the lens."""
    exposure: float = 1.15
    """Factor of the light on the sensor."""
    noise_sd: float = 1.5
    """Deviation of each channel at middle brightness, of 255."""
    blur_px: float = 0.0
    """Deviation of the blur of the lens."""
    dirt: float = 0.0
    """0 clean to 1: opacity of the spots on the lens."""

    def __post_init__(self) -> None:
        for name in ("cloud_cover", "lit_windows", "rain", "dirt"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"Appearance.{name} must be between 0 and 1, got {getattr(self, name)}.")
        for name in ("fog_per_m", "noise_sd", "blur_px"):
            if not 0 <= getattr(self, name) < np.inf:
                raise ValueError(f"Appearance.{name} must be a number of at least 0, got {getattr(self, name)}.")
        if not 0 < self.exposure < np.inf:
            raise ValueError(f"Appearance.exposure must be a positive number, got {self.exposure}.")

    @property
    def casts_shadows(self) -> bool:
        """Whether the sun is bright and high enough for shadows; street lamps are drawn instead where not."""
        return max(self.sun_colour) * math.sin(self.sun_elevation_rad) > MIN_SHADOW_LIGHT


DAY = Appearance()
OVERCAST = Appearance(
    sun_colour=(0.12, 0.12, 0.12),
    ambient=(0.66, 0.68, 0.70),
    zenith=(0.62, 0.66, 0.71),
    horizon=(0.80, 0.82, 0.84),
    cloud_cover=0.95,
    fog_per_m=0.002,
)
DUSK = Appearance(
    sun_elevation_rad=0.07,
    sun_azimuth_rad=3.4,
    sun_colour=(0.62, 0.34, 0.16),
    ambient=(0.25, 0.23, 0.29),
    zenith=(0.20, 0.24, 0.46),
    horizon=(0.94, 0.56, 0.34),
    cloud_cover=0.45,
    has_headlights=True,
    lit_windows=0.25,
    fog_per_m=0.0015,
    noise_sd=2.5,
)
NIGHT = Appearance(
    sun_elevation_rad=-0.4,
    sun_colour=(0.0, 0.0, 0.0),
    ambient=(0.075, 0.080, 0.105),
    zenith=(0.020, 0.026, 0.050),
    horizon=(0.085, 0.080, 0.090),
    cloud_cover=0.3,
    has_headlights=True,
    lit_windows=0.35,
    fog_per_m=0.001,
    exposure=1.6,
    noise_sd=3.5,
)
FOG = replace(OVERCAST, fog_per_m=0.022, has_headlights=True, horizon=(0.72, 0.74, 0.76), zenith=(0.68, 0.70, 0.73))
RAIN = replace(
    OVERCAST,
    ambient=(0.46, 0.48, 0.52),
    sun_colour=(0.04, 0.04, 0.04),
    zenith=(0.40, 0.43, 0.48),
    horizon=(0.60, 0.63, 0.67),
    cloud_cover=1.0,
    has_headlights=True,
    lit_windows=0.15,
    fog_per_m=0.006,
    rain=0.7,
    noise_sd=2.5,
)
APPEARANCES = {"day": DAY, "overcast": OVERCAST, "dusk": DUSK, "night": NIGHT, "fog": FOG, "rain": RAIN}
APPEARANCE_KEY = "appearance"
"""Key of a scenario's metadata that holds the appearance of its images, as JSON."""
_WEIGHTS = {"day": 0.38, "overcast": 0.18, "dusk": 0.12, "night": 0.14, "fog": 0.06, "rain": 0.12}


def appearance_to_json(appearance: Appearance) -> str:
    """The appearance as JSON, for the metadata of a scenario."""
    return json.dumps(asdict(appearance))


def appearance_in(metadata: Mapping[str, str]) -> Appearance | None:
    """The appearance that the metadata of a scenario name; None where they name none.

    Raises:
        ValueError: When the entry is no appearance.
    """
    text = metadata.get(APPEARANCE_KEY)
    if text is None:
        return None
    try:
        return appearance_from(json.loads(text))
    except (TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(f"The metadata entry {APPEARANCE_KEY!r} is no appearance: {text!r}.") from error


def appearance_from(content: Mapping[str, object]) -> Appearance:
    """The appearance of a mapping that JSON gave: its colours are lists."""
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in content.items()}
    return Appearance(**values)  # type: ignore[arg-type]


def appearance_of(seed: int) -> Appearance:
    """A random variation of a random named appearance."""
    rng = np.random.default_rng([seed, 0xA99])
    name = str(rng.choice(list(_WEIGHTS), p=list(_WEIGHTS.values())))
    base = APPEARANCES[name]
    elevation_rad = base.sun_elevation_rad
    if name in ("day", "overcast"):
        elevation_rad = float(rng.uniform(0.35, 1.2))
    elif name == "dusk":
        elevation_rad = float(rng.uniform(0.03, 0.2))
    light = float(rng.uniform(0.8, 1.15))
    tint = rng.uniform(0.95, 1.05, size=3)
    return replace(
        base,
        sun_elevation_rad=elevation_rad,
        sun_azimuth_rad=float(rng.uniform(-np.pi, np.pi)),
        sun_colour=_scaled(base.sun_colour, light * tint),
        ambient=_scaled(base.ambient, light * tint),
        zenith=_scaled(base.zenith, tint),
        horizon=_scaled(base.horizon, tint),
        cloud_cover=float(np.clip(base.cloud_cover + rng.uniform(-0.3, 0.3), 0.0, 1.0)),
        lit_windows=base.lit_windows * float(rng.uniform(0.5, 1.5)),
        fog_per_m=base.fog_per_m * float(np.exp(rng.uniform(-0.7, 0.7))),
        rain=float(np.clip(base.rain * rng.uniform(0.4, 1.4), 0.0, 1.0)),
        exposure=base.exposure * float(np.exp(rng.uniform(-0.25, 0.25))),
        noise_sd=base.noise_sd * float(rng.uniform(0.5, 2.0)),
        blur_px=float(rng.uniform(0.4, 0.9)) if rng.random() < 0.2 else 0.0,
        dirt=float(rng.uniform(0.2, 0.8)) if rng.random() < 0.15 else 0.0,
    )


def _scaled(colour: Colour, factors: np.ndarray) -> Colour:
    red, green, blue = (np.array(colour) * factors).tolist()
    return red, green, blue
