import itertools

import pytest

from simulation.generation.text.appearance import appearance_for, time_of_day_in, weather_in
from simulation.generation.text.condition import AppearanceCondition
from simulation.generation.text.vocabulary import TimeOfDay, Weather
from simulation.rendering.appearance import DAY, NIGHT


@pytest.mark.parametrize(("time_of_day", "weather"), list(itertools.product(TimeOfDay, Weather)))
def test_each_time_of_day_can_have_each_weather(time_of_day, weather):
    looks = appearance_for(AppearanceCondition(time_of_day=time_of_day, weather=weather))
    assert time_of_day_in(looks) == time_of_day
    assert weather_in(looks) == weather


def test_an_open_condition_is_a_clear_day():
    assert appearance_for(AppearanceCondition()) == DAY
    assert appearance_for(AppearanceCondition(time_of_day=TimeOfDay.NIGHT)) == NIGHT


def test_a_wet_night_keeps_the_light_of_the_night():
    looks = appearance_for(AppearanceCondition(time_of_day=TimeOfDay.NIGHT, weather=Weather.WET))
    assert looks.ambient == NIGHT.ambient
    assert looks.rain > 0.0
