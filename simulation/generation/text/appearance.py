"""The appearance of camera images for a time of day and a weather."""

from dataclasses import replace

import numpy as np

from simulation.generation.text.condition import AppearanceCondition
from simulation.generation.text.vocabulary import TimeOfDay, Weather
from simulation.rendering.appearance import APPEARANCES, DAY, FOG, OVERCAST, RAIN, Appearance

WET_RAIN, FOGGY_PER_M = 0.3, 0.012
"""Rain of a wet road, and extinction from which an appearance counts as fog."""
DUSK_RAD = 0.2
"""Largest elevation of the sun at dusk."""
OVERCAST_SHARE = 0.8


def appearance_for(condition: AppearanceCondition) -> Appearance:
    """Light of the time of day, with the weather on top; a part that is left open is a clear day."""
    light = APPEARANCES[str(condition.time_of_day or TimeOfDay.DAY)]
    weather = condition.weather or Weather.CLEAR
    if weather == Weather.CLEAR:
        return light
    if weather == Weather.WET:
        return replace(light, rain=WET_RAIN)
    if light is DAY:
        return {Weather.OVERCAST: OVERCAST, Weather.RAIN: RAIN, Weather.FOG: FOG}[weather]
    cloudy = replace(light, cloud_cover=OVERCAST.cloud_cover, sun_colour=_dimmed(light.sun_colour))
    if weather == Weather.RAIN:
        return replace(cloudy, rain=RAIN.rain, fog_per_m=RAIN.fog_per_m, has_headlights=True)
    if weather == Weather.FOG:
        return replace(cloudy, fog_per_m=FOG.fog_per_m, has_headlights=True)
    return cloudy


def _dimmed(colour: tuple[float, float, float]) -> tuple[float, float, float]:
    red, green, blue = (0.2 * np.array(colour)).tolist()
    return red, green, blue


def time_of_day_in(appearance: Appearance) -> TimeOfDay:
    """The time of day that an appearance shows, by the elevation of the sun."""
    if appearance.sun_elevation_rad < 0.0:
        return TimeOfDay.NIGHT
    return TimeOfDay.DUSK if appearance.sun_elevation_rad <= DUSK_RAD else TimeOfDay.DAY


def weather_in(appearance: Appearance) -> Weather:
    """The weather that an appearance shows, by rain, extinction and clouds."""
    if appearance.rain > WET_RAIN:
        return Weather.RAIN
    if appearance.rain > 0.0:
        return Weather.WET
    if appearance.fog_per_m >= FOGGY_PER_M:
        return Weather.FOG
    return Weather.OVERCAST if appearance.cloud_cover >= OVERCAST_SHARE else Weather.CLEAR
