import numpy as np
import pytest
import shapely
from shapely.geometry import LineString, Point

from driving.geometry import arc_lengths as plain_arc_lengths
from simulation.geometry.polylines import (
    arc_lengths,
    chunked_line,
    first_within,
    interpolate,
    nearest_on_line,
    project,
    project_chunked,
    segment_at,
)


def test_compiled_and_plain_arc_lengths_are_equal(bend):
    np.testing.assert_allclose(arc_lengths(bend), plain_arc_lengths(bend), rtol=0, atol=1e-12)


def test_projection_and_interpolation_agree_with_shapely(bend, origin):
    arc, line = arc_lengths(bend), LineString(bend)
    rng = np.random.default_rng(3)
    for point in origin + rng.uniform(-40, 60, (300, 2)):
        assert project(bend, arc, *point) == pytest.approx(line.project(shapely.Point(point)), abs=1e-7)
    for along in np.linspace(-3, arc[-1] + 3, 50):
        x, y, _ = interpolate(bend, arc, along)
        expected = line.interpolate(np.clip(along, 0, arc[-1]))
        assert (x, y) == pytest.approx((expected.x, expected.y), abs=1e-7)


@pytest.fixture(scope="module")
def walk(origin):
    """A random walk of 100 vertices, with a repeated one: it crosses itself and leaves the last chunk half filled."""
    steps = np.random.default_rng(5).normal(0.0, 4.0, (100, 2))
    steps[50] = 0.0
    return origin + np.cumsum(steps, axis=0)


def test_chunks_bound_eight_segments_each(walk):
    line = chunked_line(walk)
    assert line.chunks.shape == (13, 4)
    np.testing.assert_array_equal(line.chunks[0], [*walk[:9].min(axis=0), *walk[:9].max(axis=0)])
    np.testing.assert_array_equal(line.chunks[12], [*walk[96:].min(axis=0), *walk[96:].max(axis=0)])


def test_projection_by_chunks_equals_projection_by_segments(walk, origin):
    line = chunked_line(walk)
    shape = LineString(walk)
    for point in origin + np.random.default_rng(6).uniform(-60, 60, (500, 2)):
        squared, along = nearest_on_line(line, *point)
        assert along == project_chunked(line, *point) == project(line.points, line.arc, *point)
        assert np.sqrt(squared) == pytest.approx(shape.distance(Point(point)), abs=1e-8)


def test_of_equally_near_places_the_first_counts():
    # The line visits (0, 1) and (0, -1), both 1 m from the origin, in different chunks.
    points = np.array(
        [[-9.0, 1.0], [0.0, 1.0], *([x, 9.0] for x in range(10)), [20.0, 9.0], [20.0, -1.0], [0.0, -1.0]]
    )
    line = chunked_line(points)
    assert nearest_on_line(line, 0.0, 0.0) == (1.0, 9.0)


def test_the_first_chunk_within_the_limit_is_found_from_any_start(walk, origin):
    line = chunked_line(walk)
    near = np.array([1, 4, 5, 9, 12])
    distances = [[LineString(walk[8 * c : 8 * c + 9]).distance(Point(p)) for c in near] for p in walk[::7]]
    for point, gaps in zip(walk[::7], distances, strict=True):
        for start in range(len(near)):
            order = [*range(start, len(near)), *range(start)]
            expected = next((k for k in order if gaps[k] <= 3.0), -1)
            assert first_within(line, near, start, tuple(point), 3.0) == expected


def test_headings_of_a_line_are_those_of_its_segments():
    points = np.array([[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]])
    arc = arc_lengths(points)
    assert [segment_at(arc, along) for along in (-1.0, 0.0, 2.9, 3.0, 7.0, 9.0)] == [0, 0, 0, 1, 1, 1]
    assert interpolate(points, arc, 3.0) == (3.0, 0.0, np.pi / 2)
    assert interpolate(points, arc, 5.0) == (3.0, 2.0, np.pi / 2)
