"""Ties of shapely's STRtree: which of equally near shapes does `nearest` return?

Reactive agents often overlap several shapes at once, all at distance 0, and follow the one that the tree returns.
So the tree is built here as in GEOS, and searched with the same heap.

Source:
    GEOS 3.11, `TemplateSTRtree`, `TemplateSTRtreeDistance`; libstdc++, `push_heap`, `pop_heap`. Sorting is stable
    here; `std::sort` is too for up to 16 shapes.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from simulation.geometry.compiling import njit
from simulation.traffic.idm_shapes import MAX_X, MAX_Y, MIN_X, MIN_Y, bounds_gap

NODE_CAPACITY = 10


class _Nodes(NamedTuple):
    """Nodes of the tree: leaves first, the root last."""

    boxes: np.ndarray
    """(nodes, 4)"""
    item: np.ndarray
    """(nodes,) index of the shape of a leaf, -1 for inner nodes."""
    first_child: np.ndarray
    """(nodes,) the children of an inner node are consecutive; -1 for leaves."""
    num_children: np.ndarray


@njit(cache=True)
def nearest_in_tree(
    bounds: Float64[np.ndarray, "shapes 4"],
    distances: Float64[np.ndarray, "shapes"],
    query_bounds: Float64[np.ndarray, "4"],
) -> int:
    """Index of the shape that the tree's `nearest` returns.

    Args:
        bounds: Bounding boxes of the shapes, in the order of their insertion into the tree.
        distances: Exact distances from the query shape [m].
        query_bounds: Bounding box of the query shape.
    """
    num = len(distances)
    if num == 1:
        return 0
    capacity = 2 * num + 8
    nodes = _Nodes(
        np.empty((capacity, 4)), np.full(capacity, -1), np.full(capacity, -1), np.zeros(capacity, dtype=np.int64)
    )
    for i in range(num):
        _copy_box(bounds, i, nodes.boxes, i)
        nodes.item[i] = i
    begin, end = 0, num
    while end - begin > 1:
        made = _make_parents(nodes, begin, end)
        begin, end = end, end + made
    return _search(nodes, end - 1, distances, query_bounds)


@njit(cache=True)
def _copy_box(source: np.ndarray, i: int, target: np.ndarray, j: int) -> None:
    for side in range(4):
        target[j, side] = source[i, side]


@njit(cache=True)
def _sort_nodes(nodes: _Nodes, begin: int, end: int, axis: int) -> None:
    """Sort a range of nodes by the centres of their boxes along an axis (0 for x, 1 for y)."""
    boxes, item, first_child, num_children = nodes
    held = np.empty((1, 4))
    for i in range(begin + 1, end):
        _copy_box(boxes, i, held, 0)
        held_item, held_child, held_number = item[i], first_child[i], num_children[i]
        key = held[0, axis] + held[0, axis + 2]
        j = i - 1
        while j >= begin and key < boxes[j, axis] + boxes[j, axis + 2]:
            _copy_box(boxes, j, boxes, j + 1)
            item[j + 1], first_child[j + 1], num_children[j + 1] = item[j], first_child[j], num_children[j]
            j -= 1
        _copy_box(held, 0, boxes, j + 1)
        item[j + 1], first_child[j + 1], num_children[j + 1] = held_item, held_child, held_number


@njit(cache=True)
def _make_parents(nodes: _Nodes, begin: int, end: int) -> int:
    """Append the parents of a level of nodes; return their number."""
    boxes, item, first_child, num_children = nodes
    number = end - begin
    slices = math.ceil(math.sqrt(math.ceil(number / NODE_CAPACITY)))
    per_slice = math.ceil(number / slices)
    _sort_nodes(nodes, begin, end, 0)
    made = 0
    start = begin
    while start < end:
        stop = min(start + per_slice, end)
        _sort_nodes(nodes, start, stop, 1)
        child = start
        while child < stop:
            last = min(child + NODE_CAPACITY, stop)
            node = end + made
            _copy_box(boxes, child, boxes, node)
            for k in range(child + 1, last):
                boxes[node, MIN_X] = min(boxes[node, MIN_X], boxes[k, MIN_X])
                boxes[node, MIN_Y] = min(boxes[node, MIN_Y], boxes[k, MIN_Y])
                boxes[node, MAX_X] = max(boxes[node, MAX_X], boxes[k, MAX_X])
                boxes[node, MAX_Y] = max(boxes[node, MAX_Y], boxes[k, MAX_Y])
            item[node], first_child[node], num_children[node] = -1, child, last - child
            made += 1
            child = last
        start = stop
    return made


@njit(cache=True)
def _search(nodes: _Nodes, root: int, distances: np.ndarray, query_bounds: np.ndarray) -> int:
    boxes, item, first_child, num_children = nodes
    heap_keys = np.empty(len(boxes))
    heap_nodes = np.empty(len(boxes), dtype=np.int64)
    heap_keys[0], heap_nodes[0] = 0.0, root
    size = 1
    best, found = np.inf, -1
    while size > 0 and best > 0.0:
        key, node = heap_keys[0], heap_nodes[0]
        size = _pop(heap_keys, heap_nodes, size)
        if found >= 0 and key >= best:
            break
        if item[node] >= 0:
            best, found = key, item[node]
            continue
        for child in range(first_child[node], first_child[node] + num_children[node]):
            gap = distances[item[child]] if item[child] >= 0 else bounds_gap(boxes[child], query_bounds)
            if best == np.inf or gap < best:
                _sift_up(heap_keys, heap_nodes, size, gap, child)
                size += 1
    return found


@njit(cache=True)
def _sift_up(keys: np.ndarray, nodes: np.ndarray, hole: int, key: float, node: int) -> None:
    while hole > 0 and keys[(hole - 1) // 2] > key:
        parent = (hole - 1) // 2
        keys[hole], nodes[hole] = keys[parent], nodes[parent]
        hole = parent
    keys[hole], nodes[hole] = key, node


@njit(cache=True)
def _pop(keys: np.ndarray, nodes: np.ndarray, size: int) -> int:
    """Remove the first entry as `std::pop_heap` does: the hole sinks to the bottom, then the last entry rises."""
    size -= 1
    if size == 0:
        return 0
    key, node = keys[size], nodes[size]
    hole, child = 0, 0
    while child < (size - 1) // 2:
        child = 2 * (child + 1)
        if keys[child] > keys[child - 1]:
            child -= 1
        keys[hole], nodes[hole] = keys[child], nodes[child]
        hole = child
    if size % 2 == 0 and child == (size - 2) // 2:
        child = 2 * (child + 1)
        keys[hole], nodes[hole] = keys[child - 1], nodes[child - 1]
        hole = child - 1
    _sift_up(keys, nodes, hole, key, node)
    return size
