"""Bridge to nuPlan's devkit: its planners in this simulator, planners of this project in the devkit's.

Imported only by planners named `devkit:...`; the devkit must be on the PYTHONPATH. See docs/extending.md.
"""
