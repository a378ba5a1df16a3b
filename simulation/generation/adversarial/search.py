"""The search in one scenario: screen changes, drive the planner through the hardest ones, prove ways out.

Each attack (an agent with a manoeuvre) has an evolution strategy with diagonal covariance over at most five numbers.
Its first generations use the screen only. Then the best candidate of each attack is driven in turn, those first whose
kind of agent, manoeuvre and approach were not driven yet: first its end, from just before the surprise on, and, where
the planner fails, the whole scenario. With an agent that blocks the ego the whole scenario is driven at once, until
the ego has made the required progress. A candidate that the planner survives moves the search away from it, and so
does one that is refused before its drive: because the changed agent is too rare, or because no deviation from the
unchanged drive passes the multipliers of the score.
"""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from driving.planner import Planner
from driving.scenario import Scenario
from simulation.ego.dynamics import states_of
from simulation.generation.adversarial.causal import CausalAgent, causal_agents
from simulation.generation.adversarial.certificate import certify, may_have_way_out
from simulation.generation.adversarial.changes import AgentChange, changed_motion, changed_scenario
from simulation.generation.adversarial.cuts import cut_scenario
from simulation.generation.adversarial.drawn_neighbours import drawn_neighbours
from simulation.generation.adversarial.drives import DriveJob, PlannerDrive, drive_planner, lacks_progress
from simulation.generation.adversarial.manoeuvres import Attack, attacks_of, policy_attacks
from simulation.generation.adversarial.neighbours import generated_neighbours
from simulation.generation.adversarial.policy_rollouts import with_drive
from simulation.generation.adversarial.rarity_limit import Rarity, is_too_rare
from simulation.generation.adversarial.results import FailureKind, Found, SearchResult, SearchSettings
from simulation.generation.adversarial.scene_network import DrawsAgents
from simulation.generation.adversarial.screening import Screen, Screened
from simulation.generation.adversarial.trackers import AttackTracker
from simulation.generation.ways_out.deviations import ReferenceDrive
from simulation.metrics.nuplan.progress import MIN_RATIO

BEFORE_STEPS, AFTER_STEPS = 3, 30
"""Steps of a cut drive before the surprise and after the contact with the unchanged drive."""
TOO_RARE, NO_WAY_OUT = "too rare", "no way out"
"""Reasons for which a change is refused before its drive."""
ENOUGH_MARGIN_M = 3.0
"""Beyond the distance that is progress: progress is measured along the route."""
REPEATED_COST = 0.5
"""Added to the value of a candidate for each drive of an attack of its kind."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Trial:
    """A change to drive."""

    attack: Attack
    shares: Float64[np.ndarray, "numbers"]
    """Point of the unit cube."""
    change: AgentChange
    screened: Screened
    scenario: Scenario
    """The changed one."""
    tracker: AttackTracker | None = None
    """None for random changes."""


class ScenarioSearch:
    """The search for failures of one planner in one scenario."""

    def __init__(
        self,
        scenario: Scenario,
        planner: Planner,
        settings: SearchSettings,
        seed: int,
        *,
        rarity: Rarity | None = None,
        scenes: DrawsAgents | None = None,
    ) -> None:
        """Prepare a search.

        Args:
            scenario: The unchanged scenario.
            planner: Planner under test.
            settings: Sizes of the search.
            seed: Of all random numbers.
            rarity: Refuses agents that are too rare; None leaves rarity unmeasured.
            scenes: Draws further neighbours; None uses those of rules only.
        """
        self._scenario, self._planner, self._settings, self._seed = scenario, planner, settings, seed
        self._rarity, self._scenes = rarity, scenes
        self._not_drawn = ""
        self._percentiles: dict[AgentChange, float | None] = {}
        self._drives = 0
        self._refused: Counter[str] = Counter()
        self._driven_cells: Counter[tuple[object, ...]] = Counter()
        self._errors: list[str] = []
        self._found: list[Found] = []
        self._batch = settings.lockstep if hasattr(planner, "plan_batch") else 1

    def run(self) -> SearchResult:
        """Search until the drives are used up or no attack has a candidate."""
        (base,) = drive_planner([DriveJob(scenario=self._scenario, judges_progress=True)], self._planner)
        if base.error:
            return SearchResult(skipped="the planner raised in the unchanged scenario", errors=(base.error,))
        assert base.log is not None
        if base.failure is not None:
            return SearchResult(skipped="the planner fails in the unchanged scenario")
        states = states_of(base.log.ego)[0]
        rest = len(self._scenario.time_us) - self._scenario.first_frame
        reference = ReferenceDrive.of(states, rest, self._scenario.map)
        if reference is None:
            return SearchResult(skipped="the ego stands in the unchanged scenario")
        logged_m = float(
            np.hypot(*np.diff(self._scenario.ego.rear_axle_poses[0, self._scenario.frames, :2], axis=0).T).sum()
        )
        driven_m = float(reference.along_m[reference.num_driven - 1])
        self._enough_m = MIN_RATIO * max(logged_m, driven_m) + ENOUGH_MARGIN_M
        self._screen = Screen(scenario=self._scenario, states=states, reference=reference)
        agents = causal_agents(self._scenario, self._screen.centers, self._settings.agents)
        if self._settings.neighbours:
            rng = np.random.default_rng([self._seed, 1])
            agents += generated_neighbours(self._scenario, reference, self._is_usable, rng)
            agents += self._drawn_neighbours(states)
        attacks = [attack for agent in agents for attack in attacks_of(agent)]
        attacks += policy_attacks(agents, self._settings.policies)
        if not attacks:
            return SearchResult(skipped="no agent comes near the ego")
        screened = self._random(attacks) if self._settings.method == "random" else self._evolve(attacks)
        return SearchResult(
            found=tuple(self._found),
            drives=self._drives,
            screened=screened,
            too_rare=self._refused[TOO_RARE],
            no_way_out=self._refused[NO_WAY_OUT],
            not_drawn=self._not_drawn,
            errors=tuple(self._errors),
        )

    def _drawn_neighbours(self, states: Float64[np.ndarray, "steps 10"]) -> list[CausalAgent]:
        """Neighbours of the scene network; where it cannot be used, the reason is noted."""
        if self._scenes is None or not self._settings.drawn_neighbours:
            return []
        driven = with_drive(self._scenario, states)
        try:
            boxes = self._scenes.draw(driven, np.random.default_rng([self._seed, 3]))
        except (FileNotFoundError, ValueError) as error:
            self._not_drawn = str(error)
            return []
        most = self._settings.drawn_neighbours
        return drawn_neighbours(driven, self._screen.centers, boxes, self._is_usable, most)

    # ------------------------------------------------------------------ the two methods

    def _evolve(self, attacks: list[Attack]) -> int:
        trackers = [
            AttackTracker(attack, self._screen, self._settings, seed=self._seed * 1000 + number)
            for number, attack in enumerate(attacks)
        ]
        for tracker in trackers:
            tracker.prepare()
        # Each candidate needs up to two drives.
        while self._drives + 1 < self._settings.drives:
            batch = self._next_batch(trackers)
            if not batch:
                break
            for trial, is_solved in zip(batch, self._try(batch, cut=True), strict=True):
                assert trial.tracker is not None
                if is_solved:
                    _end_alike(trackers, trial.attack)
                else:
                    trial.tracker.survived(trial.shares)
        return sum(tracker.screened for tracker in trackers)

    def _next_batch(self, trackers: list[AttackTracker]) -> list[_Trial]:
        """The best candidates of as many attacks as the planner drives at a time, none of which is refused."""
        batch: list[_Trial] = []
        most = min(self._batch, (self._settings.drives - self._drives) // 2)
        while len(batch) < most:
            taken = {id(trial.tracker) for trial in batch}
            waiting = [
                (tracker, *candidate)
                for tracker in trackers
                if not tracker.is_done and id(tracker) not in taken and (candidate := tracker.candidate()) is not None
            ]
            if not waiting:
                break
            tracker, shares, screened = min(waiting, key=lambda one: self._priority(one[0].attack, one[2]))
            trial = self._trial(tracker.attack, shares, screened, tracker)
            reason = self._refusal(trial)
            if reason is None:
                batch.append(trial)
                self._driven_cells[trial.attack.cell] += 1
            else:
                self._refused[reason] += 1
                tracker.refused(shares)
        return batch

    def _priority(self, attack: Attack, screened: Screened) -> float:
        """Low for promising changes, and for those unlike the ones that were driven."""
        return screened.value + REPEATED_COST * self._driven_cells[attack.cell]

    def _refusal(self, trial: _Trial) -> str | None:
        """Why a change is not driven; None when it is."""
        visible = trial.screened.motion.visible_step
        unchanged, blocked_m = (self._screen.states, self._screen.reference), trial.screened.blocked_m
        if not may_have_way_out(trial.scenario, *unchanged, visible, blocked_m):
            return NO_WAY_OUT
        return TOO_RARE if is_too_rare(self._percentile(trial)) else None

    def _is_usable(self, agent: CausalAgent) -> bool:
        """Whether a generated neighbour touches nothing and is not too rare as long as it behaves well."""
        if not self._screen.is_free(agent.course):
            return False
        if self._rarity is None:
            return True
        nothing = AgentChange(manoeuvre="", track_id=agent.track_id)
        motion = changed_motion(agent.course, nothing, self._scenario.frames)
        scenario = changed_scenario(self._scenario, agent.course, motion, agent.track_id)
        return not is_too_rare(self._rarity.percentile(scenario, agent.track_id))

    def _percentile(self, trial: _Trial) -> float | None:
        """Rarity of the changed agent; None where it is not measured."""
        if self._rarity is None:
            return None
        if trial.change not in self._percentiles:
            percentile = self._rarity.percentile(trial.scenario, trial.attack.agent.track_id)
            self._percentiles[trial.change] = percentile
        return self._percentiles[trial.change]

    def _random(self, attacks: list[Attack]) -> int:
        """Attacks and numbers drawn at random, each driven without a screen."""
        rng = np.random.default_rng([self._seed, 2])
        solved: set[int] = set()
        while self._drives < self._settings.drives:
            free = [number for number in range(len(attacks)) if number not in solved]
            if not free:
                break
            count = min(self._batch, self._settings.drives - self._drives)
            drawn = [free[int(rng.integers(len(free)))] for _ in range(count)]
            trials = []
            for number in drawn:
                attack = attacks[number]
                shares = rng.random(attack.size)
                screened = self._screen.evaluate(attack.agent.course, attack.change(shares), blocks=attack.blocks)
                trials.append(self._trial(attack, shares, screened))
            results = self._try(trials, cut=False)
            solved |= {number for number, is_solved in zip(drawn, results, strict=True) if is_solved}
        return 0

    # ------------------------------------------------------------------ drives and proofs

    def _trial(
        self,
        attack: Attack,
        shares: Float64[np.ndarray, "numbers"],
        screened: Screened,
        tracker: AttackTracker | None = None,
    ) -> _Trial:
        agent = attack.agent
        return _Trial(
            attack=attack,
            shares=shares,
            change=attack.change(shares),
            screened=screened,
            scenario=changed_scenario(self._scenario, agent.course, screened.motion, agent.track_id),
            tracker=tracker,
        )

    def _try(self, trials: list[_Trial], *, cut: bool) -> list[bool]:
        """Drive changes and prove the failures; whether each has a certificate."""
        if not cut:
            drives = self._drive([self._whole(trial) for trial in trials])
        else:
            drives = self._drive([self._first_drive(trial) for trial in trials])
            again = [
                number
                for number, (trial, drive) in enumerate(zip(trials, drives, strict=True))
                if drive.failure is not None and not trial.attack.blocks
            ]
            for number, drive in zip(again, self._drive([self._whole(trials[n]) for n in again]), strict=True):
                drives[number] = drive
        return [
            drive.failure is not None and self._record(trial, drive)
            for trial, drive in zip(trials, drives, strict=True)
        ]

    def _whole(self, trial: _Trial) -> DriveJob:
        return DriveJob(scenario=trial.scenario, judges_progress=True)

    def _first_drive(self, trial: _Trial) -> DriveJob:
        """The end of the scenario; with an agent that blocks the ego, all until there is enough progress."""
        if trial.attack.blocks:
            return replace(self._whole(trial), enough_m=self._enough_m)
        scenario, screened = trial.scenario, trial.screened
        step = max(0, screened.motion.visible_step - scenario.first_frame - BEFORE_STEPS)
        step = min(step, screened.contact_step)
        frames = screened.contact_step + AFTER_STEPS - step
        return DriveJob(scenario=cut_scenario(scenario, self._screen.states, step, frames))

    def _drive(self, jobs: list[DriveJob]) -> list[PlannerDrive]:
        if not jobs:
            return []
        driven = drive_planner(jobs, self._planner)
        self._drives += len(jobs)
        self._errors += [drive.error for drive in driven if drive.error]
        return driven

    def _record(self, trial: _Trial, drive: PlannerDrive) -> bool:
        assert drive.log is not None
        assert drive.failure is not None
        motion = trial.screened.motion
        is_possible = self._screen.implausibility(trial.attack.agent.course, motion) == 0.0
        percentile = self._percentile(trial)
        is_plausible = is_possible and not is_too_rare(percentile)
        certificate = None
        if is_plausible:
            certificate = certify(
                trial.scenario, drive.log, drive.failure, self._screen.reference, motion.visible_step
            )
            # Progress is relative to the logged ego, which the way out becomes.
            lacks = drive.failure.kind == FailureKind.NO_PROGRESS
            if lacks and certificate is not None and lacks_progress(drive.log, certificate.scenario) is None:
                certificate = None
        self._found.append(
            Found(
                attack=trial.attack,
                change=trial.change,
                motion=motion,
                scenario=trial.scenario if certificate is None else certificate.scenario,
                failure=drive.failure,
                log=drive.log,
                certificate=certificate,
                is_plausible=is_plausible,
                rarity_percentile=percentile,
            )
        )
        return certificate is not None


def _end_alike(trackers: list[AttackTracker], solved: Attack) -> None:
    """End the attacks that would fail in the mode of a solved one: it counts once in a scenario."""
    for tracker in trackers:
        if tracker.attack.cell == solved.cell:
            tracker.is_done = True
