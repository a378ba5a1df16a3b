"""Copies of template meshes at many places, without a loop over the copies."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int8, Int64, UInt8

from simulation.rendering.mesh_parts import Material, Mesh


class Template(NamedTuple):
    """A mesh whose triangles get colours of the copy."""

    mesh: Mesh
    tints: Int8[np.ndarray, "triangles"]
    """Index of the copy's colour of a triangle; -1 keeps the colour of the mesh."""


class Copies(NamedTuple):
    """N places of a template."""

    centres_m: Float64[np.ndarray, "copies 2"]
    """Relative to the origin of the joined mesh."""
    headings: Float64[np.ndarray, "copies"]
    scales: Float64[np.ndarray, "copies 3"]
    """Of the axes of the template."""
    colours: UInt8[np.ndarray, "copies tints 3"]


def template_of(mesh: Mesh, *tint_colours: tuple[int, int, int]) -> Template:
    """A template in which triangles of the k-th given colour take the k-th colour of the copy."""
    tints = np.full(len(mesh), -1, dtype=np.int8)
    for index, colour in enumerate(tint_colours):
        tints[(mesh.colours == np.array(colour)).all(axis=1)] = index
    return Template(mesh, tints)


def stamped(template: Template, copies: Copies) -> Mesh:
    """All copies in one mesh, copy by copy."""
    mesh, (count, parts) = template.mesh, (len(copies.headings), len(template.mesh.vertices_m))
    points = mesh.vertices_m.astype(np.float64) * copies.scales[:, np.newaxis]
    cos, sin = np.cos(copies.headings)[:, np.newaxis], np.sin(copies.headings)[:, np.newaxis]
    vertices = np.empty((count, parts, 3), dtype=np.float32)
    vertices[..., 0] = copies.centres_m[:, :1] + cos * points[..., 0] - sin * points[..., 1]
    vertices[..., 1] = copies.centres_m[:, 1:] + sin * points[..., 0] + cos * points[..., 1]
    vertices[..., 2] = points[..., 2]
    colours = np.broadcast_to(mesh.colours, (count, *mesh.colours.shape)).copy()
    is_tinted = template.tints >= 0
    colours[:, is_tinted] = copies.colours[:, template.tints[is_tinted]]
    uv_m = np.zeros((count, len(mesh), 3, 2), dtype=np.float32)
    for row in np.flatnonzero(mesh.materials == Material.FACADE):
        corners = mesh.vertices_m[mesh.triangles[row]]
        along = int(np.ptp(corners[:, 1]) > np.ptp(corners[:, 0]))
        uv_m[:, row] = mesh.uv_m[row] * copies.scales[:, np.newaxis, [along, 2]]
    triangles = mesh.triangles + (np.arange(count, dtype=np.int32) * parts)[:, np.newaxis, np.newaxis]
    return Mesh(
        vertices_m=vertices.reshape(-1, 3),
        triangles=triangles.reshape(-1, 3),
        colours=colours.reshape(-1, 3),
        materials=np.tile(mesh.materials, count),
        uv_m=uv_m.reshape(-1, 3, 2),
    )


def joined(meshes: Sequence[Mesh]) -> Mesh:
    """One mesh of several, in their order."""
    offsets = np.cumsum([0, *(len(mesh.vertices_m) for mesh in meshes)])
    parts = [mesh.triangles + np.int32(offset) for mesh, offset in zip(meshes, offsets[:-1], strict=True)]
    return Mesh(
        vertices_m=np.concatenate([np.zeros((0, 3), dtype=np.float32), *(mesh.vertices_m for mesh in meshes)]),
        triangles=np.concatenate([np.zeros((0, 3), dtype=np.int32), *parts]),
        colours=np.concatenate([np.zeros((0, 3), dtype=np.uint8), *(mesh.colours for mesh in meshes)]),
        materials=np.concatenate([np.zeros(0, dtype=np.uint8), *(mesh.materials for mesh in meshes)]),
        uv_m=np.concatenate([np.zeros((0, 3, 2), dtype=np.float32), *(mesh.uv_m for mesh in meshes)]),
    )


def ranges(begins: Int64[np.ndarray, "rows"], ends: Int64[np.ndarray, "rows"]) -> Int64[np.ndarray, "total"]:
    """All integers from each begin to its end (exclusive), concatenated."""
    counts = ends - begins
    return np.arange(counts.sum()) + np.repeat(begins - (np.cumsum(counts) - counts), counts)
