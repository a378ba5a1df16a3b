"""Variations of the agent that a scenario is about: a little earlier or later, faster or slower.

They surround a failure that was found, in corner cases and in ordinary scenarios alike. Whether the logged ego still
is a way out is for the caller to prove.
"""

import numpy as np

from driving.checks import scenario_findings
from driving.scenario import Scenario
from simulation.generation.adversarial.changes import AgentChange, changed_motion, changed_scenario, is_changeable
from simulation.generation.adversarial.courses import agent_course
from simulation.generation.adversarial.limits import excess

MAX_SHIFT_S = 0.6
"""Largest change of the agent's times."""
MAX_SCALE = 0.08
"""Largest change of its speed, as a share."""


def varied_agent(scenario: Scenario, track_id: str, rng: np.random.Generator) -> Scenario | None:
    """The scenario with other times and another speed of an agent; None where that is not possible.

    Args:
        scenario: With the agent.
        track_id: Of the agent.
        rng: Draws the change.
    """
    row = scenario.agents.track_ids.index(track_id)
    course = agent_course(scenario, row) if is_changeable(scenario.agents.kinds[row]) else None
    if course is None:
        return None
    change = AgentChange(
        manoeuvre="timing",
        track_id=track_id,
        time_shift_s=float(rng.uniform(-MAX_SHIFT_S, MAX_SHIFT_S)),
        speed_scale=float(rng.uniform(1.0 - MAX_SCALE, 1.0 + MAX_SCALE)),
    )
    motion = changed_motion(course, change, scenario.frames)
    if excess(motion.poses, motion.valid, course.kind) > 1.0:
        return None
    varied = changed_scenario(scenario, course, motion, track_id)
    return None if any(finding.is_error for finding in scenario_findings(varied)) else varied
