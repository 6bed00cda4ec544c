"""The loops of the training kernel, compiled by numba: preconditioned conjugate gradients for many rows.

A row's normal equations are ``(diag(d) + Y' W Y) x = Y' W 1``, with Y the factors of the n columns that
it has entries in and ``d = alpha0 * gram + penalty``, diagonal since both sides are kept in the eigenbasis
of the fixed side's Gram matrix. So a step of conjugate gradients costs n k, not k^2 + n k (Takacs,
Pilaszy, Tikk 2011, have the dense form), and dividing by d preconditions it (Shewchuk 1994, section 12).
Directions are conjugate, so a step times w (`stretch`) raises the quadratic for no w below 2.

Rows are solved in groups. A short row is a group of its own: its columns stay in the first cache from one
product to the next. Those of a long row do not, so long rows are solved together, tile by tile of the fixed
factors, which stay in the second cache meanwhile.

The compiler vectorises the inner loops: k is a constant to it, rows are contiguous, and sums may be
reordered (fastmath). Four columns at a time keep that many cache misses in flight.

Numba knows what it has cached by this file alone: what the entry points call has to stand here too.
"""

import numpy as np

from app.compilation import compiled

LANES = 16
"""The number of factors is a multiple of this."""
ZERO, ONE = np.float32(0), np.float32(1)
SOLVED = np.float32(1e-30)
"""Squared residual below which a further step would divide by a number that has underflowed."""

fast = compiled(fastmath=True, error_model="numpy")


@fast
def solve_short(  # type: ignore[no-untyped-def]
    lanes, first, last, most, indptr, indices, weights, linear, fixed, shared, penalties, steps, stretch, out
):
    """Improve out[first:last] in place, but for rows with more entries than `most`; empty ones become zero.

    `len(lanes)` makes k a constant to the compiler.
    """
    rows, ends, scratch = np.empty(1, np.int64), np.empty((1, 2), np.int64), room(lanes, 1)
    for row in range(first, last):
        entries = indptr[row + 1] - indptr[row]
        if entries == 0:
            out[row] = 0
        elif entries <= most:
            rows[0], ends[0, 0], ends[0, 1] = row, indptr[row], indptr[row + 1]
            group = (rows, ends, indices, weights, linear, fixed)
            solve_group(lanes, group, shared, penalties, steps, stretch, out, scratch)


@fast
def solve_long(  # type: ignore[no-untyped-def]
    lanes, rows, tile, indptr, indices, weights, linear, fixed, shared, penalties, steps, stretch, out
):
    """Improve these rows of `out` in place, `tile` rows of `fixed` at a time."""
    tiles = -(-len(fixed) // tile)
    ends = np.empty((len(rows), tiles + 1), np.int64)
    for i in range(len(rows)):
        ends[i, 0] = place = indptr[rows[i]]
        for t in range(tiles):
            while place < indptr[rows[i] + 1] and indices[place] < (t + 1) * tile:
                place += 1
            ends[i, t + 1] = place
        ends[i, tiles] = indptr[rows[i] + 1]
    group = (rows, ends, indices, weights, linear, fixed)
    solve_group(lanes, group, shared, penalties, steps, stretch, out, room(lanes, len(rows)))


@fast
def room(lanes, rows):  # type: ignore[no-untyped-def]
    """For diagonals, residuals, directions, images [rows, k] each, norms and curvatures [rows]."""
    wide, narrow = np.empty((4, rows, LANES * len(lanes)), np.float32), np.empty((2, rows), np.float32)
    return wide[0], wide[1], wide[2], wide[3], narrow[0], narrow[1]


@fast
def solve_group(lanes, group, shared, penalties, steps, stretch, out, scratch):  # type: ignore[no-untyped-def]
    """Improve the rows of a group by `steps` of preconditioned conjugate gradients.

    The residual after the last step is not needed: there the dot products alone suffice.
    """
    rows, k = group[0], LANES * len(lanes)
    diagonal, residual, direction, image, norm, curvature = scratch
    for i in range(len(rows)):
        x = out[rows[i]]
        for f in range(k):
            diagonal[i, f] = shared[f] + penalties[rows[i]]
            residual[i, f] = -diagonal[i, f] * x[f]
            direction[i, f] = x[f]
    add_products(lanes, group, direction, ONE, -ONE, residual)
    for i in range(len(rows)):
        norm[i] = turn_direction(lanes, residual[i], diagonal[i], ZERO, direction[i])
    for step in range(steps):
        for i in range(len(rows)):
            for f in range(k):
                image[i, f] = diagonal[i, f] * direction[i, f]
            curvature[i] = dot(lanes, direction[i], image[i])
        if step == steps - 1:
            add_squares(lanes, group, direction, curvature)
        else:
            add_products(lanes, group, direction, ZERO, ONE, image)
        for i in range(len(rows)):
            if norm[i] < SOLVED:
                continue
            if step == steps - 1:
                add_multiple(lanes, stretch * norm[i] / curvature[i], direction[i], out[rows[i]])
                continue
            length = norm[i] / dot(lanes, direction[i], image[i])
            add_multiple(lanes, stretch * length, direction[i], out[rows[i]])
            add_multiple(lanes, -length, image[i], residual[i])
            norm[i] = turn_direction(lanes, residual[i], diagonal[i], norm[i], direction[i])


@fast
def add_products(lanes, group, vectors, target, sign, out):  # type: ignore[no-untyped-def]
    """`add_product` for each row i of the group, from vectors[i] to out[i], tile by tile."""
    rows, ends, columns, weights, linear, fixed = group
    for tile in range(ends.shape[1] - 1):
        for i in range(len(rows)):
            part = slice(ends[i, tile], ends[i, tile + 1])
            add_product(lanes, columns[part], weights[part], linear, fixed, vectors[i], target, sign, out[i])


@fast
def add_product(  # type: ignore[no-untyped-def]
    lanes, columns, weights, linear, fixed, vector, target, sign, out
):
    """out [k] += sum over the n entries of (target * (weight + linear) + sign * weight * y.vector) * y."""
    k = LANES * len(lanes)
    n, extra = len(columns), target * linear
    for e in range(0, n - 3, 4):
        y0, y1 = fixed[columns[e]], fixed[columns[e + 1]]
        y2, y3 = fixed[columns[e + 2]], fixed[columns[e + 3]]
        dot0 = dot1 = dot2 = dot3 = ZERO
        for f in range(k):
            dot0 += vector[f] * y0[f]
            dot1 += vector[f] * y1[f]
            dot2 += vector[f] * y2[f]
            dot3 += vector[f] * y3[f]
        c0, c1 = extra + weights[e] * (target + sign * dot0), extra + weights[e + 1] * (target + sign * dot1)
        c2, c3 = (
            extra + weights[e + 2] * (target + sign * dot2),
            extra + weights[e + 3] * (target + sign * dot3),
        )
        for f in range(k):
            out[f] += c0 * y0[f] + c1 * y1[f] + c2 * y2[f] + c3 * y3[f]
    for e in range(n - n % 4, n):
        y = fixed[columns[e]]
        add_multiple(lanes, extra + weights[e] * (target + sign * dot(lanes, vector, y)), y, out)


@fast
def add_squares(lanes, group, vectors, out):  # type: ignore[no-untyped-def]
    """out[i] += the sum of weight * (y.vectors[i])^2 over the entries of each row i, tile by tile."""
    k = LANES * len(lanes)
    rows, ends, columns, weights, _, fixed = group
    for tile in range(ends.shape[1] - 1):
        for i in range(len(rows)):
            vector, first, last, total = vectors[i], ends[i, tile], ends[i, tile + 1], ZERO
            last4 = last - (last - first) % 4
            for e in range(first, last4, 4):
                y0, y1 = fixed[columns[e]], fixed[columns[e + 1]]
                y2, y3 = fixed[columns[e + 2]], fixed[columns[e + 3]]
                dot0 = dot1 = dot2 = dot3 = ZERO
                for f in range(k):
                    dot0 += vector[f] * y0[f]
                    dot1 += vector[f] * y1[f]
                    dot2 += vector[f] * y2[f]
                    dot3 += vector[f] * y3[f]
                total += weights[e] * dot0 * dot0 + weights[e + 1] * dot1 * dot1
                total += weights[e + 2] * dot2 * dot2 + weights[e + 3] * dot3 * dot3
            for e in range(last4, last):
                one = dot(lanes, vector, fixed[columns[e]])
                total += weights[e] * one * one
            out[i] += total


@fast
def turn_direction(lanes, residual, diagonal, norm, direction):  # type: ignore[no-untyped-def]
    """The next direction, in place, conjugate to the one before if `norm`, its residual's, is not 0.

    Returns the squared norm of the residual, as the preconditioner has it.
    """
    k = LANES * len(lanes)
    new = ZERO
    for f in range(k):
        new += residual[f] * residual[f] / diagonal[f]
    keep = new / norm if norm > ZERO else ZERO
    for f in range(k):
        direction[f] = residual[f] / diagonal[f] + keep * direction[f]
    return new


@fast
def dot(lanes, one, other):  # type: ignore[no-untyped-def]
    total = ZERO
    for f in range(LANES * len(lanes)):
        total += one[f] * other[f]
    return total


@fast
def add_multiple(lanes, factor, vector, out):  # type: ignore[no-untyped-def]
    for f in range(LANES * len(lanes)):
        out[f] += factor * vector[f]
