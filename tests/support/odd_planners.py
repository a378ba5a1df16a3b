"""Planners that fail in all the ways a planner can, and one that does not."""

import os
import signal
import time
from pathlib import Path

import numpy as np

from driving import Candidates, MapGraph, Observation, Route, Trajectory


class Straight:
    """Drives straight on at constant speed, and tells so: a planner that works."""

    name = "straight"

    def reset(self, map: MapGraph, route: Route) -> None:  # noqa: A002
        pass

    def plan(self, observation: Observation) -> Trajectory:
        time_s = np.arange(0, 8.1, 0.5)
        x, y, heading = observation.ego_now.rear_axle_pose
        ahead = observation.ego_now.speed_mps * time_s
        poses = np.stack([x + ahead * np.cos(heading), y + ahead * np.sin(heading), np.full_like(ahead, heading)], -1)
        self.plan_before = Trajectory(time_s=time_s, poses=poses)
        return self.plan_before

    def candidates(self) -> list[Candidates | None]:
        only = self.plan_before
        return [Candidates(time_s=only.time_s, poses=only.poses[np.newaxis], scores=np.ones(1), chosen=0)]


class Throws(Straight):
    name = "throws"

    def plan(self, observation: Observation) -> Trajectory:
        if observation.iteration == 3:
            raise RuntimeError("the engine fell out")
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
    """Is killed as if from outside, the first time; a file in the cache folder remembers that."""

    name = "killed_once"

    def plan(self, observation: Observation) -> Trajectory:
        mark = Path(os.environ["CAMBER_CACHE"]) / "killed-once"
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().plan(observation)
