"""Towns from a seed: streets and junctions, traffic that keeps the rules, and recordings of drives.

The stages in order: `layout` plans; `roads` and `junctions` build the map; `network`, `foot_network` and `lights`
make the tables of the kernels; `drivers` and `pedestrians` draw the population; `traffic` simulates it with
`following`,
`lane_changes` and `right_of_way`; `motion` computes poses; `tagging` detects scenario types; `clip_selection`,
`recorder` and `missions` make the recordings; `generator` runs all stages.
"""
