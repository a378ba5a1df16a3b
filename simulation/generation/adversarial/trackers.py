"""Evolution strategies of attacks: draw changes, screen them, and move away from those that did not help."""

import numpy as np
from jaxtyping import Float64

from simulation.generation.adversarial.manoeuvres import Attack
from simulation.generation.adversarial.results import SearchSettings
from simulation.generation.adversarial.screening import HARMLESS, Screen, Screened

SIGMA = 0.3
"""Initial standard deviation in the unit cube."""
HOPELESS_GENERATIONS = 4
"""Generations after which an attack without any contact is given up; one of a learned policy after the first."""
GOOD_VALUE = 0.1
"""Value of the screen from which an attack is driven without further generations."""
NEARBY = 0.12
"""Distance in the unit cube, per square root of its dimension, within which candidates are alike."""
SURVIVED_COST = 1.0


class AttackTracker:
    """An attack with its evolution strategy."""

    def __init__(self, attack: Attack, screen: Screen, settings: SearchSettings, seed: int) -> None:
        from cmaes import SepCMA

        self.attack = attack
        self._screen = screen
        blocks = attack.blocks
        self._generations = settings.generations_per_block if blocks else settings.generations
        self._hopeless_generations = HOPELESS_GENERATIONS
        if attack.is_policy:
            self._generations, self._hopeless_generations = settings.generations_per_policy, 1
        self._most_drives = settings.drives_per_block if blocks else settings.drives_per_attack
        self._most_refusals = settings.refusals_per_block if blocks else settings.refusals_per_attack
        bounds = np.tile([0.0, 1.0], (attack.size, 1))
        self._strategy = SepCMA(
            mean=np.full(attack.size, 0.5),
            sigma=SIGMA,
            bounds=bounds,
            seed=seed % 2**32,  # The library takes 32 bits.
            population_size=settings.population,
        )
        self._known: list[tuple[Float64[np.ndarray, numbers], Screened]] = []
        self._tried: list[Float64[np.ndarray, numbers]] = []
        self._drives, self._refusals = 0, 0
        self.is_done = False
        self.screened = 0

    def prepare(self) -> None:
        """The generations before the first drive."""
        for generation in range(self._generations):
            self.generation()
            best = min(screened.value for _, screened in self._known)
            if best < GOOD_VALUE:
                return
            if generation + 1 == self._hopeless_generations and best >= HARMLESS:
                self.is_done = True
                return

    def generation(self) -> None:
        """Draw, screen, and update the strategy."""
        valued = []
        for _ in range(self._strategy.population_size):
            shares = self._strategy.ask()
            screened = self._screen.evaluate(
                self.attack.agent.course, self.attack.change(shares), blocks=self.attack.blocks
            )
            self._known.append((shares, screened))
            valued.append((shares, screened.value + SURVIVED_COST * self._closeness(shares)))
        self.screened += len(valued)
        self._strategy.tell(valued)

    def _closeness(self, shares: Float64[np.ndarray, "numbers"]) -> float:
        """1 for a change that was driven or refused, 0 far from all."""
        scale = NEARBY * np.sqrt(len(shares))
        gaps = [float(np.linalg.norm(shares - other)) / scale for other in self._tried]
        return max((float(np.exp(-(gap**2))) for gap in gaps), default=0.0)

    def candidate(self) -> tuple[Float64[np.ndarray, "numbers"], Screened] | None:
        """The best change that is unlike all driven and refused ones; None when there is none."""
        fresh = [one for one in self._known if one[1].is_worth_a_drive and self._closeness(one[0]) < 0.3]
        return min(fresh, key=lambda one: one[1].value, default=None)

    def survived(self, shares: Float64[np.ndarray, "numbers"]) -> None:
        """Move on from a change that was driven without a solved failure."""
        self._tried.append(shares)
        self._drives += 1
        self._go_on(self._drives >= self._most_drives, generations=2)

    def refused(self, shares: Float64[np.ndarray, "numbers"]) -> None:
        """Move on from a change that is too rare, or has no likely way out."""
        self._tried.append(shares)
        self._refusals += 1
        self._go_on(self._refusals >= self._most_refusals, generations=1)

    def _go_on(self, is_done: bool, generations: int) -> None:
        self.is_done = is_done
        for _ in range(0 if is_done else generations):
            self.generation()
