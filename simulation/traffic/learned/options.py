"""Options of learned traffic, written as text behind the name of the traffic.

    learned
    learned:aggressiveness=0.5,temperature=0.8
    learned:checkpoint=checkpoints/my_traffic
    mixed:vehicle=idm,pedestrian=log
    mixed:vehicle=log,track.0a1b2c3d=learned

A simulation log stores the text and the seed: together they are all that a replay needs.
"""

from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int8

from driving.agents import AgentKind
from driving.names import unknown_name
from driving.scenario import Scenario
from simulation.traffic.learned.checkpoint import SHIPPED


class Policy(IntEnum):
    """What moves an agent."""

    LOG = 0
    """The log, whatever happens."""
    IDM = 1
    """The intelligent driver model along the agent's path; vehicles only."""
    LEARNED = 2


POLICIES = {policy.name.lower(): policy for policy in Policy}
KINDS = {"vehicle": AgentKind.VEHICLE, "bicycle": AgentKind.BICYCLE, "pedestrian": AgentKind.PEDESTRIAN}
TRACK = "track."
MAX_TEMPERATURE, MAX_AGGRESSIVENESS = 5.0, 3.0


@dataclass(frozen=True, kw_only=True)
class LearnedOptions:
    """Policies of the agents and style of the learned ones."""

    temperature: float = 1.0
    """Of the network's distribution: below 1, agents choose likely actions more often."""
    aggressiveness: float = 0.0
    """0 drives as in the training data; see `decisions.Style`."""
    checkpoint: Path = SHIPPED
    """Folder of the weights."""
    vehicle: Policy = Policy.LEARNED
    bicycle: Policy = Policy.LEARNED
    pedestrian: Policy = Policy.LEARNED
    about: Policy | None = None
    """Of the agent that the scenario's tag is about; None treats it as the others of its kind."""
    tracks: tuple[tuple[str, Policy], ...] = ()
    """Of single agents, by track id."""

    def __post_init__(self) -> None:
        if not 0.0 < self.temperature <= MAX_TEMPERATURE:
            raise ValueError(
                f"temperature must be above 0 and at most {MAX_TEMPERATURE:g}, got {self.temperature:g}."
            )
        if not abs(self.aggressiveness) <= MAX_AGGRESSIVENESS:
            raise ValueError(
                f"aggressiveness must be from -{MAX_AGGRESSIVENESS:g} to {MAX_AGGRESSIVENESS:g},"
                f" got {self.aggressiveness:g}."
            )
        if Policy.IDM in (self.bicycle, self.pedestrian):
            raise ValueError("The policy idm is for vehicles; bicycles and pedestrians take learned or log.")

    def policies(self, scenario: Scenario) -> Int8[np.ndarray, "agents"]:
        """The policy of each agent; static objects follow the log.

        Raises:
            ValueError: When a track is not in the scenario, or `idm` is set for an agent that is no vehicle.
        """
        agents = scenario.agents
        found = np.full(agents.num_agents, Policy.LOG, dtype=np.int8)
        for name, kind in KINDS.items():
            found[agents.kinds == kind] = getattr(self, name)
        own = dict(self.tracks)
        if self.about is not None and scenario.about_track is not None:
            own = {scenario.about_track: self.about, **own}
        for track, policy in own.items():
            if track not in agents.track_ids:
                raise ValueError(unknown_name(f"track in scenario {scenario.scenario_id}", track, agents.track_ids))
            row = agents.track_ids.index(track)
            kind = AgentKind(int(agents.kinds[row]))
            if policy == Policy.IDM and kind != AgentKind.VEHICLE:
                raise ValueError(f"Track {track} is a {kind.name.lower()}; the policy idm is for vehicles.")
            found[row] = Policy.LOG if kind.is_static else policy
        return found


def learned_options(text: str) -> LearnedOptions:
    """Options of the traffic `learned` from `name=value,name=value`.

    Raises:
        ValueError: For an unknown option or a wrong value.
    """
    return _parsed(text, LearnedOptions(), policies=False)


def mixed_options(text: str) -> LearnedOptions:
    """Options of the traffic `mixed`; by default the tag's agent and pedestrians follow the log.

    Raises:
        ValueError: For an unknown option or a wrong value.
    """
    return _parsed(text, LearnedOptions(pedestrian=Policy.LOG, about=Policy.LOG), policies=True)


def _parsed(text: str, options: LearnedOptions, *, policies: bool) -> LearnedOptions:
    for part in filter(None, text.split(",")):
        name, sign, value = part.partition("=")
        if not sign or not value:
            raise ValueError(f"Options of traffic have the form name=value, got {part!r}.")
        if name in ("temperature", "aggressiveness"):
            options = replace(options, **_change(name, _number(name, value)))
        elif name == "checkpoint":
            options = replace(options, checkpoint=Path(value))
        elif policies and name in (*KINDS, "about"):
            options = replace(options, **_change(name, _policy(name, value)))
        elif policies and name.startswith(TRACK):
            options = replace(options, tracks=(*options.tracks, (name[len(TRACK) :], _policy(name, value))))
        else:
            known = ["temperature", "aggressiveness", "checkpoint"]
            known += [*KINDS, "about", f"{TRACK}ID"] if policies else []
            raise ValueError(unknown_name("option of this traffic named", name, known))
    return options


def _change(name: str, value: Any) -> dict[str, Any]:
    return {name: value}


def _number(name: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"{name} must be a number, got {value!r}.") from None


def _policy(name: str, value: str) -> Policy:
    if value not in POLICIES:
        raise ValueError(f"{name}: {unknown_name('policy named', value, POLICIES)}")
    return POLICIES[value]
