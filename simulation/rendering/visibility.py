"""Which agents the cameras show, by the instance ids of rendered images."""

import numpy as np
from jaxtyping import Bool, Int8, Int32

from driving.agents import AgentKind

MIN_PIXELS = {AgentKind.VEHICLE: 12, AgentKind.PEDESTRIAN: 6, AgentKind.BICYCLE: 8}
"""An agent is visible when one camera shows so many of its pixels, in images of 128 x 352."""
MIN_PIXELS_STATIC = 5


def visible_agents(
    instances: tuple[Int32[np.ndarray, "..."], ...], kinds: Int8[np.ndarray, "agents"]
) -> Bool[np.ndarray, "agents"]:
    """Whether some image shows enough pixels of each agent.

    Args:
        instances: Instance ids of each image (`RenderedImages.instances`).
        kinds: Of the agents in the snapshot.
    """
    most = np.zeros(len(kinds), dtype=np.int64)
    for image in instances:
        found = image[image >= 0]
        most = np.maximum(most, np.bincount(found, minlength=len(kinds))[: len(kinds)])
    needed = np.array([MIN_PIXELS.get(AgentKind(int(kind)), MIN_PIXELS_STATIC) for kind in kinds], dtype=np.int64)
    return most >= needed
