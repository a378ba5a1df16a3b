"""The PDM score of many motions at once, as tuPlan garage and NAVSIM define it."""
