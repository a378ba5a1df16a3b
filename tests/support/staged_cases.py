"""Corner cases staged on hand-made maps, and where their agents are relative to the nominal ego."""

from collections.abc import Callable

import numpy as np
import pytest

from simulation.generation.corner_cases.corner_maps import corner_map
from simulation.generation.corner_cases.sites import NoSiteError, SiteSearch
from simulation.generation.corner_cases.staging import StagedCase


def staged(stage: Callable[[SiteSearch], StagedCase], seed: int) -> StagedCase:
    """The first draw of a kind that has a site."""
    for attempt in range(20):
        rng = np.random.default_rng([seed, attempt])
        try:
            return stage(SiteSearch(map=corner_map(seed % 2), rng=rng, speed_mps=10.0))
        except NoSiteError:
            continue
    pytest.fail(f"no site for {stage.__name__}")


def lefts_m(case: StagedCase, time_s: float) -> tuple[list[float], list[float]]:
    """Offset of each agent from the ego's path at a time, and its distance ahead of the ego's front."""
    places = [case.ego.chain.project(agent.poses(np.array([time_s]))[0, :2]) for agent in case.agents]
    return [left for _, left in places], [along - case.ego.front_m(time_s) for along, _ in places]
