"""nuPlan's exact closed loop and score as Gymnasium environments; importing this package registers their id.

    import gymnasium, simulation.environment
    env = gymnasium.make("camber/NuPlanClosedLoop-v0")              # hand-made scenes; data=DIR for a data root
    envs = gymnasium.make_vec("camber/NuPlanClosedLoop-v0", num_envs=8)

See docs/environment.md for actions, observations and rewards.
"""

import gymnasium

ENVIRONMENT_ID = "camber/NuPlanClosedLoop-v0"
"""Name for `gymnasium.make` and `gymnasium.make_vec`."""

if ENVIRONMENT_ID not in gymnasium.registry:
    gymnasium.register(
        id=ENVIRONMENT_ID,
        entry_point="simulation.environment.closed_loop:NuPlanEnv",
        vector_entry_point="simulation.environment.vector:NuPlanVectorEnv",
        # Gymnasium's checker raises at each step after a refused first `reset`; the environment checks its input.
        disable_env_checker=True,
    )
