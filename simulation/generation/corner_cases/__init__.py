"""Corner cases: rare situations from templates, each with a feasible solution as its logged ego."""
