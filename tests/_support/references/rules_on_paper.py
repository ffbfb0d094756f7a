"""The rules once more, in NumPy and float64, as the papers and the facts about their readings have them.

Each is a function of one parameter's whole history: first weights, the gradients and the lrs of all steps; it gives the
weights after each step. Nothing is folded, nothing is in place, and nothing is shared with lit_optim.
"""

import math

import numpy as np


def adam(w, grads, lrs, *, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False, decoupled=False):
    """Kingma & Ba, Algorithm 1; AMSGrad as torch has it: the largest uncorrected v; Loshchilov & Hutter: decoupled."""
    b1, b2 = betas
    m = v = largest = np.zeros_like(w)
    for t, (grad, lr) in enumerate(zip(grads, lrs, strict=True), start=1):
        if decoupled:
            g, w = grad, w - lr * weight_decay * w
        else:
            g = grad + weight_decay * w
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        largest = np.maximum(largest, v)
        m_hat, v_hat = m / (1 - b1**t), (largest if amsgrad else v) / (1 - b2**t)
        w = w - lr * m_hat / (np.sqrt(v_hat) + eps)
        yield w


def adabound(
    w, grads, lrs, *, base_lr, betas=(0.9, 0.999), final_lr=0.1, gamma=1e-3, eps=1e-8, weight_decay=0.0, amsbound=False, decoupled=False
):  # fmt: skip
    """Luo et al., Algorithms 2 and 3 as their code reads them: no 1 / sqrt(t), bias correction inside of the clip."""
    b1, b2 = betas
    m = v = largest = np.zeros_like(w)
    for t, (grad, lr) in enumerate(zip(grads, lrs, strict=True), start=1):
        if decoupled:
            g, w = grad, w - lr * weight_decay * w
        else:
            g = grad + weight_decay * w
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        largest = np.maximum(largest, v)
        final = final_lr * lr / base_lr
        low, high = final * (1 - 1 / (gamma * t + 1)), final * (1 + 1 / (gamma * t))
        size = lr * math.sqrt(1 - b2**t) / (1 - b1**t) / (np.sqrt(largest if amsbound else v) + eps)
        w = w - np.clip(size, low, high) * m
        yield w


def sgdw(w, grads, lrs, *, momentum=0.9, dampening=0.0, weight_decay=0.0, nesterov=False):
    """Loshchilov & Hutter, Algorithm 1, in torch's convention: lr outside of the momentum, decay times lr.

    The first buffer is the gradient, dampened or not.
    """
    b = None
    for g, lr in zip(grads, lrs, strict=True):
        b = g if b is None else momentum * b + (1 - dampening) * g
        w = (1 - lr * weight_decay) * w - lr * (g + momentum * b if nesterov else b)
        yield w


def nadam(
    w, grads, lrs, *, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, momentum_decay=4e-3, decoupled_weight_decay=False
):
    """Dozat, with a constant beta1 in the running average, as Keras and torch read him."""
    b1, b2 = betas
    m = v = np.zeros_like(w)
    mus = [b1 * (1 - 0.5 * 0.96 ** (t * momentum_decay)) for t in range(1, len(lrs) + 2)]
    for t, (grad, lr) in enumerate(zip(grads, lrs, strict=True), start=1):
        if decoupled_weight_decay:
            g, w = grad, w - lr * weight_decay * w
        else:
            g = grad + weight_decay * w
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        mixed = (1 - mus[t - 1]) * g / (1 - math.prod(mus[:t])) + mus[t] * m / (1 - math.prod(mus[: t + 1]))
        w = w - lr * mixed / (np.sqrt(v / (1 - b2**t)) + eps)
        yield w


def radam(w, grads, lrs, *, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, decoupled_weight_decay=False):
    """Liu et al., Algorithm 2, rectified where rho > 5 (torch)."""
    b1, b2 = betas
    m = v = np.zeros_like(w)
    rho_inf = 2 / (1 - b2) - 1
    for t, (grad, lr) in enumerate(zip(grads, lrs, strict=True), start=1):
        if decoupled_weight_decay:
            g, w = grad, w - lr * weight_decay * w
        else:
            g = grad + weight_decay * w
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        m_hat = m / (1 - b1**t)
        rho = rho_inf - 2 * t * b2**t / (1 - b2**t)
        if rho > 5:
            r = math.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
            w = w - lr * m_hat * r * math.sqrt(1 - b2**t) / (np.sqrt(v) + eps)
        else:
            w = w - lr * m_hat
        yield w


def rmsprop(w, grads, lrs, *, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False):
    """Hinton's lecture; centered as Graves has it; the momentum buffer holds quotients, without lr (torch)."""
    v = a = b = np.zeros_like(w)
    for grad, lr in zip(grads, lrs, strict=True):
        g = grad + weight_decay * w
        v = alpha * v + (1 - alpha) * g * g
        a = alpha * a + (1 - alpha) * g
        b = momentum * b + g / (np.sqrt(v - a * a if centered else v) + eps)
        w = w - lr * b
        yield w


def adadelta(w, grads, lrs, *, rho=0.9, eps=1e-6, weight_decay=0.0):
    """Zeiler, Algorithm 1; with a learning rate of 1 in the paper."""
    v = u = np.zeros_like(w)
    for grad, lr in zip(grads, lrs, strict=True):
        g = grad + weight_decay * w
        v = rho * v + (1 - rho) * g * g
        delta = np.sqrt(u + eps) / np.sqrt(v + eps) * g
        u = rho * u + (1 - rho) * delta * delta
        w = w - lr * delta
        yield w


def adamax(w, grads, lrs, *, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    """Kingma & Ba, Algorithm 2, with eps beside the absolute value (torch)."""
    b1, b2 = betas
    m = u = np.zeros_like(w)
    for t, (grad, lr) in enumerate(zip(grads, lrs, strict=True), start=1):
        g = grad + weight_decay * w
        m = b1 * m + (1 - b1) * g
        u = np.maximum(b2 * u, np.abs(g) + eps)
        w = w - lr / (1 - b1**t) * m / u
        yield w
