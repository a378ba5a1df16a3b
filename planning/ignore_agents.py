"""A probe: what does a score give to a car that follows its route and its lights, but looks at nobody?"""

from planning.idm import IdmPlanner


class IgnoreAgentsPlanner(IdmPlanner):
    """nuPlan's IDM planner on an empty road."""

    name = "ignore_agents"
    sees_agents = False
