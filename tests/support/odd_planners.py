"""Planners that fail in many ways, and some that work."""

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from driving import Candidates, MapGraph, Observation, Route, Scenario, Trajectory


class Straight:
    """Drives straight on at constant speed and reports one candidate: a planner that works."""

    name = "straight"

    def reset(self, map: MapGraph, route: Route) -> None:  # noqa: A002
        pass

    def plan(self, observation: Observation) -> Trajectory:
        time_s = np.arange(0, 8.1, 0.5)
        x, y, heading = observation.ego_now.rear_axle_pose
        ahead = observation.ego_now.speed_mps * time_s
        poses = np.stack([x + ahead * np.cos(heading), y + ahead * np.sin(heading), np.full_like(ahead, heading)], -1)
        self.last_plans = [Trajectory(time_s=time_s, poses=poses)]
        return self.last_plans[0]

    def candidates(self) -> list[Candidates | None]:
        return [
            Candidates(time_s=plan.time_s, poses=plan.poses[np.newaxis], scores=np.ones(1), chosen=0)
            for plan in self.last_plans
        ]


class ReadsImages(Straight):
    """Fails unless the front camera shows something and the rear camera is black."""

    name = "reads_images"

    def plan(self, observation: Observation) -> Trajectory:
        if observation.iteration % 50 == 0:
            assert observation.cameras is not None
            front, back = (observation.cameras.image(camera) for camera in (0, 3))
            assert front.any()
            assert not back.any()
        return super().plan(observation)


class StraightBatched(Straight):
    """The same for many scenarios per query."""

    name = "straight_batched"

    def plan_batch(self, observations: Sequence[Observation]) -> list[Trajectory]:
        plans = [self.plan(observation) for observation in observations]
        self.last_plans = plans
        return plans


class WithArguments(StraightBatched):
    """Needs an argument; its device and arguments are its name."""

    def __init__(self, checkpoint: Path, device: str, scale: float = 1.0, parts: tuple[str, ...] = ()) -> None:
        self.name = f"{checkpoint}|{device}|{scale}|{','.join(parts)}"
        self.device = device


class ReportsItsDevice(Straight):
    """Fails with its device and the GPUs that Ray or the parent process makes visible."""

    name = "reports_its_device"

    def __init__(self, device: str = "cpu") -> None:
        self.device = device

    def plan(self, observation: Observation) -> Trajectory:
        raise RuntimeError(f"runs on {self.device}, visible {os.environ.get('CUDA_VISIBLE_DEVICES')}")


class FailsOnEmptyRoads(StraightBatched):
    """Fails at step 2 of a scenario without agents."""

    name = "fails_on_empty_roads"

    def plan(self, observation: Observation) -> Trajectory:
        if observation.iteration == 2 and observation.agents.num_agents == 0:
            raise RuntimeError("nothing to see")
        return super().plan(observation)


class KillsOnEmptyRoads(StraightBatched):
    """Ends its process in a scenario without agents."""

    name = "kills_on_empty_roads"

    def plan(self, observation: Observation) -> Trajectory:
        if observation.agents.num_agents == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().plan(observation)


class WritesIntoItsScenario(Straight):
    """Moves the logged ego of the scenario that it receives."""

    name = "writes_into_its_scenario"

    def reset_with_scenario(self, scenario: Scenario) -> None:
        scenario.ego.rear_axle_poses[...] += 1000.0
        scenario.route.centerline[...] = 0.0
        raise RuntimeError(f"the ego starts at {scenario.logged_ego_pose(0)[0]:.1f}")


class Throws(Straight):
    name = "throws"

    def plan(self, observation: Observation) -> Trajectory:
        if observation.iteration == 3:
            raise RuntimeError("the engine failed")
        return super().plan(observation)


class Hangs(Straight):
    name = "hangs"

    def plan(self, observation: Observation) -> Trajectory:
        time.sleep(60.0)
        return super().plan(observation)


class HangsDeaf(Straight):
    """Hangs where the alarm signal does not reach."""

    name = "hangs_deaf"

    def plan(self, observation: Observation) -> Trajectory:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
        time.sleep(60.0)
        return super().plan(observation)


class Nan(Straight):
    name = "nan"

    def plan(self, observation: Observation) -> Trajectory:
        plan = super().plan(observation)
        return Trajectory(time_s=plan.time_s, poses=plan.poses * np.nan)


class EgoFrame(Straight):
    name = "ego_frame"

    def plan(self, observation: Observation) -> Trajectory:
        plan = super().plan(observation)
        return Trajectory(time_s=plan.time_s, poses=plan.in_frame_of(observation.ego_now.rear_axle_pose))


class TooShort(Straight):
    name = "too_short"

    def plan(self, observation: Observation) -> Trajectory:
        plan = super().plan(observation)
        return Trajectory(time_s=plan.time_s[:2] * 0.1, poses=plan.poses[:2])


class Exits(Straight):
    name = "exits"

    def plan(self, observation: Observation) -> Trajectory:
        raise SystemExit(3)


class KillsItsProcess(Straight):
    name = "kills_its_process"

    def plan(self, observation: Observation) -> Trajectory:
        os.kill(os.getpid(), signal.SIGKILL)
        return super().plan(observation)


class KilledOnce(Straight):
    """Is killed the first time, as if from outside; a file in the cache folder marks that."""

    name = "killed_once"

    def plan(self, observation: Observation) -> Trajectory:
        mark = Path(os.environ["CAMBER_CACHE"]) / "killed-once"
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().plan(observation)
