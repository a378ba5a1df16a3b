"""A probe for scores: route and traffic lights are followed, agents are ignored."""

from planning.idm import IdmPlanner


class IgnoreAgentsPlanner(IdmPlanner):
    """nuPlan's IDM planner without agents."""

    name = "ignore_agents"
    observes_agents = False
