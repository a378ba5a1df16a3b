"""Which of equally near shapes shapely's STRtree calls the nearest.

Reactive agents often touch several others at once, all at distance 0, and follow the one that the tree
hands out. So the tree is built here as in GEOS, and searched with the same heap.

Source:
    GEOS 3.11, `TemplateSTRtree`, `TemplateSTRtreeDistance`; libstdc++, `push_heap`, `pop_heap`. Sorting is stable
    here; `std::sort` is too for up to 16 shapes.
"""

import math

import numpy as np

from simulation.geometry.compiling import njit
from simulation.traffic.idm_shapes import bounds_gap

NODE_CAPACITY = 10


@njit(cache=True)
def nearest_in_tree(bounds: np.ndarray, distances: np.ndarray, own_bounds: np.ndarray) -> int:
    """Index of the shape that the tree's `nearest` returns.

    Args:
        bounds: (n, 4) bounding boxes of the shapes, in the order in which they entered the tree.
        distances: (n,) true distances from the own shape.
        own_bounds: (4,) bounding box of the own shape.
    """
    num = len(distances)
    if num == 1:
        return 0
    # A node is a leaf (first_child -1) or holds children first_child ... first_child + num_children - 1.
    capacity = 2 * num + 8
    boxes = np.empty((capacity, 4))
    item = np.full(capacity, -1)
    first_child = np.full(capacity, -1)
    num_children = np.zeros(capacity, dtype=np.int64)
    for i in range(num):
        _copy_box(bounds, i, boxes, i)
        item[i] = i
    begin, end = 0, num
    while end - begin > 1:
        made = _make_parents(boxes, item, first_child, num_children, begin, end)
        begin, end = end, end + made
    return _search(boxes, item, first_child, num_children, end - 1, distances, own_bounds)


@njit(cache=True)
def _copy_box(source: np.ndarray, i: int, target: np.ndarray, j: int) -> None:
    for side in range(4):
        target[j, side] = source[i, side]


@njit(cache=True)
def _sort_nodes(
    boxes: np.ndarray,
    item: np.ndarray,
    first_child: np.ndarray,
    num_children: np.ndarray,
    lo: int,
    hi: int,
    axis: int,
) -> None:
    held = np.empty((1, 4))
    for i in range(lo + 1, hi):
        _copy_box(boxes, i, held, 0)
        what, child, number = item[i], first_child[i], num_children[i]
        key = held[0, axis] + held[0, axis + 2]
        j = i - 1
        while j >= lo and key < boxes[j, axis] + boxes[j, axis + 2]:
            _copy_box(boxes, j, boxes, j + 1)
            item[j + 1], first_child[j + 1], num_children[j + 1] = item[j], first_child[j], num_children[j]
            j -= 1
        _copy_box(held, 0, boxes, j + 1)
        item[j + 1], first_child[j + 1], num_children[j + 1] = what, child, number


@njit(cache=True)
def _make_parents(
    boxes: np.ndarray, item: np.ndarray, first_child: np.ndarray, num_children: np.ndarray, begin: int, end: int
) -> int:
    number = end - begin
    slices = math.ceil(math.sqrt(math.ceil(number / NODE_CAPACITY)))
    per_slice = math.ceil(number / slices)
    _sort_nodes(boxes, item, first_child, num_children, begin, end, 0)
    made = 0
    start = begin
    while start < end:
        stop = min(start + per_slice, end)
        _sort_nodes(boxes, item, first_child, num_children, start, stop, 1)
        child = start
        while child < stop:
            last = min(child + NODE_CAPACITY, stop)
            node = end + made
            _copy_box(boxes, child, boxes, node)
            for k in range(child + 1, last):
                boxes[node, 0] = min(boxes[node, 0], boxes[k, 0])
                boxes[node, 1] = min(boxes[node, 1], boxes[k, 1])
                boxes[node, 2] = max(boxes[node, 2], boxes[k, 2])
                boxes[node, 3] = max(boxes[node, 3], boxes[k, 3])
            item[node], first_child[node], num_children[node] = -1, child, last - child
            made += 1
            child = last
        start = stop
    return made


@njit(cache=True)
def _search(
    boxes: np.ndarray,
    item: np.ndarray,
    first_child: np.ndarray,
    num_children: np.ndarray,
    root: int,
    distances: np.ndarray,
    own_bounds: np.ndarray,
) -> int:
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
            gap = distances[item[child]] if item[child] >= 0 else bounds_gap(boxes[child], own_bounds)
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
    """Remove the first entry as `std::pop_heap` does: the hole sinks to the bottom, the last entry rises there."""
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
