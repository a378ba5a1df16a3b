"""`NuPlanVectorEnv`: several drives in one process, in lockstep."""

from functools import partial
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from simulation.environment.arguments import require_seed
from simulation.environment.closed_loop import NuPlanEnv
from simulation.environment.encoders import ObservationSpace
from simulation.environment.scenario_pool import scenario_pool


class NuPlanVectorEnv(SyncVectorEnv):
    """N environments that share their opened scenarios.

    Member i of `reset(seed=S)` is reset with seed S + i. For several processes, wrap single environments:
    `gymnasium.make_vec(ENVIRONMENT_ID, num_envs=N, vectorization_mode="async")`. There, a wrong action is found by
    the process of its member, and ends the vector environment.
    """

    def __init__(
        self, num_envs: int = 1, *, autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP, **arguments: Any
    ) -> None:
        """Make the members.

        Args:
            num_envs: N.
            autoreset_mode: Of Gymnasium: when a finished member starts its next episode.
            **arguments: Of `NuPlanEnv`.

        Raises:
            ValueError: When N is below 1.
        """
        if num_envs < 1:
            raise ValueError(f"A vector environment needs at least 1 member, got num_envs={num_envs}.")
        pool = scenario_pool(arguments.pop("data", None), arguments.pop("scenarios", None))
        members = [NuPlanEnv(scenarios=pool, **arguments) for _ in range(num_envs)]
        # Gymnasium would copy raw observations with their maps.
        copy = not isinstance(members[0].observation_space, ObservationSpace)
        super().__init__([partial(_itself, one) for one in members], copy=copy, autoreset_mode=autoreset_mode)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start a scenario in each member.

        Args:
            seed: S for seeds S, S + 1, ..., or one seed of each member.
            options: Of `NuPlanEnv.reset`, for each member; Gymnasium's `reset_mask` resets some of them.

        Raises:
            KeyError: When an option or the scenario is unknown.
            TypeError: When a seed or an option has a wrong type.
            ValueError: When a seed is negative, or their number wrong; no member was reset then.
        """
        if isinstance(seed, np.integer):
            seed = int(seed)
        elif seed is not None and not isinstance(seed, int):
            seed = [None if one is None else require_seed(f"seed[{number}]", one) for number, one in enumerate(seed)]
        return super().reset(seed=seed, options=options)

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Drive one step in all members.

        Raises:
            RuntimeError: Before the first reset, and when an ended member was not reset; no member has moved then.
            ValueError: When an action is wrong; no member has moved then.
        """
        if len(actions) != self.num_envs:
            raise ValueError(f"{self.num_envs} members need as many actions, got {len(actions)}. No member moved.")
        for number, (member, action) in enumerate(zip(self.envs, actions, strict=True)):
            # The action of a member that is about to be reset is not used.
            if not (self.autoreset_mode is AutoresetMode.NEXT_STEP and self._autoreset_envs[number]):
                try:
                    member.check_action(action)  # type: ignore[attr-defined]
                except ValueError as error:
                    raise ValueError(f"Member {number}: {error} No member moved.") from error
        return super().step(actions)


def _itself(member: NuPlanEnv) -> NuPlanEnv:
    return member
