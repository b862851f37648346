"""Slow, obvious versions of what the package computes fast, by loops and textbook formulas."""

import itertools
import math

import numpy as np
import scipy.spatial.distance


def mean(values):
    """Return the arithmetic mean."""
    return sum(values) / len(values)


def pearson(x, y):
    """Return Pearson's r of two sequences; NaN where one of them does not vary."""
    mx, my = mean(x), mean(y)
    cross = sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True))
    scale = math.sqrt(sum((a - mx) ** 2 for a in x) * sum((b - my) ** 2 for b in y))
    return cross / scale if scale > 1e-12 else math.nan


def cosine(x, y):
    """Return the cosine of two sequences."""
    return sum(a * b for a, b in zip(x, y, strict=True)) / math.sqrt(
        sum(a * a for a in x) * sum(b * b for b in y)
    )


def mid_ranks(x):
    """Return 1-based ranks; equal values share the mean of their ranks."""
    return [sum(b < a for b in x) + (sum(b == a for b in x) + 1) / 2 for a in x]


def spearman(x, y):
    """Return Pearson's r of the mid-ranks."""
    return pearson(mid_ranks(x), mid_ranks(y))


def rho_a(x, y):
    """Return 12 / (n^3 - n) times the cross product of the centred mid-ranks."""
    rx, ry = mid_ranks(x), mid_ranks(y)
    n, middle = len(rx), (len(rx) + 1) / 2
    return 12 / (n**3 - n) * sum((a - middle) * (b - middle) for a, b in zip(rx, ry, strict=True))


def rho_a_by_breaking_ties(x, y):
    """Return the mean Spearman over every way to break the ties of ``x`` and of ``y``."""
    return mean([pearson(a, b) for a in tie_breakings(x) for b in tie_breakings(y)])


def tie_breakings(x):
    """Return every ranking without ties that agrees with the order of ``x``."""
    n = len(x)
    orders = itertools.permutations(range(n))
    kept = [o for o in orders if all(x[o[k]] <= x[o[k + 1]] for k in range(n - 1))]
    return [[order.index(i) + 1 for i in range(n)] for order in kept]


def tau_a(x, y):
    """Return concordant less discordant pairs of entries, over all pairs of entries."""
    n = len(x)
    signs = [np.sign(x[i] - x[j]) * np.sign(y[i] - y[j]) for i in range(n) for j in range(i)]
    return mean(signs) if signs else math.nan


def whitened_cosine(x, y, pairs=None):
    """Return x'Vy / sqrt(x'Vx y'Vy).

    V is the inverse covariance of pairs that share a stimulus (white noise).
    """
    pairs = pairs or list(
        itertools.combinations(range(round((1 + math.sqrt(1 + 8 * len(x))) / 2)), 2)
    )
    contrast = np.zeros((len(pairs), 1 + max(map(max, pairs), default=0)))
    for row, (i, j) in enumerate(pairs):
        contrast[row, i], contrast[row, j] = 1, -1
    inverse = np.linalg.inv((contrast @ contrast.T) ** 2)
    x, y = np.array(x), np.array(y)
    return x @ inverse @ y / math.sqrt((x @ inverse @ x) * (y @ inverse @ y))


def whitened_pearson(x, y, pairs=None):
    """Return the whitened cosine after subtracting each mean."""
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return math.nan
    return whitened_cosine([a - mean(x) for a in x], [b - mean(y) for b in y], pairs)


def fidelity(gram_x, gram_y):
    """Return tr sqrt(sqrt(X) Y sqrt(X)) / sqrt(tr X tr Y)."""
    root = take_root(gram_x)
    return np.trace(take_root(root @ gram_y @ root)) / math.sqrt(
        np.trace(gram_x) * np.trace(gram_y)
    )


def take_root(square):
    """Return the positive square root of a positive symmetric matrix."""
    values, vectors = np.linalg.eigh(square)
    return vectors @ np.diag(np.sqrt(np.maximum(values, 0))) @ vectors.T


def positive_gram(square):
    """Return -H D H / 2 with its negative eigenvalues set to zero."""
    n = len(square)
    centring = np.eye(n) - 1 / n
    values, vectors = np.linalg.eigh(-centring @ square @ centring / 2)
    return vectors @ np.diag(np.maximum(values, 0)) @ vectors.T


def bures(x, y):
    """Return the fidelity of the Grams of two RDM vectors."""
    return fidelity(
        *(positive_gram(scipy.spatial.distance.squareform(np.array(v))) for v in (x, y))
    )


def resampled_bures(model, brain, drawn):
    """Return the fidelity of the Grams of drawn points, copies and all, about their own mean."""
    if len(set(drawn)) < 2:
        return math.nan
    return fidelity(
        *(positive_gram(np.asarray(square)[np.ix_(drawn, drawn)]) for square in (model, brain))
    )


SIMILARITIES = {
    "pearson": pearson,
    "spearman": spearman,
    "cosine": cosine,
    "rho-a": rho_a,
    "tau-a": tau_a,
    "whitened-pearson": whitened_pearson,
    "whitened-cosine": whitened_cosine,
    "bures": bures,
}


def distance(a, b, metric):
    """Return the dissimilarity of two feature vectors."""
    if metric == "correlation":
        return 1 - pearson(a, b)
    if metric == "cosine":
        return 1 - cosine(a, b)
    return sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) / len(a)


def rdm(features, metric):
    """Return the dissimilarity of each pair of rows."""
    rows = [list(map(float, np.ravel(row))) for row in features]
    n = len(rows)
    return np.array(
        [
            [0.0 if i == j else distance(rows[i], rows[j], metric) for j in range(n)]
            for i in range(n)
        ]
    )


def triangle(square):
    """Return the entries above the diagonal, row by row."""
    n = len(square)
    return [float(square[i][j]) for i in range(n) for j in range(i + 1, n)]


def resampled_score(model, brain, counts, comparator):
    """Return the score after repeating stimulus i ``counts[i]`` times.

    Pairs of a stimulus with its own copies are dropped.
    """
    drawn = [i for i, times in enumerate(counts) for _ in range(times)]
    kept = [(i, j) for a, i in enumerate(drawn) for j in drawn[a + 1 :] if i != j]
    if comparator == "bures":
        return resampled_bures(model, brain, drawn)
    if comparator.startswith("whitened"):
        if len(kept) < 1:
            return math.nan
        places = [
            (a, b)
            for a in range(len(drawn))
            for b in range(a + 1, len(drawn))
            if drawn[a] != drawn[b]
        ]
        x, y = ([square[drawn[a]][drawn[b]] for a, b in places] for square in (model, brain))
        return SIMILARITIES[comparator](x, y, places)
    return SIMILARITIES[comparator]([model[i][j] for i, j in kept], [brain[i][j] for i, j in kept])


def weighted_score(model, brain, weights, comparator):
    """Return the score where stimulus i counts ``weights[i]`` times, whole or not.

    Pair (i, j) counts w_i w_j times; a rank is the weight below and half of that which is tied.
    """
    n = len(model)
    if comparator == "bures":
        return weighted_fidelity(model, brain, weights)
    pairs = list(itertools.combinations(range(n), 2))
    w = [weights[i] * weights[j] for i, j in pairs]
    x, y = ([square[i][j] for i, j in pairs] for square in (model, brain))
    total = sum(w)
    if comparator == "tau-a":
        signs = [
            w[p] * w[q] * np.sign(x[p] - x[q]) * np.sign(y[p] - y[q])
            for p in range(len(w))
            for q in range(p)
        ]
        return sum(signs) / (total * (total - 1) / 2)
    if comparator in ("spearman", "rho-a"):
        x, y = weighted_ranks(x, w), weighted_ranks(y, w)
    if comparator != "cosine":
        x, y = ([a - weighted_sum(v, w) / total for a in v] for v in (x, y))
    cross = weighted_sum([a * b for a, b in zip(x, y, strict=True)], w)
    if comparator == "rho-a":
        return 12 * cross / (total**3 - total)
    return cross / math.sqrt(
        weighted_sum([a * a for a in x], w) * weighted_sum([b * b for b in y], w)
    )


def weighted_fidelity(model, brain, weights):
    """Return the sum of singular values of K^1/2 L^1/2 over the root of tr K tr L."""
    share = np.array(weights) / sum(weights)
    about_mean = np.eye(len(share)) - share  # row i less the weighted mean, from the right
    roots = []
    for square in (model, brain):
        gram = about_mean @ (np.array(square) / -2) @ about_mean.T
        gram *= np.sqrt(np.outer(share, share))
        values, vectors = np.linalg.eigh(gram)
        roots.append(vectors @ np.diag(np.sqrt(np.maximum(values, 0))) @ vectors.T)
    first, second = roots
    return np.linalg.svd(first @ second)[1].sum() / math.sqrt((first**2).sum() * (second**2).sum())


def weighted_sum(values, weights):
    """Return the sum of values times weights."""
    return sum(a * b for a, b in zip(values, weights, strict=True))


def weighted_ranks(x, weights):
    """Return for each value the weight of those below, and half of that of those equal to it."""
    ranks = []
    for a in x:
        below = sum(w for b, w in zip(x, weights, strict=True) if b < a)
        equal = sum(w for b, w in zip(x, weights, strict=True) if b == a)
        ranks.append(below + equal / 2)
    return ranks


def differentiate(score, n, step=1e-5):
    """Return the derivative of ``score`` (weights) by each of ``n`` weights, where all are 1."""
    slopes = []
    for i in range(n):
        up, down = np.ones(n), np.ones(n)
        up[i] += step
        down[i] -= step
        slopes.append((score(up) - score(down)) / (2 * step))
    return np.array(slopes)


def whitened_norm(x):
    """Return sqrt(x'Vx), V as in ``whitened_cosine``."""
    n = round((1 + math.sqrt(1 + 8 * len(x))) / 2)
    contrast = np.array(
        [[(k == i) - (k == j) for k in range(n)] for i, j in itertools.combinations(range(n), 2)]
    )
    return math.sqrt(np.array(x) @ np.linalg.inv((contrast @ contrast.T) ** 2) @ np.array(x))


def pool(triangles, comparator):
    """Return the mean of RDM vectors as the comparator sees them."""
    scaled = []
    for x in triangles:
        if comparator in ("spearman", "rho-a", "tau-a"):
            scaled.append(mid_ranks(x))
        elif comparator == "pearson":
            m = mean(x)
            sd = math.sqrt(mean([(a - m) ** 2 for a in x]))
            scaled.append([(a - m) / sd for a in x])
        elif comparator == "bures":
            trace = np.trace(positive_gram(scipy.spatial.distance.squareform(np.array(x))))
            scaled.append([a / trace for a in x])
        elif comparator.startswith("whitened"):
            m = mean(x) if comparator == "whitened-pearson" else 0
            scaled.append([(a - m) / whitened_norm([b - m for b in x]) for a in x])
        else:
            rms = math.sqrt(mean([a * a for a in x]))
            scaled.append([a / rms for a in x])
    return [mean(column) for column in zip(*scaled, strict=True)]


def ceilings(squares, comparator):
    """Return (lower, upper) for the RDMs of one region's subjects.

    Lower is that of Nili et al. 2014; so is upper where no RDM is closer to all subjects than their
    mean.
    """
    vectors, similarity = [triangle(s) for s in squares], SIMILARITIES[comparator]
    others = [pool(vectors[:s] + vectors[s + 1 :], comparator) for s in range(len(vectors))]
    lower = mean([similarity(o, v) for o, v in zip(others, vectors, strict=True)])
    return lower, UPPER.get(comparator, bound_by_pool)(vectors, comparator)


def bound_by_pool(vectors, comparator):
    """Return the mean similarity of RDM vectors to the mean of all."""
    everyone = pool(vectors, comparator)
    return mean([SIMILARITIES[comparator](everyone, v) for v in vectors])


def bound_ranks(vectors, comparator):
    """Return the length of the mean of mid-ranks, each centred and scaled to length 1."""
    ranks = np.array([mid_ranks(v) for v in vectors])
    ranks -= ranks.mean(axis=1, keepdims=True)
    return np.linalg.norm((ranks / np.linalg.norm(ranks, axis=1, keepdims=True)).mean(axis=0))


def bound_signs(vectors, comparator):
    """Return the root mean square, over pairs of entries, of the mean sign of their difference."""
    signs = np.mean([np.sign(np.subtract.outer(v, v)) for v in vectors], axis=0)
    return math.sqrt(mean(signs[np.tril_indices(len(signs), -1)] ** 2))


def bound_rotations(vectors, comparator):
    """Return the root of the mean fidelity of all pairs of RDMs, each with itself too."""
    return math.sqrt(mean([bures(v, w) for v in vectors for w in vectors]))


UPPER = {"spearman": bound_ranks, "tau-a": bound_signs, "bures": bound_rotations}


def multiply_rows_slowly(features):
    """Return Gram, row sums and feature count, one pair at a time."""
    flat = features.reshape(len(features), -1).astype(np.float64)
    n = len(flat)
    gram = np.array([[sum(flat[i] * flat[j]) for j in range(n)] for i in range(n)])
    return gram, np.array([sum(row) for row in flat]), flat.shape[1]


def sample_variance(values):
    """Return the sum of squared deviations over n - 1."""
    m = mean(values)
    return sum((v - m) ** 2 for v in values) / (len(values) - 1)


def dual_variance(both, subjects, stimuli, n_subjects, n_stimuli):
    """Return the variance over stimuli and subjects of Schuett et al. (2023).

    It is the small-sample form, clipped.
    """
    a, b = n_subjects / (n_subjects - 1) * subjects, n_stimuli / (n_stimuli - 1) * stimuli
    corrected = (
        a
        + b
        - n_subjects * n_stimuli / (n_subjects - 1) / (n_stimuli - 1) * (both - subjects - stimuli)
    )
    return min(max(corrected, a, b), both)


def discoveries(p):
    """Return for each p the least false discovery rate at which Benjamini and Hochberg admit it."""
    return [min(q * len(p) / sum(other <= q for other in p) for q in p if q >= own) for own in p]


def clusters(inside, edges):
    """Return the sets of positions that are inside and joined through others that are."""
    left, found = {i for i, here in enumerate(inside) if here}, []
    while left:
        grown, front = set(), {min(left)}
        while front:
            grown |= front
            reached = {b for a, b in edges if a in front} | {a for a, b in edges if b in front}
            front = (reached & left) - grown
        left -= grown
        found.append(grown)
    return found


def ridge(x, y, alpha):
    """Return (weights, intercept) from the normal equations of features with a column of ones.

    The intercept is not penalised.
    """
    wide = np.column_stack([np.ones(len(x)), x])
    penalty = alpha * np.eye(wide.shape[1])
    penalty[0, 0] = 0
    solution = np.linalg.solve(wide.T @ wide + penalty, wide.T @ y)
    return solution[1:], solution[0]


def left_out_error(x, y, alpha, blocks):
    """Return the squared error (v,) of predicting each block of rows from ridge on the others."""
    error = 0
    for block in blocks:
        rest = [i for i in range(len(x)) if i not in set(block)]
        weights, intercept = ridge(x[rest], y[rest], alpha)
        error = error + ((y[block] - x[block] @ weights - intercept) ** 2).sum(axis=0)
    return error


def predictivity(x, y, alphas):
    """Return for each of ``alphas`` the R^2 over all columns of ``y``.

    Each row is predicted from ridge on the others.
    """
    rows = range(len(x))
    base = sum(((y[i] - y[[k for k in rows if k != i]].mean(axis=0)) ** 2).sum() for i in rows)
    return [1 - left_out_error(x, y, alpha, [[i] for i in rows]).sum() / base for alpha in alphas]


def concordance(x, y):
    """Return the concordant less the discordant pairs of entries."""
    return sum(np.sign(x[i] - x[j]) * np.sign(y[i] - y[j]) for i in range(len(x)) for j in range(i))


def gcv(x, y, alpha):
    """Return |y - H y|^2 / (n - tr H)^2 (v,).

    The hat matrix H of ridge and its intercept is formed explicitly.
    """
    n = len(x)
    hat = np.column_stack([predict_all(x, unit, alpha) for unit in np.eye(n)])
    return ((y - hat @ y) ** 2).sum(axis=0) / (n - np.trace(hat)) ** 2


def predict_all(x, y, alpha):
    """Return ridge's predictions of the rows it was fitted to."""
    weights, intercept = ridge(x, y, alpha)
    return x @ weights + intercept


def encode(x, y, fold, alphas, select):
    """Return (r, r2, alpha), of shapes (v,), (v,) and (fold, v).

    Each fold is predicted with the penalty that the others chose; R^2 is of all held-out rows.
    """
    r, chosen, residual, total = [], [], 0, 0
    for number in sorted(set(fold) - {-1}):
        train, test = fold != number, fold == number
        x_in, y_in, inner = x[train], y[train], fold[train]
        if select == "gcv":
            losses = [gcv(x_in, y_in, alpha) for alpha in alphas]
        else:
            rows = range(len(x_in))
            blocks = (
                [[i] for i in rows]
                if select == "loo"
                else [[i for i in rows if inner[i] == other] for other in sorted(set(inner) - {-1})]
            )
            losses = [left_out_error(x_in, y_in, alpha, blocks) for alpha in alphas]
        best = [alphas[k] for k in np.argmin(losses, axis=0)]
        predicted = []
        for voxel, alpha in enumerate(best):
            weights, intercept = ridge(x_in, y_in[:, voxel], alpha)
            predicted.append(x[test] @ weights + intercept)
        measured = y[test].T
        r.append([pearson(a, b) for a, b in zip(measured, predicted, strict=True)])
        residual += np.array([sum((a - b) ** 2) for a, b in zip(measured, predicted, strict=True)])
        total += np.array([sum((a - mean(b)) ** 2) for a, b in zip(measured, y_in.T, strict=True)])
        chosen.append(best)
    return np.mean(r, axis=0), 1 - residual / total, np.array(chosen)


def shrink_covariance(residuals, dof):
    """Return the Ledoit-Wolf (2004) covariance of rows, from sums over outer products."""
    n, p = residuals.shape
    outers = [np.outer(row, row) for row in residuals]
    sample = sum(outers) / n
    variance = np.trace(sample) / p
    away = ((sample - variance * np.eye(p)) ** 2).sum()
    error = min(away, sum(((outer - sample) ** 2).sum() for outer in outers) / n**2)
    return (error / away * variance * np.eye(p) + (1 - error / away) * sample) * n / dof


def noisy_rdm(values, stimuli, runs, metric, noise):
    """Return the mahalanobis or crossnobis RDM of presentations, pair by pair and run by run."""
    ids = list(dict.fromkeys(stimuli))
    p = values.shape[1]
    means = {s: values[stimuli == s].mean(axis=0) for s in ids}
    residuals = np.array([row - means[s] for row, s in zip(values, stimuli, strict=True)])
    precision = np.eye(p)
    if noise.startswith("ledoit-wolf"):
        precision = np.linalg.inv(shrink_covariance(residuals, len(values) - len(ids)))
    result = np.zeros((len(ids), len(ids)))
    for (a, i), (b, j) in itertools.combinations(enumerate(ids), 2):
        parts = []
        if metric == "mahalanobis":
            parts.append((means[i] - means[j]) @ precision @ (means[i] - means[j]))
        else:
            for run in sorted(set(runs)):
                if noise == "ledoit-wolf-per-run":
                    kept = [k for k, r in enumerate(runs) if r != run]
                    means = {
                        s: values[[k for k in kept if stimuli[k] == s]].mean(axis=0)
                        for s in set(stimuli[kept])
                    }
                    residuals = np.array([values[k] - means[stimuli[k]] for k in kept])
                    precision = np.linalg.inv(shrink_covariance(residuals, len(kept) - len(means)))
                cells = [
                    values[(stimuli == s) & here]
                    for here in (runs == run, runs != run)
                    for s in (i, j)
                ]
                if all(len(cell) for cell in cells):
                    x, y, u, v = (cell.mean(axis=0) for cell in cells)
                    parts.append((x - y) @ precision @ (u - v))
        result[a, b] = result[b, a] = mean(parts) / p
    return result


def unbiased_cka(gram_x, gram_y):
    """Return CKA from the unbiased HSIC of Song et al. 2012, eq. 5."""

    def hsic(k, m):
        n, ones = len(k), np.ones(len(k))
        k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
        total = np.trace(k @ m) + (ones @ k @ ones) * (ones @ m @ ones) / ((n - 1) * (n - 2))
        return (total - 2 / (n - 2) * ones @ k @ m @ ones) / (n * (n - 3))

    return hsic(gram_x, gram_y) / math.sqrt(hsic(gram_x, gram_x) * hsic(gram_y, gram_y))


def subtract_lag_means(square, group):
    """Return dissimilarities less the mean of all pairs at their distance in time, by a loop.

    Stimuli stand in order of time; pairs of the same group have other means than other pairs.
    """
    n = len(square)
    place = [sum(group[:i] == group[i]) for i in range(n)]
    kinds = {}
    for i in range(n):
        for j in range(i):
            kind = (abs(place[i] - place[j]), group[i] == group[j])
            kinds.setdefault(kind, []).append((i, j))
    result = np.zeros_like(square)
    for pairs in kinds.values():
        mean = sum(square[i, j] for i, j in pairs) / len(pairs)
        for i, j in pairs:
            result[i, j] = result[j, i] = square[i, j] - mean
    return result
