"""`NuPlanEnv`: one closed-loop drive as a Gymnasium environment."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from driving.scenario import Scenario
from simulation.environment.actions import Actions, actions_of
from simulation.environment.arguments import require_seed, require_type
from simulation.environment.encoders import Encoder, NearbyEncoder
from simulation.environment.reward import DriveMonitor, RewardWeights, announce_reward_kernels, drive_up_to_now
from simulation.environment.scenario_pool import ScenarioPool, scenario_pool
from simulation.log import SimulationLog
from simulation.metrics.score import SimulationScore, compute_metrics, rule_for, score_simulation
from simulation.rollout import Rollout, traffic_mode

PLANNER_NAME = "gymnasium"
VIEW_INSTEAD = "view `env.unwrapped.log()` by scripts/view.py."
OPTIONS = ("scenario", "seed")
"""Options of `reset`."""


class NuPlanEnv(gymnasium.Env):
    """Drives scenarios in nuPlan's closed loop, `simulation.rollout.Rollout`, one step of 0.1 s at a time.

    An episode is a whole scenario, 150 steps for 15 s, and ends with nuPlan's closed-loop score. As in nuPlan, the
    action of the last step moves nothing; its observation is that of the step before.
    """

    def __init__(
        self,
        *,
        data: Path | str | None = None,
        scenarios: Iterable[str | Scenario] | ScenarioPool | None = None,
        traffic: str = "nonreactive",
        actions: str | Actions = "commands",
        encoder: Callable[[], Encoder] = NearbyEncoder,
        weights: RewardWeights | None = None,
        end_at_zero: bool = False,
        render_mode: str | None = None,
    ) -> None:
        """Prepare the scenarios; none is opened yet.

        Args:
            data: nuPlan data root; None for the hand-made scenes of `driving.synthetic.scenes`.
            scenarios: Ids (or names of hand-made scenes) to choose, or opened scenarios instead of a data root.
            traffic: A name of `simulation.rollout.TRAFFIC` with its options: `nonreactive`, `reactive`, `learned` ...
            actions: `commands`, `trajectory`, or an object as in `simulation.environment.actions`.
            encoder: Makes the encoder of the observations.
            weights: Of the reward.
            end_at_zero: End the episode as soon as the final score can only be 0 (off the road, at-fault collision).
            render_mode: None; drives are shown by `scripts/view.py` from `SimulationLog`s.

        Raises:
            FileNotFoundError: When the data root has no logs or no maps.
            KeyError: When a scenario, the traffic or the kind of actions is unknown.
            TypeError: When an argument has a wrong type.
            ValueError: When the options of the traffic are wrong, the traffic is `open_loop`, which no action drives,
                or a render mode is given.
        """
        if render_mode is not None:
            raise ValueError(f"The environment renders nothing, got render_mode={render_mode!r}; {VIEW_INSTEAD}")
        require_type("traffic", traffic, str, "a name such as `nonreactive`")
        if not callable(encoder):
            raise TypeError(f"`encoder` must be a class or a function that makes an encoder, got {encoder!r}.")
        require_type("weights", weights, (RewardWeights, type(None)), "RewardWeights or None")
        if not isinstance(end_at_zero, bool):
            raise TypeError(f"`end_at_zero` must be True or False, got {end_at_zero!r}.")
        traffic_mode(traffic)
        if traffic == "open_loop":
            raise ValueError(
                "With traffic open_loop the ego repeats the log, whatever the action; use another traffic."
            )
        announce_reward_kernels()
        self.render_mode = None
        self._pool = scenario_pool(data, scenarios)
        self._traffic = traffic
        self._actions = actions_of(actions)
        self._encoder = encoder()
        require_type("encoder()", self._encoder, Encoder, "an object with `space`, `reset` and `encode`")
        self._weights = weights or RewardWeights()
        self._end_at_zero = end_at_zero
        self.action_space = self._actions.space
        self.observation_space = self._encoder.space
        self._rollout: Rollout | None = None
        self._monitor: DriveMonitor | None = None
        self._observed: Any = None
        self._result: SimulationScore | None = None

    @property
    def scenario_names(self) -> tuple[str, ...]:
        """What `options={"scenario": ...}` may name."""
        return self._pool.names

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start a scenario: the named one, or one drawn at random.

        A refused option affects neither the running episode nor later draws.

        Args:
            seed: Of the draws of scenarios and of traffic seeds, from here on.
            options: `scenario`, a name or id; `seed`, the seed of traffic that draws random numbers.

        Raises:
            KeyError: When an option or the scenario is unknown.
            TypeError: When `options` is no mapping, its `scenario` no text, or a seed no whole number.
            ValueError: When a seed is negative, or the scenario cannot be opened.
        """
        name = self.check_reset(options)
        options = {} if options is None else options
        super().reset(seed=None if seed is None else require_seed("seed", seed))
        # Both are drawn always, so that the order of scenarios does not depend on options.
        drawn = self._pool.names[int(self.np_random.integers(len(self._pool.names)))]
        drawn_seed = int(self.np_random.integers(2**32))
        scenario = self._pool.open(name or drawn)
        traffic_seed = int(options.get("seed", drawn_seed))
        rollout = Rollout(scenario, traffic=self._traffic, planner_name=PLANNER_NAME, seed=traffic_seed)
        self._encoder.reset(scenario.map, scenario.route)
        self._observed = self._encoder.encode(rollout.observation())
        self._rollout, self._monitor, self._result = rollout, DriveMonitor(rollout), None
        info = {
            "scenario": scenario.scenario_id,
            "scenario_type": scenario.scenario_type,
            "log_name": scenario.log_name,
            "traffic_seed": traffic_seed,
        }
        return self._observed, {**info, **self._running_info(self._monitor)}

    def check_reset(self, options: Mapping[str, Any] | None) -> str | None:
        """Raise what `reset` would raise for wrong options; change nothing.

        Returns:
            The name of the scenario that the options name, which can be opened.

        Raises:
            KeyError: When an option or the scenario is unknown.
            TypeError: When `options` is no mapping, its `scenario` no text, or its `seed` no whole number.
            ValueError: When the seed is negative, or the scenario cannot be opened.
        """
        options = {} if options is None else options
        require_type("options", options, Mapping, f"a mapping with the keys {' and '.join(OPTIONS)}")
        unknown = sorted(str(one) for one in set(options) - set(OPTIONS))
        if unknown:
            raise KeyError(f"reset takes the options {' and '.join(OPTIONS)}, got {', '.join(unknown)}.")
        if "seed" in options:
            require_seed("seed", options["seed"])
        named = options.get("scenario")
        if named is None:
            return None
        require_type("scenario", named, str, "a name or id of a scenario")
        name = self._pool.name_of(named)
        self._pool.open(name)
        return name

    def check_action(self, action: Any) -> None:
        """Raise the sentence that `step` would raise for a wrong action; change nothing.

        Raises:
            RuntimeError: Before the first reset, and after the end of an episode.
            ValueError: When the action has a wrong shape, is NaN or out of range, or a trajectory cannot be driven.
        """
        self._actions.check(self._running()[0], action)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Drive one step.

        Raises:
            RuntimeError: Before the first reset, and after the end of an episode.
            ValueError: When the action has a wrong shape, is NaN or out of range, or a trajectory cannot be driven;
                nothing was driven then.
        """
        rollout, monitor = self._running()
        self._actions.drive(rollout, action)
        terms = monitor.step()
        reward = terms.reward(self._weights)
        info = self._running_info(monitor)
        ended = rollout.is_finished or (self._end_at_zero and monitor.scores_zero)
        if not rollout.is_finished:
            self._observed = self._encoder.encode(rollout.observation())
        if ended:
            result = self._result = self._score(rollout)
            reward += self._weights.score * result.score
            info.update(_final_info(result))
        return self._observed, reward, ended, False, info

    @property
    def result(self) -> SimulationScore:
        """Score and metrics of the finished episode, with series and violations.

        Raises:
            RuntimeError: Before the end of the episode.
        """
        if self._result is None:
            raise RuntimeError("The episode has not ended: there is no score yet.")
        return self._result

    def render(self) -> None:
        """Refuse: the environment renders nothing.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError(f"The environment renders nothing; {VIEW_INSTEAD}")

    def log(self) -> SimulationLog:
        """The drive up to now as a simulation log, for the viewer.

        Raises:
            RuntimeError: Before the first step.
        """
        if self._rollout is None:
            raise RuntimeError("Nothing was driven yet: call reset() and step() first.")
        return self._rollout.log()

    def _running(self) -> tuple[Rollout, DriveMonitor]:
        if self._rollout is None or self._monitor is None or self._result is not None:
            raise RuntimeError("The episode has ended or was never started: call reset() before step().")
        return self._rollout, self._monitor

    def _score(self, rollout: Rollout) -> SimulationScore:
        if rollout.is_finished:
            return score_simulation(rollout.log(), rollout.scenario)
        # Ended early: the instant of the failure is not part of the log.
        rule = rule_for(self._traffic)
        metrics = compute_metrics(drive_up_to_now(rollout), (*rule.scored, *rule.helpers))[0]
        return SimulationScore(score=0.0, metrics=metrics)

    @staticmethod
    def _running_info(monitor: DriveMonitor) -> dict[str, Any]:
        return {
            "progress": monitor.progress,
            "off_road": monitor.is_off_road,
            "collision_score": monitor.collision_score,
        }


def _final_info(result: SimulationScore) -> dict[str, Any]:
    scores = {name: metric.score for name, metric in result.metrics.items()}
    return {
        "score": result.score,
        "metrics": {name: np.nan if score is None else score for name, score in scores.items()},
        "violations": {
            name: metric.first_violation.sentence
            for name, metric in result.metrics.items()
            if metric.first_violation is not None
        },
    }
