"""Cheap test of a change before any planner drives: is it possible, does it need a reaction, is there a reaction.

The ego of the screen drives as the planner does in the unchanged scenario. Without a contact with that drive
nothing forces the planner to react. The reactions are a few deviations from it, which start 0.8 s after the change is
visible: a lower bound of what another driver can do.

A block leaves a planner that waits behind the agent too little progress: the agent stands in the way until the end,
and a deviation passes beside it.
"""

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float64

from driving.agents import AgentKind, AgentTracks
from driving.geometry import shifted_along_heading
from driving.scenario import Scenario
from driving.timing import STEP_S
from driving.vehicle import PACIFICA
from simulation.ego.box import ego_box
from simulation.ego.dynamics import HEADING, VELOCITY_X, X, motion_of
from simulation.generation.adversarial.block_limit import BLOCK_SHARE
from simulation.generation.adversarial.changes import AgentChange, ChangedMotion, changed_motion
from simulation.generation.adversarial.contacts import BoxMotion, first_contacts, overlapping_agents
from simulation.generation.adversarial.courses import AgentCourse
from simulation.generation.adversarial.limits import excess
from simulation.generation.adversarial.policy_rollouts import PolicyMotions
from simulation.generation.ways_out.deviations import LateralChoice, ReferenceDrive, SpeedChoice
from simulation.generation.ways_out.overlaps import AgentBoxes, collision_free
from simulation.geometry.boxes import box_corners
from simulation.metrics.nuplan.drive import Drive
from simulation.metrics.rules import CollisionKind, MovingPoint, collision_kind
from simulation.metrics.score import compute_metrics

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
DETOUR_SHIFTS_M = (-3.4, -2.5, -1.7, 1.7, 2.5, 3.4)
DETOUR_SPEEDS: tuple[SpeedChoice, ...] = (SpeedChoice(0.0, 1.0, 0.0), SpeedChoice(3.0, 0.4, 2.0))
DETOURS = [(LateralChoice(left_m, 1.5), DETOUR_SPEEDS) for left_m in DETOUR_SHIFTS_M]
"""Reactions to a block."""
ROAD_RULES = ("drivable_area_compliance", "driving_direction_compliance")
"""Multipliers that detours must pass."""
IMPOSSIBLE, HARMLESS, NOT_AT_FAULT, PASSED, UNAVOIDABLE = 30.0, 20.0, 15.0, 12.0, 10.0
"""Values from which a change is impossible, needs no reaction, leads to contacts that are not the ego's fault, blocks
the ego too late for a lack of progress, or leaves no way out. Below `UNAVOIDABLE` it is worth a drive."""
BRAKING_COST = 0.6
"""Braking is what every planner does: a situation where it is not enough is harder."""
ROOM, ROOM_COST = 0.15, 3.0
"""Share of reactions that avoid the contact below which a way out is hard to prove."""
EARLIEST_S, LATEST_S = 1.0, 2.5
"""Times from the first possible reaction to the contact between which planners fail most often with a way out."""
SHORT_COST, LONG_COST = 0.8, 0.2
"""Per second outside."""
STOP_GAP_M = 2.0
"""Planners stop at least this far from the place of contact."""
STANDING_M = 0.05
"""An agent stands from the step on after which it moves less than this."""
SMALL_SHIFT_M = 1.7
SMALL_SHIFT_COST = 0.6
"""For blocks that every small shift passes, as some planners make: those of which few pass are harder."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Screened:
    """Result for one change."""

    value: float
    """To be minimised."""
    motion: ChangedMotion
    contact_step: int
    """Step from iteration 0 at which the unchanged drive touches the agent; -1 for none."""
    blocked_m: float = 0.0
    """Distance that a planner drives that waits behind the block, about; 0 for other attacks."""

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
    _driven: dict[tuple[int, bool], tuple[Float64[np.ndarray, "reactions time 3"], Bool[np.ndarray, "reactions"]]] = (
        field(default_factory=dict, init=False, repr=False)
    )
    _clear: dict[tuple[int, bool, int], Bool[np.ndarray, "reactions"]] = field(
        default_factory=dict, init=False, repr=False
    )
    _touched: dict[int, frozenset[int]] = field(default_factory=dict, init=False, repr=False)

    @property
    def centers(self) -> Float64[np.ndarray, "steps 3"]:
        """Poses of the box centre of the unchanged drive."""
        return shifted_along_heading(self.states[:, X : HEADING + 1], PACIFICA.rear_axle_to_center_m)

    @cached_property
    def _policies(self) -> PolicyMotions:
        return PolicyMotions(self.scenario, self.states)

    def _motion(self, course: AgentCourse, change: AgentChange) -> ChangedMotion:
        if change.aggressiveness is not None:
            return self._policies.motion(course, change)
        return changed_motion(course, change, self.scenario.frames)

    def evaluate(self, course: AgentCourse, change: AgentChange, *, blocks: bool = False) -> Screened:
        """Screen a change.

        Args:
            course: Of the agent.
            change: Of its behaviour.
            blocks: Whether the change is one that shall block the ego.
        """
        first = self.scenario.first_frame
        motion = self._motion(course, change)
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
        late = contact - self._first_reaction(motion)
        if late <= 0:
            return Screened(value=UNAVOIDABLE + 1.0 - late * STEP_S, motion=motion, contact_step=contact)
        if blocks:
            value, blocked_m = self._value_of_block(course, motion)
            return Screened(value=value, motion=motion, contact_step=contact, blocked_m=blocked_m)
        return Screened(value=self._value_of_contact(course, motion, late), motion=motion, contact_step=contact)

    def _value_of_contact(self, course: AgentCourse, motion: ChangedMotion, late: int) -> float:
        """Value of a change with a contact `late` steps after the first possible reaction."""
        avoids = self._avoiding(course, motion, blocks=False)
        if not avoids.any():
            return UNAVOIDABLE
        value = BRAKING_COST * float(avoids[: len(BRAKING)].mean()) + ROOM_COST * max(
            0.0, ROOM - float(avoids.mean())
        )
        return (
            value + SHORT_COST * max(0.0, EARLIEST_S - late * STEP_S) + LONG_COST * max(0.0, late * STEP_S - LATEST_S)
        )

    def _value_of_block(self, course: AgentCourse, motion: ChangedMotion) -> tuple[float, float]:
        """Value of a change that shall block the ego, and the distance that the ego drives up to it [m]."""
        last = self.scenario.frames.stop - 1
        gap = np.hypot(*(motion.poses[: last + 1, :2] - motion.poses[last, :2]).T)
        stands = int(np.flatnonzero(gap > STANDING_M)[-1]) + 1 if (gap > STANDING_M).any() else 0
        if not motion.valid[last] or stands == last:
            return HARMLESS, 0.0
        standing = np.broadcast_to(motion.poses[last], (len(self.states), 3)).copy()
        box = BoxMotion(standing, np.ones(len(standing), dtype=bool), course.length_m, course.width_m)
        steps, gaps = first_contacts(self.centers[np.newaxis], PACIFICA.length_m, PACIFICA.width_m, box)
        if steps[0] < 0:
            return HARMLESS + min(float(gaps[0]), 50.0) / 10.0, 0.0
        along = self.reference.along_m
        blocked_m = max(float(along[steps[0]]) - STOP_GAP_M, 0.0)
        share = blocked_m / float(along[self.reference.num_driven - 1])
        if share > BLOCK_SHARE:
            return PASSED + share, blocked_m
        passing = self._avoiding(course, motion, blocks=True)
        is_small = np.repeat(np.abs(DETOUR_SHIFTS_M) <= SMALL_SHIFT_M, len(DETOUR_SPEEDS))
        return (SMALL_SHIFT_COST * float(passing[is_small].mean()) if passing.any() else UNAVOIDABLE), blocked_m

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

    def _first_reaction(self, motion: ChangedMotion) -> int:
        """Step from iteration 0 at which a reaction can start."""
        return max(motion.visible_step - self.scenario.first_frame, 0) + REACTION_STEPS

    def _avoiding(self, course: AgentCourse, motion: ChangedMotion, *, blocks: bool) -> Bool[np.ndarray, "reactions"]:
        """Which reactions to a change touch no agent; for a block, which detours."""
        step = min(math.ceil(self._first_reaction(motion) / GRID_STEPS) * GRID_STEPS, len(self.states) - 1)
        centers, clear = self._reactions_from(step, course.row, blocks)
        first = self.scenario.first_frame + step
        box = _box_of(course, motion, first, centers.shape[1])
        size = (PACIFICA.length_m + MARGIN_M[0], PACIFICA.width_m + MARGIN_M[1])
        avoids = clear.copy()
        avoids[clear] = first_contacts(np.ascontiguousarray(centers[clear]), *size, box)[0] < 0
        return avoids

    def _reactions_from(
        self, step: int, row: int, blocks: bool
    ) -> tuple[Float64[np.ndarray, "reactions time 3"], Bool[np.ndarray, "reactions"]]:
        """Box centres of the reactions from a step on, and which are legal and touch none of the other agents."""
        if (step, blocks) not in self._driven:
            count = min(round(REACTION_HORIZON_S / STEP_S), len(self.states) - step)
            choices = DETOURS if blocks else REACTIONS
            driven = self.reference.deviations(self.states[step], step, choices, max(count, 2))
            poses = driven[..., X : HEADING + 1]
            centers = shifted_along_heading(poses, PACIFICA.rear_axle_to_center_m)
            legal = self._are_legal(driven, step) if blocks else np.ones(len(driven), dtype=bool)
            self._driven[step, blocks] = centers, legal
        centers, legal = self._driven[step, blocks]
        if (step, blocks, row) not in self._clear:
            others = _without(self.scenario.agents, row)
            start = self.scenario.first_frame + step
            frames = slice(start, start + centers.shape[1])
            boxes = AgentBoxes(
                np.ascontiguousarray(others.poses[:, frames]),
                np.ascontiguousarray(others.sizes[:, frames]),
                np.ascontiguousarray(others.valid[:, frames]),
            )
            near = centers[:, : boxes.valid.shape[1]]
            free = collision_free(near, PACIFICA.length_m, PACIFICA.width_m, boxes)
            self._clear[step, blocks, row] = legal & free
        return centers, self._clear[step, blocks, row]

    def _are_legal(
        self, driven: Float64[np.ndarray, "reactions time 10"], step: int
    ) -> Bool[np.ndarray, "reactions"]:
        """Whether detours stay on the road and out of opposite lanes."""
        start = self.scenario.first_frame + step
        frames = slice(start, min(start + driven.shape[1], len(self.scenario.time_us)))
        motion = motion_of(self.scenario.time_us[frames], driven[:, : frames.stop - start])
        agents = self.scenario.agents.steps(frames.start, frames.stop)
        results = compute_metrics(Drive(motion=motion, agents=agents, map=self.scenario.map), ROAD_RULES)
        return np.array([all(row[name].score == 1.0 for name in ROAD_RULES) for row in results])


def _box_of(course: AgentCourse, motion: ChangedMotion, start: int, count: int) -> BoxMotion:
    poses = np.ascontiguousarray(motion.poses[start : start + count])
    return BoxMotion(poses, motion.valid[start : start + count].copy(), course.length_m, course.width_m)


def _without(agents: AgentTracks, row: int) -> AgentTracks:
    return agents.take(np.flatnonzero(np.arange(agents.num_agents) != row))
