import numpy as np
import pytest

from driving import TurnKind
from driving.connectors import connector_links, turn_kind_of


@pytest.mark.parametrize(
    ("turn_deg", "kind"),
    [
        (0.0, TurnKind.STRAIGHT),
        (29.0, TurnKind.STRAIGHT),
        (31.0, TurnKind.LEFT),
        (-31.0, TurnKind.RIGHT),
        (149.0, TurnKind.LEFT),
        (151.0, TurnKind.UTURN),
        (-151.0, TurnKind.UTURN),
    ],
)
@pytest.mark.parametrize("start_deg", [0.0, 100.0, -170.0])
def test_the_turn_kind_depends_on_the_change_of_heading_only(turn_deg, kind, start_deg):
    headings = np.radians(start_deg + np.linspace(0.0, turn_deg, 9))
    steps = np.stack([np.cos(headings), np.sin(headings)], axis=-1)
    line = np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])
    assert turn_kind_of(line, np.radians(30.0)) == kind


def test_links_lead_from_lane_to_connector_to_lane():
    # Lanes 0 to 2; connectors 3 (0 to 1) and 4 (0 to 2).
    successors, predecessors = connector_links(3, np.array([[0, 1], [0, 2]]))
    assert [row.tolist() for row in (successors[row] for row in range(5))] == [[3, 4], [], [], [1], [2]]
    assert [row.tolist() for row in (predecessors[row] for row in range(5))] == [[], [3], [4], [0], [0]]


def test_a_map_without_connectors_has_no_links():
    successors, predecessors = connector_links(2, np.zeros((0, 2), dtype=np.int64))
    assert len(successors[0]) == len(predecessors[1]) == 0
