"""`NuPlanVectorEnv`: several drives in one process, in lockstep."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from simulation.environment.arguments import require_seed, require_type
from simulation.environment.closed_loop import NuPlanEnv
from simulation.environment.encoders import ObservationSpace
from simulation.environment.scenario_pool import scenario_pool

RESET_MASK = "reset_mask"
"""Gymnasium's option that names the members to reset."""


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
            TypeError: When N is no whole number.
            ValueError: When N is below 1.
        """
        require_type("num_envs", num_envs, (int, np.integer), "a whole number")
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
            ValueError: When a seed is negative, or their number wrong. No member was reset after any of these.
        """
        if isinstance(seed, Sequence | np.ndarray) and not isinstance(seed, str) and getattr(seed, "ndim", 1) > 0:
            seed = [None if one is None else require_seed(f"seed[{number}]", one) for number, one in enumerate(seed)]
        elif seed is not None:
            seed = require_seed("seed", seed)
        require_type("options", options, (Mapping, type(None)), "a mapping, or None")
        if options is not None:
            # Gymnasium takes the mask out of the options.
            options = dict(options)
            own = {name: value for name, value in options.items() if name != RESET_MASK}
            self.envs[0].check_reset(own)  # type: ignore[attr-defined]
        ended = tuple(flags.copy() for flags in (self._terminations, self._truncations, self._autoreset_envs))
        try:
            return super().reset(seed=seed, options=options)
        except Exception:
            # Gymnasium forgets which members have ended before it finds an error.
            self._terminations, self._truncations, self._autoreset_envs = ended
            raise

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Drive one step in all members.

        Raises:
            TypeError: When the actions are no array or list; no member has moved then.
            RuntimeError: Before the first reset, and when an ended member was not reset; no member has moved then.
            ValueError: When an action is wrong; no member has moved then.
        """
        if not isinstance(actions, Sequence | np.ndarray) or np.ndim(actions) == 0:
            raise TypeError(f"Expected an action of each member, got {actions!r}. No member moved.")
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
