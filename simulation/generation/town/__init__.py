"""Towns from a seed: streets and junctions, traffic that keeps the rules, and an ego that was recorded in it.

`layout` plans, `roads` and `junctions` lay the map, `network` flattens it for the kernels. `drivers`, `lights` and
`pedestrians` people it; `following` and `rules` say what each driver does, and `traffic` lets them all run. `motion`
turns places on lanes into poses, `ego` cuts what one vehicle saw, `tagging` names what happened, and `generator`
chooses which drives to record.
"""
