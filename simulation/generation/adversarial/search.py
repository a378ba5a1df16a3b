"""The search in one scenario: screen changes, drive the planner through the hardest ones, prove ways out.

Each attack (an agent with a manoeuvre) has an evolution strategy with diagonal covariance over at most five numbers.
Its first generations use the screen only. Then the best candidate of each attack is driven in turn: first its end,
from just before the surprise on, and, where the planner fails, the whole scenario. A candidate that the planner
survives moves the search away from it.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from driving.planner import Planner
from driving.scenario import Scenario
from simulation.ego.dynamics import states_of
from simulation.generation.adversarial.causal import causal_agents
from simulation.generation.adversarial.certificate import certify, may_have_way_out
from simulation.generation.adversarial.changes import AgentChange, changed_scenario
from simulation.generation.adversarial.cuts import cut_scenario
from simulation.generation.adversarial.drives import (
    DriveJob,
    PlannerDrive,
    drive_planner,
    lacks_progress,
)
from simulation.generation.adversarial.manoeuvres import Attack, attacks_of
from simulation.generation.adversarial.neighbours import generated_neighbours
from simulation.generation.adversarial.results import Found, SearchResult, SearchSettings
from simulation.generation.adversarial.screening import HARMLESS, Screen, Screened
from simulation.generation.ways_out.deviations import ReferenceDrive

SIGMA = 0.3
"""Initial standard deviation in the unit cube."""
HOPELESS_GENERATIONS = 4
"""Generations after which an attack without any contact is given up."""
GOOD_VALUE = 0.1
"""Value of the screen from which an attack is driven without further generations."""
NEARBY = 0.12
"""Distance in the unit cube, per square root of its dimension, within which candidates are alike."""
SURVIVED_COST = 1.0
BEFORE_STEPS, AFTER_STEPS = 3, 30
"""Steps of a cut drive before the surprise and after the contact with the unchanged drive."""


class _Tracker:
    """An attack with its evolution strategy."""

    def __init__(self, attack: Attack, screen: Screen, settings: SearchSettings, seed: int) -> None:
        from cmaes import SepCMA

        self.attack = attack
        self._screen = screen
        self._settings = settings
        bounds = np.tile([0.0, 1.0], (attack.size, 1))
        self._strategy = SepCMA(
            mean=np.full(attack.size, 0.5),
            sigma=SIGMA,
            bounds=bounds,
            seed=seed,
            population_size=settings.population,
        )
        self._known: list[tuple[Float64[np.ndarray, numbers], Screened]] = []
        self._driven: list[Float64[np.ndarray, numbers]] = []
        self.is_done = False
        self.screened = 0

    def prepare(self) -> None:
        """The generations before the first drive."""
        for generation in range(self._settings.generations):
            self.generation()
            best = min(screened.value for _, screened in self._known)
            if best < GOOD_VALUE:
                return
            if generation + 1 == HOPELESS_GENERATIONS and best >= HARMLESS:
                self.is_done = True
                return

    def generation(self) -> None:
        """Draw, screen, and update the strategy."""
        valued = []
        for _ in range(self._strategy.population_size):
            shares = self._strategy.ask()
            screened = self._screen.evaluate(self.attack.agent.course, self.attack.change(shares))
            self._known.append((shares, screened))
            valued.append((shares, screened.value + SURVIVED_COST * self._closeness(shares)))
        self.screened += len(valued)
        self._strategy.tell(valued)

    def _closeness(self, shares: Float64[np.ndarray, "numbers"]) -> float:
        """1 for a change that was driven, 0 far from all."""
        scale = NEARBY * np.sqrt(len(shares))
        gaps = [float(np.linalg.norm(shares - other)) / scale for other in self._driven]
        return max((float(np.exp(-(gap**2))) for gap in gaps), default=0.0)

    def candidate(self) -> tuple[Float64[np.ndarray, "numbers"], Screened] | None:
        """The best change that is unlike all driven ones; None when there is none."""
        fresh = [one for one in self._known if one[1].is_worth_a_drive and self._closeness(one[0]) < 0.3]
        return min(fresh, key=lambda one: one[1].value, default=None)

    def survived(self, shares: Float64[np.ndarray, "numbers"]) -> None:
        """Move on from a change that was driven without a solved failure."""
        self._driven.append(shares)
        if len(self._driven) >= self._settings.drives_per_attack:
            self.is_done = True
            return
        for _ in range(2):
            self.generation()


class _Candidate(NamedTuple):
    """A change that is worth a drive."""

    tracker: _Tracker
    shares: Float64[np.ndarray, "numbers"]
    screened: Screened

    @property
    def item(self) -> tuple[Attack, AgentChange, Screened]:
        """Attack, change and result of the screen."""
        return self.tracker.attack, self.tracker.attack.change(self.shares), self.screened


class ScenarioSearch:
    """The search for failures of one planner in one scenario."""

    def __init__(self, scenario: Scenario, planner: Planner, settings: SearchSettings, seed: int) -> None:
        self._scenario, self._planner, self._settings, self._seed = scenario, planner, settings, seed
        self._drives = 0
        self._errors: list[str] = []
        self._found: list[Found] = []
        self._batch = settings.lockstep if hasattr(planner, "plan_batch") else 1

    def run(self) -> SearchResult:
        """Search until the drives are used up or no attack has a candidate."""
        (base,) = drive_planner([DriveJob(scenario=self._scenario)], self._planner)
        if base.error:
            return SearchResult(skipped="the planner raised in the unchanged scenario", errors=(base.error,))
        assert base.log is not None
        if base.failure is not None or lacks_progress(base.log, self._scenario) is not None:
            return SearchResult(skipped="the planner fails in the unchanged scenario")
        states = states_of(base.log.ego)[0]
        rest = len(self._scenario.time_us) - self._scenario.first_frame
        reference = ReferenceDrive.of(states, rest, self._scenario.map)
        if reference is None:
            return SearchResult(skipped="the ego stands in the unchanged scenario")
        self._screen = Screen(scenario=self._scenario, states=states, reference=reference)
        agents = causal_agents(self._scenario, self._screen.centers, self._settings.agents)
        if self._settings.neighbours:
            rng = np.random.default_rng([self._seed, 1])
            agents += generated_neighbours(self._scenario, reference, self._screen.is_free, rng)
        attacks = [attack for agent in agents for attack in attacks_of(agent)]
        if not attacks:
            return SearchResult(skipped="no agent comes near the ego")
        screened = self._random(attacks) if self._settings.method == "random" else self._evolve(attacks)
        return SearchResult(
            found=tuple(self._found), drives=self._drives, screened=screened, errors=tuple(self._errors)
        )

    # ------------------------------------------------------------------ the two methods

    def _evolve(self, attacks: list[Attack]) -> int:
        trackers = [
            _Tracker(attack, self._screen, self._settings, seed=self._seed * 1000 + number)
            for number, attack in enumerate(attacks)
        ]
        for tracker in trackers:
            tracker.prepare()
        # Each candidate needs up to two drives.
        while self._drives + 1 < self._settings.drives:
            batch = self._next_batch(trackers)
            if not batch:
                break
            items = [one.item for one in batch]
            for one, is_solved in zip(batch, self._try(items, cut=True), strict=True):
                if is_solved:
                    one.tracker.is_done = True
                else:
                    one.tracker.survived(one.shares)
        return sum(tracker.screened for tracker in trackers)

    def _next_batch(self, trackers: list[_Tracker]) -> list[_Candidate]:
        """The best candidates of as many attacks as the planner drives at a time, each with a likely way out."""
        batch: list[_Candidate] = []
        most = min(self._batch, (self._settings.drives - self._drives) // 2)
        while len(batch) < most:
            taken = {id(one.tracker) for one in batch}
            waiting = [
                _Candidate(tracker, *candidate)
                for tracker in trackers
                if not tracker.is_done and id(tracker) not in taken and (candidate := tracker.candidate()) is not None
            ]
            if not waiting:
                break
            best = min(waiting, key=lambda one: one.screened.value)
            attack, _, screened = best.item
            scenario = self._changed(attack, screened)
            if may_have_way_out(scenario, self._screen.states, self._screen.reference, screened.motion.visible_step):
                batch.append(best)
            else:
                best.tracker.survived(best.shares)
        return batch

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
            items = []
            for number in drawn:
                attack = attacks[number]
                change = attack.change(rng.random(attack.size))
                items.append((attack, change, self._screen.evaluate(attack.agent.course, change)))
            results = self._try(items, cut=False)
            solved |= {number for number, is_solved in zip(drawn, results, strict=True) if is_solved}
        return 0

    # ------------------------------------------------------------------ drives and proofs

    def _try(self, items: list[tuple[Attack, AgentChange, Screened]], *, cut: bool) -> list[bool]:
        """Drive changes and prove the failures; whether each has a certificate."""
        scenarios = [self._changed(attack, screened) for attack, _, screened in items]
        failing = list(range(len(items)))
        if cut:
            ends = [
                self._end_of(scenario, screened) for scenario, (_, _, screened) in zip(scenarios, items, strict=True)
            ]
            failing = [number for number, drive in enumerate(self._drive(ends)) if drive.failure is not None]
        whole = self._drive([DriveJob(scenario=scenarios[number]) for number in failing])
        solved = [False] * len(items)
        for number, drive in zip(failing, whole, strict=True):
            attack, change, screened = items[number]
            if drive.failure is not None:
                solved[number] = self._record(attack, change, screened, scenarios[number], drive)
        return solved

    def _changed(self, attack: Attack, screened: Screened) -> Scenario:
        return changed_scenario(self._scenario, attack.agent.course, screened.motion, attack.agent.track_id)

    def _end_of(self, scenario: Scenario, screened: Screened) -> DriveJob:
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

    def _record(
        self, attack: Attack, change: AgentChange, screened: Screened, scenario: Scenario, drive: PlannerDrive
    ) -> bool:
        assert drive.log is not None
        assert drive.failure is not None
        is_plausible = self._screen.implausibility(attack.agent.course, screened.motion) == 0.0
        certificate = None
        if is_plausible:
            certificate = certify(
                scenario, drive.log, drive.failure, self._screen.reference, screened.motion.visible_step
            )
        self._found.append(
            Found(
                attack=attack,
                change=change,
                motion=screened.motion,
                scenario=scenario if certificate is None else certificate.scenario,
                failure=drive.failure,
                log=drive.log,
                certificate=certificate,
                is_plausible=is_plausible,
            )
        )
        return certificate is not None
