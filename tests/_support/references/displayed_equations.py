"""The displayed equations of optimizers of other packages, line by line in numpy: each yields the weights after a step."""

import numpy as np

norm, sqrt = np.linalg.norm, np.sqrt


def rms(x):
    return sqrt(np.mean(x * x))


def averages(g, h):
    """Yield t, g, m and v."""
    m = v = 0.0
    for t, now in enumerate(g, 1):
        m, v = h.beta1 * m + (1 - h.beta1) * now, h.beta2 * v + (1 - h.beta2) * now**2
        yield t, now, m, v


def corrected(t, m, v, h):
    return m / (1 - h.beta1**t), v / (1 - h.beta2**t)


def sgd(w, grads, h):
    b = None
    for now in grads:
        g = now + h.weight_decay * w
        b = g if b is None else h.momentum * b + (1 - h.dampening) * g
        w = w - h.lr * (g + h.momentum * b if h.nesterov else b)
        yield w


def adam(w, grads, h):
    m = v = largest = 0.0
    for t, now in enumerate(grads, 1):
        g = now + h.weight_decay * w
        m, v = h.beta1 * m + (1 - h.beta1) * g, h.beta2 * v + (1 - h.beta2) * g**2
        largest = np.maximum(largest, v) if h.amsgrad else v
        mean, square = corrected(t, m, largest, h)
        w = w - h.lr * mean / (sqrt(square) + h.eps)
        yield w


def adamw(w, grads, h):
    for t, _, m, v in averages(grads, h):
        mean, square = corrected(t, m, v, h)
        w = (1 - h.lr * h.weight_decay) * w - h.lr * mean / (sqrt(square) + h.eps)
        yield w


def sparse_adam(w, grads, h):
    for t, _, m, v in averages(grads, h):
        w = w - h.lr * sqrt(1 - h.beta2**t) / (1 - h.beta1**t) * m / (sqrt(v) + h.eps)
        yield w


def adagrad(w, grads, h):
    s = h.initial_accumulator_value
    for t, now in enumerate(grads, 1):
        g = now + h.weight_decay * w
        s = s + g**2
        w = w - h.lr / (1 + (t - 1) * h.lr_decay) * g / (sqrt(s) + h.eps)
        yield w


def asgd(w, grads, h):
    for t, g in enumerate(grads, 1):
        eta = h.lr / (1 + h.lambd * h.lr * (t - 1)) ** h.alpha
        w = (1 - h.lambd * eta) * w - eta * (g + h.weight_decay * w)
        yield w


def rprop(w, grads, h):
    eta, before = h.lr, np.zeros_like(w)
    for g in grads:
        factor = np.where(g * before > 0, h.etas[1], np.where(g * before < 0, h.etas[0], 1))
        eta = np.clip(eta * factor, *h.step_sizes)
        before = np.where(g * before < 0, 0, g)
        w = w - eta * np.sign(before)
        yield w


def factored(rows, columns):
    return np.outer(rows, columns) / rows.mean()


def adafactor(w, grads, h):
    rows, columns = map(np.zeros, w.shape)
    for t, g in enumerate(grads, 1):
        beta = 1 - t**h.beta2_decay
        rows, columns = (beta * x + (1 - beta) * (g**2).mean(a) for x, a in ((rows, 1), (columns, 0)))
        u = g / sqrt(factored(rows, columns))
        u = u / max(1, rms(u) / h.d)
        size = max(1e-3, rms(w)) * min(h.lr, t**-0.5)
        w = (1 - h.lr * h.weight_decay) * w - size * u
        yield w


def came(w, grads, h):
    (rows, columns), (more_rows, more_columns) = map(np.zeros, w.shape), map(np.zeros, w.shape)
    m, (beta1, beta2, beta3) = 0.0, h.betas
    for g in grads:
        square = g**2 + h.eps1
        rows, columns = (beta2 * x + (1 - beta2) * square.mean(a) for x, a in ((rows, 1), (columns, 0)))
        u = g / sqrt(factored(rows, columns))
        u = u / max(1, rms(u) / h.clip_threshold)
        m = beta1 * m + (1 - beta1) * u
        far = (u - m) ** 2 + h.eps2
        more_rows, more_columns = (
            beta3 * x + (1 - beta3) * far.mean(a) for x, a in ((more_rows, 1), (more_columns, 0))
        )
        w = (1 - h.lr * h.weight_decay) * w - h.lr * m / sqrt(factored(more_rows, more_columns))
        yield w


def lamb(w, grads, h):
    for _, _, m, v in averages(grads, h):
        r = m / (sqrt(v) + h.eps) + h.weight_decay * w
        w = w - h.lr * min(norm(w), 10) / (norm(r) + h.eps) * r
        yield w


def lars(w, grads, h):
    b = 0.0
    for g in grads:
        trust = h.trust_coefficient * norm(w) / (norm(g) + h.weight_decay * norm(w))
        b = h.momentum * b + trust * (g + h.weight_decay * w)
        w = w - h.lr * b
        yield w


def lion(w, grads, h):
    m = 0.0
    for g in grads:
        w = (1 - h.lr * h.weight_decay) * w - h.lr * np.sign(h.beta1 * m + (1 - h.beta1) * g)
        m = h.beta2 * m + (1 - h.beta2) * g
        yield w


def adabelief(w, grads, h):
    m = s = 0.0
    for t, g in enumerate(grads, 1):
        m = h.beta1 * m + (1 - h.beta1) * g
        s = h.beta2 * s + (1 - h.beta2) * (g - m) ** 2 + h.eps
        mean, square = corrected(t, m, s, h)
        w = (1 - h.lr * h.weight_decay) * w - h.lr * mean / (sqrt(square) + h.eps)
        yield w


def adopt(w, grads, h):
    m, v = 0.0, grads[0] ** 2
    for t, g in enumerate(grads, 1):
        if t > 1:
            m = h.beta1 * m + (1 - h.beta1) * np.clip(g / np.maximum(sqrt(v), h.eps), -(t**0.25), t**0.25)
            v = h.beta2 * v + (1 - h.beta2) * g**2
        w = (1 - h.lr * h.weight_decay) * w - h.lr * m
        yield w


def adan(w, grads, h):
    m = d = n = 0.0
    before, (beta1, beta2, beta3) = grads[0], h.betas
    for t, g in enumerate(grads, 1):
        m, d = beta1 * m + (1 - beta1) * g, beta2 * d + (1 - beta2) * (g - before)
        n = beta3 * n + (1 - beta3) * (g + beta2 * (g - before)) ** 2
        step = (m / (1 - beta1**t) + beta2 * d / (1 - beta2**t)) / (sqrt(n / (1 - beta3**t)) + h.eps)
        w, before = (w - h.lr * step) / (1 + h.lr * h.weight_decay), g
        yield w


def prodigy(w, grads, h):
    start, d, m, v, r, s = w, h.d0, 0.0, 0.0, 0.0, 0.0
    for g in grads:
        m, v = h.beta1 * m + (1 - h.beta1) * d * g, h.beta2 * v + (1 - h.beta2) * d**2 * g**2
        r, s = sqrt(h.beta2) * r + d**2 * h.lr * np.sum(g * (start - w)), sqrt(h.beta2) * s + d**2 * h.lr * g
        later = max(d, h.d_coef * r / np.abs(s).sum())
        w, d = (1 - d * h.lr * h.weight_decay) * w - h.lr * d * m / (sqrt(v) + later * h.eps), later
        yield w


def dadapt_adam(w, grads, h):
    d, m, v, r, s, beta = h.d0, 0.0, 0.0, 0.0, 0.0, sqrt(h.beta2)
    for g in grads:
        r = beta * r + (1 - beta) * d * h.lr * np.sum(g * s / (sqrt(v) + h.eps))
        m, v = h.beta1 * m + (1 - h.beta1) * d * h.lr * g, h.beta2 * v + (1 - h.beta2) * g**2
        s = beta * s + (1 - beta) * d * h.lr * g
        w = (1 - d * h.lr * h.weight_decay) * w - m / (sqrt(v) + h.eps)
        d = max(d, r / ((1 - beta) * np.abs(s).sum()))
        yield w


def grokfast(w, grads, h):
    slow, amplified = grads[0], []
    for g in grads:
        slow = h.grokfast_alpha * slow + (1 - h.grokfast_alpha) * g
        amplified.append(g + h.grokfast_lamb * slow)
    for t, _, m, v in averages(amplified, h):
        mean, square = corrected(t, m, v, h)
        w = (1 - h.lr * h.weight_decay) * w - h.lr * mean / np.maximum(sqrt(square), h.eps)
        yield w


def sophia(w, grads, h):
    curvature = 0.0
    for t, _, m, _ in averages(grads, h):
        curvature = h.beta2 * curvature + (1 - h.beta2) * h.curvatures[t - 1]
        w = (1 - h.lr * h.weight_decay) * w - h.lr * np.clip(m / np.maximum(curvature, h.eps), -h.p, h.p)
        yield w


def soap(w, grads, h):
    left, right = (np.linalg.eigh(x)[1] for x in (grads[0] @ grads[0].T, grads[0].T @ grads[0]))
    yield w
    m = v = 0.0
    for t, g in enumerate(grads[1:], 2):
        m, v = h.beta1 * m + (1 - h.beta1) * g, h.beta2 * v + (1 - h.beta2) * (left.T @ g @ right) ** 2
        step = left @ (left.T @ m @ right / (sqrt(v) + h.eps)) @ right.T
        w = w - h.lr * sqrt(1 - h.beta2 ** (t - 1)) / (1 - h.beta1 ** (t - 1)) * step
        w = (1 - h.lr * h.weight_decay) * w
        yield w


def shampoo(w, grads, h):
    left, right = (h.matrix_eps * np.eye(n) for n in w.shape)
    for now in grads:
        g = now + h.weight_decay * w
        left, right = left + g @ g.T, right + g.T @ g
        (a, p), (b, q) = np.linalg.eigh(left), np.linalg.eigh(right)
        w = w - h.lr * (p * a**-0.25) @ p.T @ g @ (q * b**-0.25) @ q.T
        yield w


def schedule_free(w, grads, h):
    """Yield y, the point at which the next gradient is taken: of SGD, AdamW and RAdam."""
    x = y = z = w
    v = total = 0.0
    for t, g in enumerate(grads, 1):
        lr, direction = h.lr, g
        if hasattr(h, "beta2"):
            v = h.beta2 * v + (1 - h.beta2) * g**2
            direction = g / (sqrt(v / (1 - h.beta2**t)) + h.eps)
        if hasattr(h, "silent_sgd_phase"):
            longest = 2 / (1 - h.beta2) - 1
            n = longest - 2 * t * h.beta2**t / (1 - h.beta2**t)
            lr *= sqrt(max((n - 4) * (n - 2) * longest / ((longest - 4) * (longest - 2) * n), 0)) if n > 4 else 0
        total += lr**2
        z = z - lr * (direction + h.weight_decay * y)
        x = x + (lr**2 / total if total else 0) * (z - x)
        y = (1 - h.momentum) * z + h.momentum * x
        yield y
