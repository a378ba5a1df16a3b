"""Bridge to nuPlan's official devkit, for a user who has it on the path: its planners here, ours there.

Nothing in here is imported unless a planner named `devkit:...` is asked for. See docs/extending.md.
"""
