"""Cheap test of a change before any planner drives: is it possible, does it need a reaction, is there a reaction.

The ego of the screen drives as the planner does in the unchanged scenario. Without a contact with that drive
nothing forces the planner to react. The reactions are a few deviations from it, which start 0.8 s after the change is
visible: a lower bound of what another driver can do.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64

from driving.agents import AgentKind, AgentTracks
from driving.geometry import shifted_along_heading
from driving.scenario import Scenario
from driving.timing import STEP_S
from driving.vehicle import PACIFICA
from simulation.ego.box import ego_box
from simulation.ego.dynamics import HEADING, VELOCITY_X, X
from simulation.generation.adversarial.changes import AgentChange, ChangedMotion, changed_motion
from simulation.generation.adversarial.contacts import BoxMotion, first_contacts, overlapping_agents
from simulation.generation.adversarial.courses import AgentCourse
from simulation.generation.adversarial.limits import excess
from simulation.generation.ways_out.deviations import LateralChoice, ReferenceDrive, SpeedChoice
from simulation.generation.ways_out.overlaps import AgentBoxes, collision_free
from simulation.geometry.boxes import box_corners
from simulation.metrics.rules import CollisionKind, MovingPoint, collision_kind

REACTION_S = 0.8
"""From the visible surprise to the start of the way out, at least."""
REACTION_STEPS = round(REACTION_S / STEP_S)
THIRD_PARTY_MARGIN_M = 0.1
CONTACT_MARGIN_M = 0.2
"""The screen counts a contact from this distance on: planners deviate a little from the unchanged drive."""
REACTION_HORIZON_S = 6.5
GRID_STEPS = 2
"""Reactions are driven from every second step; later ones are used for steps between."""
MARGIN_M = (0.6, 0.4)
"""Added to length and width of the ego's box in reactions."""
BRAKING: tuple[SpeedChoice, ...] = (
    SpeedChoice(3.0, 0.5, 2.5),
    SpeedChoice(3.0, 0.0, 5.0),
    SpeedChoice(4.5, 0.0, 1.0),
    SpeedChoice(6.5, 0.0, 5.0),
    SpeedChoice(6.5, 0.3, 0.8),
)
REACTIONS: list[tuple[LateralChoice, tuple[SpeedChoice, ...]]] = [
    (LateralChoice(0.0, 1.5), (*BRAKING, SpeedChoice(2.0, 1.25, 3.0, 8.0))),
    *(
        (LateralChoice(left_m, shift_s), (SpeedChoice(0.0, 1.0, 0.0), SpeedChoice(4.0, 0.4, 5.0)))
        for left_m in (-2.2, 2.2)
        for shift_s in (1.2, 2.2)
    ),
]
"""The braking ones come first."""
NUM_REACTIONS = sum(len(speeds) for _, speeds in REACTIONS)
IMPOSSIBLE, HARMLESS, NOT_AT_FAULT, UNAVOIDABLE = 30.0, 20.0, 15.0, 10.0
"""Values from which a change is impossible, needs no reaction, leads to contacts that are not the ego's fault, or
leaves no way out. Below `UNAVOIDABLE` it is worth a drive."""
BRAKING_COST = 0.6
"""Braking is what every planner does: a situation where it is not enough is harder."""
ROOM, ROOM_COST = 0.15, 3.0
"""Share of reactions that avoid the contact below which a way out is hard to prove."""
EARLIEST_S, LATEST_S = 1.0, 2.5
"""Times from the first possible reaction to the contact between which planners fail most often with a way out."""
SHORT_COST, LONG_COST = 0.8, 0.2
"""Per second outside."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Screened:
    """Result for one change."""

    value: float
    """To be minimised."""
    motion: ChangedMotion
    contact_step: int
    """Step from iteration 0 at which the unchanged drive touches the agent; -1 for none."""

    @property
    def is_worth_a_drive(self) -> bool:
        """Whether a planner should drive it."""
        return self.value < UNAVOIDABLE


@dataclass(frozen=True, kw_only=True, eq=False)
class Screen:
    """The screen of one scenario."""

    scenario: Scenario
    states: Float64[np.ndarray, "steps 10"]
    """The planner's drive of the unchanged scenario, from iteration 0 on."""
    reference: ReferenceDrive
    _driven: dict[int, Float64[np.ndarray, "reactions time 3"]] = field(default_factory=dict, init=False, repr=False)
    _reactions: dict[tuple[int, int], tuple[Float64[np.ndarray, "reactions time 3"], int]] = field(
        default_factory=dict, init=False, repr=False
    )
    _touched: dict[int, frozenset[int]] = field(default_factory=dict, init=False, repr=False)

    @property
    def centers(self) -> Float64[np.ndarray, "steps 3"]:
        """Poses of the box centre of the unchanged drive."""
        return shifted_along_heading(self.states[:, X : HEADING + 1], PACIFICA.rear_axle_to_center_m)

    def evaluate(self, course: AgentCourse, change: AgentChange) -> Screened:
        """Screen a change."""
        first = self.scenario.first_frame
        motion = changed_motion(course, change, self.scenario.frames)
        problem = self.implausibility(course, motion)
        if problem > 0.0:
            return Screened(value=IMPOSSIBLE + problem, motion=motion, contact_step=-1)
        box = _box_of(course, motion, first, len(self.states))
        own = self.centers
        size = (PACIFICA.length_m + CONTACT_MARGIN_M, PACIFICA.width_m + CONTACT_MARGIN_M)
        steps, gaps = first_contacts(own[np.newaxis], *size, box)
        contact = int(steps[0])
        if contact < 0:
            return Screened(value=HARMLESS + min(float(gaps[0]), 50.0) / 10.0, motion=motion, contact_step=-1)
        if not self._is_at_fault(contact, box):
            return Screened(value=NOT_AT_FAULT, motion=motion, contact_step=contact)
        begin = motion.visible_step - first + REACTION_STEPS
        late = contact - begin
        if late <= 0:
            return Screened(value=UNAVOIDABLE + 1.0 - late * STEP_S, motion=motion, contact_step=contact)
        braking, others = self._avoiding(course, motion, begin)
        if braking + others == 0.0:
            return Screened(value=UNAVOIDABLE, motion=motion, contact_step=contact)
        share = (braking * len(BRAKING) + others * (NUM_REACTIONS - len(BRAKING))) / NUM_REACTIONS
        value = BRAKING_COST * braking + ROOM_COST * max(0.0, ROOM - share)
        value += SHORT_COST * max(0.0, EARLIEST_S - late * STEP_S) + LONG_COST * max(0.0, late * STEP_S - LATEST_S)
        return Screened(value=value, motion=motion, contact_step=contact)

    def is_free(self, course: AgentCourse) -> bool:
        """Whether a generated neighbour without a manoeuvre touches neither another agent nor the unchanged drive."""
        nothing = AgentChange(manoeuvre="", track_id="")
        motion = changed_motion(course, nothing, self.scenario.frames)
        if self.implausibility(course, motion) > 0.0:
            return False
        box = _box_of(course, motion, self.scenario.first_frame, len(self.states))
        steps, _ = first_contacts(self.centers[np.newaxis], PACIFICA.length_m, PACIFICA.width_m, box)
        return bool(steps[0] < 0)

    def implausibility(self, course: AgentCourse, motion: ChangedMotion) -> float:
        """0 for a plausible motion; otherwise how far it is from one.

        A motion is plausible when it stays within the limits of its kind, touches no third party, does not vanish or
        appear near the ego, and, where its log stays on the drivable area, a vehicle does the same.
        """
        ratio = excess(motion.poses, motion.valid, course.kind)
        if ratio > 1.0:
            return 2.0 + min(ratio - 1.0, 5.0)
        if not motion.valid.any():
            return 8.0
        touched = self.third_parties(course, motion)
        if touched:
            return 1.0 + 0.1 * len(touched)
        if self._appears_near_ego(course, motion):
            return 0.9
        if course.kind == AgentKind.VEHICLE and self._leaves_road(course, motion):
            return 0.8
        return 0.0

    def third_parties(self, course: AgentCourse, motion: ChangedMotion) -> frozenset[int]:
        """Rows of other agents that the changed agent touches, without those that its log touches."""
        agents = self.scenario.agents
        boxes = AgentBoxes(agents.poses, agents.sizes, agents.valid)
        if course.row == agents.num_agents:
            self._touched[course.row] = frozenset()
        if course.row not in self._touched:
            logged = BoxMotion(agents.poses[course.row], agents.valid[course.row], course.length_m, course.width_m)
            steps = overlapping_agents(logged, boxes, course.row, THIRD_PARTY_MARGIN_M)
            self._touched[course.row] = frozenset(np.flatnonzero(steps >= 0).tolist())
        box = BoxMotion(motion.poses, motion.valid, course.length_m, course.width_m)
        steps = overlapping_agents(box, boxes, course.row, THIRD_PARTY_MARGIN_M)
        return frozenset(np.flatnonzero(steps >= 0).tolist()) - self._touched[course.row]

    def _appears_near_ego(self, course: AgentCourse, motion: ChangedMotion) -> bool:
        """Whether the agent begins or ceases to be observed within 30 m of the unchanged drive."""
        first, count = self.scenario.first_frame, len(self.states)
        valid = motion.valid[first : first + count]
        edges = np.flatnonzero(valid[1:] != valid[:-1])
        logged = course.valid[first : first + count]
        if not len(edges) or np.array_equal(valid, logged):
            return False
        gap = motion.poses[first + edges, :2] - self.centers[edges, :2]
        return bool((np.hypot(gap[:, 0], gap[:, 1]) < 30.0).any())

    def _leaves_road(self, course: AgentCourse, motion: ChangedMotion) -> bool:
        area = self.scenario.map.drivable_area
        if course.row < self.scenario.agents.num_agents:
            logged = self.scenario.agents.poses[course.row, course.first : course.last + 1 : 10, :2]
            if not area.contains(logged).all():
                return False
        steps = np.flatnonzero(motion.valid)[::5]
        return not bool(area.contains(np.ascontiguousarray(motion.poses[steps, :2])).all())

    def _is_at_fault(self, step: int, box: BoxMotion) -> bool:
        """Whether the contact would be one of the ego's front, or with a standing agent."""
        ego, pose = self.states[step], box.poses[step]
        before = box.poses[max(step - 1, 0)]
        speed = float(np.hypot(*(pose[:2] - before[:2]))) / STEP_S
        center, size = self.centers[step], ego_box()
        margin = CONTACT_MARGIN_M
        corners = box_corners(center[0], center[1], center[2], size.length + margin, size.width + margin)
        kind = collision_kind(
            MovingPoint(ego[X], ego[X + 1], ego[HEADING], ego[VELOCITY_X]),
            corners,
            MovingPoint(pose[0], pose[1], pose[2], speed),
            box_corners(pose[0], pose[1], pose[2], box.length, box.width),
        )
        return kind in (CollisionKind.STOPPED_TRACK, CollisionKind.ACTIVE_FRONT)

    def _avoiding(self, course: AgentCourse, motion: ChangedMotion, begin: int) -> tuple[float, float]:
        """Shares of the braking and of the other reactions from a step on that touch no agent."""
        step = min(math.ceil(max(begin, 0) / GRID_STEPS) * GRID_STEPS, len(self.states) - 1)
        centers, braking = self._reactions_from(step, course.row)
        if not len(centers):
            return 0.0, 0.0
        first = self.scenario.first_frame + step
        box = _box_of(course, motion, first, centers.shape[1])
        steps, _ = first_contacts(centers, PACIFICA.length_m + MARGIN_M[0], PACIFICA.width_m + MARGIN_M[1], box)
        avoids = steps < 0
        others = NUM_REACTIONS - len(BRAKING)
        return float(avoids[:braking].sum()) / len(BRAKING), float(avoids[braking:].sum()) / others

    def _reactions_from(self, step: int, row: int) -> tuple[Float64[np.ndarray, "reactions time 3"], int]:
        """Box centres of the reactions from a step on that touch none of the other agents; how many of them brake."""
        if (step, row) not in self._reactions:
            if step not in self._driven:
                count = min(round(REACTION_HORIZON_S / STEP_S), len(self.states) - step)
                driven = self.reference.deviations(self.states[step], step, REACTIONS, max(count, 2))
                poses = driven[..., X : HEADING + 1]
                self._driven[step] = shifted_along_heading(poses, PACIFICA.rear_axle_to_center_m)
            centers = self._driven[step]
            others = _without(self.scenario.agents, row)
            start = self.scenario.first_frame + step
            frames = slice(start, start + centers.shape[1])
            boxes = AgentBoxes(
                np.ascontiguousarray(others.poses[:, frames]),
                np.ascontiguousarray(others.sizes[:, frames]),
                np.ascontiguousarray(others.valid[:, frames]),
            )
            clear = collision_free(centers[:, : boxes.valid.shape[1]], PACIFICA.length_m, PACIFICA.width_m, boxes)
            braking = int(clear[: len(BRAKING)].sum())
            self._reactions[step, row] = np.ascontiguousarray(centers[clear]), braking
        return self._reactions[step, row]


def _box_of(course: AgentCourse, motion: ChangedMotion, start: int, count: int) -> BoxMotion:
    poses = np.ascontiguousarray(motion.poses[start : start + count])
    return BoxMotion(poses, motion.valid[start : start + count].copy(), course.length_m, course.width_m)


def _without(agents: AgentTracks, row: int) -> AgentTracks:
    return agents.take(np.flatnonzero(np.arange(agents.num_agents) != row))
