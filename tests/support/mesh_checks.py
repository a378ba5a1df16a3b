"""Properties of meshes for the tests of rendering."""

from collections import Counter

import numpy as np

from simulation.rendering.mesh_parts import Mesh


def parts_of(mesh: Mesh) -> list[np.ndarray]:
    """Triangles of each part; parts share no vertex, and the triangles of a part are consecutive."""
    reach = np.maximum.accumulate(mesh.triangles.max(axis=1))
    starts = np.flatnonzero(mesh.triangles.min(axis=1)[1:] > reach[:-1]) + 1
    return np.split(mesh.triangles, starts)


def is_closed(triangles: np.ndarray) -> bool:
    """Whether each edge belongs to two triangles, in opposite directions."""
    edges = triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    counts = Counter(map(tuple, edges.tolist()))
    return all(count == 1 and counts[(end, start)] == 1 for (start, end), count in counts.items())


def signed_volume_m3(mesh: Mesh, triangles: np.ndarray) -> float:
    return float(np.linalg.det(mesh.vertices_m[triangles].astype(float)).sum() / 6)


def normals_of(mesh: Mesh) -> np.ndarray:
    a, b, c = np.moveaxis(mesh.vertices_m[mesh.triangles].astype(float), 1, 0)
    normals = np.cross(b - a, c - a)
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)
