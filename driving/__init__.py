"""Data types of driving, which all other packages read and write."""

from driving.agents import STATIC_KINDS, AgentKind, AgentTracks, LightStatus, TrafficLights
from driving.cameras import CameraFrames, CameraRig
from driving.candidates import Candidates
from driving.ego import EgoMotion, EgoState
from driving.geometry import Polyline
from driving.map import AreaLayer, IntersectionKind, Lanes, MapGraph, Ragged, StopLineKind, TurnKind
from driving.observation import Observation
from driving.perceived import Perceived, PerceivedRoad
from driving.planner import (
    BatchedPlanner,
    ExplainsPlans,
    Planner,
    PrivilegedPlanner,
    ReportsPerception,
    check_planner,
)
from driving.recording import Mission, Recording, Tag
from driving.route import Route
from driving.routing import build_route
from driving.scenario import Scenario
from driving.trajectory import Trajectory
from driving.vehicle import PACIFICA, VehicleParameters

__all__ = [
    "PACIFICA",
    "STATIC_KINDS",
    "AgentKind",
    "AgentTracks",
    "AreaLayer",
    "BatchedPlanner",
    "CameraFrames",
    "CameraRig",
    "Candidates",
    "EgoMotion",
    "EgoState",
    "ExplainsPlans",
    "IntersectionKind",
    "Lanes",
    "LightStatus",
    "MapGraph",
    "Mission",
    "Observation",
    "Perceived",
    "PerceivedRoad",
    "Planner",
    "Polyline",
    "PrivilegedPlanner",
    "Ragged",
    "Recording",
    "ReportsPerception",
    "Route",
    "Scenario",
    "StopLineKind",
    "Tag",
    "TrafficLights",
    "Trajectory",
    "TurnKind",
    "VehicleParameters",
    "build_route",
    "check_planner",
]
