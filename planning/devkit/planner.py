"""A planner written for the devkit, in this project's simulator."""

from pathlib import Path

from nuplan.common.actor_state.state_representation import StateSE2
from nuplan.planning.simulation.observation.observation_type import DetectionsTracks
from nuplan.planning.simulation.planner.abstract_planner import AbstractPlanner, PlannerInitialization

from driving.map import MapGraph
from driving.observation import Observation
from driving.route import Route
from driving.trajectory import Trajectory
from planning.devkit.configuration import make_from_class, make_from_file
from planning.devkit.layers import devkit_map
from planning.devkit.states import planner_input, trajectory_of


class DevkitPlanner:
    """Wraps an `AbstractPlanner`, made anew for each scenario as the devkit does."""

    def __init__(self, spec: str) -> None:
        """Make the planner once, so that a wrong name raises now.

        Args:
            spec: `package.module:Class` or a planner YAML file.

        Raises:
            ValueError: When it cannot be made, or needs inputs that only the devkit's simulation has.
        """
        self._spec = spec
        self._planner = self._make()
        self.name = str(self._planner.name())

    def _make(self) -> AbstractPlanner:
        spec = self._spec
        planner = make_from_file(Path(spec)) if spec.endswith((".yaml", ".yml")) else make_from_class(spec)
        if not isinstance(planner, AbstractPlanner):
            raise ValueError(f"{spec} is no devkit planner: its class does not derive from AbstractPlanner.")
        if planner.requires_scenario:
            raise ValueError(f"{spec} requires the devkit's scenario object, which the bridge does not provide.")
        if planner.observation_type() is not DetectionsTracks:
            raise ValueError(
                f"{spec} requires {planner.observation_type().__name__}; the bridge provides tracked objects only."
            )
        return planner

    def reset(self, map: MapGraph, route: Route) -> None:  # noqa: A002
        """Make a new planner and initialise it.

        Raises:
            ValueError: When the route has no goal, which planners of the devkit require.
        """
        if route.goal_pose is None:
            raise ValueError("The scenario has no mission goal, which planners of the devkit require.")
        self._planner = self._make()
        self._planner.initialize(
            PlannerInitialization(
                route_roadblock_ids=[str(roadblock_id) for roadblock_id in route.roadblock_ids],
                mission_goal=StateSE2(*(float(value) for value in route.goal_pose)),
                map_api=devkit_map(map),
            )
        )

    def plan(self, observation: Observation) -> Trajectory:
        """Plan one step."""
        plan = self._planner.compute_trajectory(planner_input(observation))
        return trajectory_of(plan, observation.time_us)


def load(spec: str) -> DevkitPlanner:
    """The planner of `devkit:SPEC`."""
    return DevkitPlanner(spec)
