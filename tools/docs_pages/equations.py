"""Equations of optimizers that are not ours, by import path; those of ours stand in their docstrings."""

from __future__ import annotations

_M = r"m_t &= \beta_1 m_{t-1} + (1-\beta_1)\, g_t, \qquad v_t = \beta_2 v_{t-1} + (1-\beta_2)\, g_t^2"
_DECAYED = r"(1 - \text{lr} \cdot \text{weight\_decay})\, \theta_{t-1}"
_L2 = r"g_t &= \nabla f(\theta_{t-1}) + \text{weight\_decay} \cdot \theta_{t-1}"
_ADAM_STEP = r"\frac{m_t / (1-\beta_1^t)}{\sqrt{v_t / (1-\beta_2^t)} + \text{eps}}"


def _lines(*lines: str) -> str:
    return " \\\\\n".join(lines)


_ADAM = _lines(_L2, _M, rf"\theta_t &= \theta_{{t-1}} - \text{{lr}}\, {_ADAM_STEP}")
_ADAMW = _lines(_M, rf"\theta_t &= {_DECAYED} - \text{{lr}}\, {_ADAM_STEP}")
_LAMB = _lines(
    _M,
    rf"r_t &= {_ADAM_STEP} + \text{{weight\_decay}} \cdot \theta_{{t-1}}, \qquad"
    r" \theta_t = \theta_{t-1} - \text{lr}\, \frac{\lVert \theta_{t-1} \rVert}{\lVert r_t \rVert}\, r_t",
)
_LARS = _lines(
    r"\lambda_t &= \text{trust\_coefficient}\, \frac{\lVert \theta_{t-1} \rVert}"
    r"{\lVert g_t \rVert + \text{weight\_decay} \cdot \lVert \theta_{t-1} \rVert}",
    r"b_t &= \text{momentum} \cdot b_{t-1} + \lambda_t\, (g_t + \text{weight\_decay} \cdot \theta_{t-1}), \qquad"
    r" \theta_t = \theta_{t-1} - \text{lr}\, b_t",
)
_SHAMPOO = _lines(
    r"L_t &= L_{t-1} + G_t G_t^\top, \qquad R_t = R_{t-1} + G_t^\top G_t",
    r"\theta_t &= \theta_{t-1} - \text{lr}\, L_t^{-1/4} G_t R_t^{-1/4}",
)
_SCHEDULE_FREE = (
    r"y_t &= (1-\beta)\, z_t + \beta\, x_t, \qquad g_t = \nabla f(y_t)",
    r"z_{t+1} &= z_t - \text{lr}\, d_t, \qquad x_{t+1} = (1-c_{t+1})\, x_t + c_{t+1}\, z_{t+1}",
)
_PRODIGY = _lines(
    r"m_t &= \beta_1 m_{t-1} + (1-\beta_1)\, d_t\, g_t, \qquad v_t = \beta_2 v_{t-1} + (1-\beta_2)\, d_t^2\, g_t^2",
    r"d_{t+1} &= \max\Big(d_t,\; \frac{r_t}{\lVert s_t \rVert_1}\Big), \qquad \theta_t = \theta_{t-1} - \text{lr}\, d_t\,"
    r" \frac{m_t}{\sqrt{v_t} + d_t\, \text{eps}}",
    r"r_t, s_t &: \text{averages of } d_t^2\, \text{lr}\, \langle g_t, \theta_0 - \theta_{t-1} \rangle \text{ and of }"
    r" d_t^2\, \text{lr}\, g_t",
)
_D_ADAPT = _lines(
    r"m_t &= \beta_1 m_{t-1} + (1-\beta_1)\, d_t\, \text{lr}\, g_t, \qquad v_t = \beta_2 v_{t-1} + (1-\beta_2)\, g_t^2",
    r"\theta_t &= \theta_{t-1} - \frac{m_t}{\sqrt{v_t} + \text{eps}}, \qquad d_{t+1} = \max(d_t,\; \hat d_{t+1})",
    r"\hat d_{t+1} &: \text{a lower bound of } \lVert \theta_0 - \theta_* \rVert_\infty \text{ from the gradients so far}",
)

EQUATIONS = {
    "torch.optim.SGD": _lines(
        _L2 + r", \qquad b_1 = g_1, \qquad b_t = \text{momentum} \cdot b_{t-1} + (1 - \text{dampening})\, g_t",
        r"\theta_t &= \theta_{t-1} - \text{lr} \cdot \begin{cases} g_t + \text{momentum} \cdot b_t & \text{nesterov} \\"
        r" b_t & \text{else} \end{cases}",
    ),
    "torch.optim.Adam": _ADAM,
    "torch.optim.SparseAdam": _ADAM.partition("\\\\\n")[2],
    "bitsandbytes.optim.Adam8bit": _ADAM,
    "torch.optim.AdamW": _ADAMW,
    "torchao.optim.AdamW4bit": _ADAMW,
    "torchao.optim.AdamW8bit": _ADAMW,
    "torch.optim.Adagrad": _lines(
        r"s_t &= s_{t-1} + g_t^2, \qquad \theta_t = \theta_{t-1} -"
        r" \frac{\text{lr}}{1 + (t-1)\, \text{lr\_decay}}\, \frac{g_t}{\sqrt{s_t} + \text{eps}}",
    ),
    "torch.optim.ASGD": _lines(
        r"\eta_t &= \frac{\text{lr}}{(1 + \text{lambd} \cdot \text{lr} \cdot t)^{\text{alpha}}}, \qquad"
        r" \theta_t = (1 - \text{lambd} \cdot \eta_t)\, \theta_{t-1} - \eta_t\, g_t",
        r"a_t &= a_{t-1} + \frac{\theta_t - a_{t-1}}{\max(1,\; t - \text{t0})}",
    ),
    "torch.optim.Rprop": _lines(
        r"\eta_t &= \eta_{t-1} \cdot \begin{cases} \eta^+ & g_t\, g_{t-1} > 0 \\ \eta^- & g_t\, g_{t-1} < 0 \\"
        r" 1 & \text{else} \end{cases}",
        r"\theta_t &= \theta_{t-1} - \eta_t\, \text{sign}(g_t), \qquad g_t = 0 \text{ after a change of sign}",
    ),
    "torch.optim.LBFGS": r"\theta_t = \theta_{t-1} - \text{lr}\, H_t\, g_t, \qquad H_t \approx (\nabla^2 f)^{-1}"
    r" \text{ from the last history\_size steps}",
    "torch.optim.Adafactor": _lines(
        r"R_t &= \hat\beta_t R_{t-1} + (1-\hat\beta_t)\, \text{row means of } G_t^2, \qquad"
        r" \hat\beta_t = 1 - t^{\text{beta2\_decay}}",
        r"C_t &= \hat\beta_t C_{t-1} + (1-\hat\beta_t)\, \text{column means of } G_t^2",
        r"U_t &= G_t \Big/ \sqrt{R_t C_t^\top / \text{mean}(R_t)}, \qquad"
        r" \hat U_t = U_t / \max(1,\; \text{RMS}(U_t) / \text{d})",
        rf"\theta_t &= {_DECAYED} - \max(\text{{eps}}_2,\; \text{{RMS}}(\theta_{{t-1}}))"
        r" \min(\text{lr},\; 1/\sqrt t)\, \hat U_t",
    ),
    "timm.optim.Lamb": _LAMB,
    "pytorch_optimizer.Lamb": _LAMB,
    "timm.optim.Lars": _LARS,
    "pytorch_optimizer.LARS": _LARS,
    "pytorch_optimizer.Lion": _lines(
        rf"\theta_t &= {_DECAYED} - \text{{lr}} \cdot \text{{sign}}(\beta_1 m_{{t-1}} + (1-\beta_1)\, g_t)",
        r"m_t &= \beta_2 m_{t-1} + (1-\beta_2)\, g_t",
    ),
    "pytorch_optimizer.AdaBelief": _lines(
        _M.replace("v", "s").replace("g_t^2", r"(g_t - m_t)^2") + r" + \text{eps}",
        rf"\theta_t &= {_DECAYED} - \text{{lr}}\, {_ADAM_STEP.replace('v', 's')}",
    ),
    "pytorch_optimizer.ADOPT": _lines(
        r"m_t &= \beta_1 m_{t-1} + (1-\beta_1)\, \text{clip}\Big(\frac{g_t}{\max(\sqrt{v_{t-1}},\; \text{eps})},\;"
        r" t^{1/4}\Big)",
        r"\theta_t &= \theta_{t-1} - \text{lr}\, m_t, \qquad v_t = \beta_2 v_{t-1} + (1-\beta_2)\, g_t^2",
    ),
    "pytorch_optimizer.Adan": _lines(
        r"m_t &= \beta_1 m_{t-1} + (1-\beta_1)\, g_t, \qquad d_t = \beta_2 d_{t-1} + (1-\beta_2)(g_t - g_{t-1})",
        r"n_t &= \beta_3 n_{t-1} + (1-\beta_3)\, (g_t + \beta_2 (g_t - g_{t-1}))^2",
        r"\theta_t &= \frac{1}{1 + \text{lr} \cdot \text{weight\_decay}}"
        r" \Big(\theta_{t-1} - \text{lr}\, \frac{m_t + \beta_2 d_t}{\sqrt{n_t} + \text{eps}}\Big)",
    ),
    "pytorch_optimizer.CAME": _lines(
        r"M_t &= \beta_1 M_{t-1} + (1-\beta_1)\, \hat U_t, \qquad \hat U_t \text{ of Adafactor}",
        r"S_t &= \text{factored average, at } \beta_3, \text{ of } (\hat U_t - M_t)^2, \qquad"
        r" \theta_t = \theta_{t-1} - \text{lr}\, \frac{M_t}{\sqrt{S_t}}",
    ),
    "pytorch_optimizer.Prodigy": _PRODIGY,
    "pytorch_optimizer.DAdaptAdam": _D_ADAPT,
    "pytorch_optimizer.GrokFastAdamW": _lines(
        r"h_t &= \alpha h_{t-1} + (1-\alpha)\, \nabla f(\theta_{t-1}), \qquad"
        r" g_t = \nabla f(\theta_{t-1}) + \lambda\, h_t",
        _ADAMW,
    ),
    "pytorch_optimizer.SophiaH": _lines(
        r"h_t &= \beta_2 h_{t-1} + (1-\beta_2)\, u \odot (\nabla^2 f\, u) \text{ at every k-th step}, \qquad"
        r" u \text{ random}",
        rf"\theta_t &= {_DECAYED} - \text{{lr}} \cdot \text{{clip}}\Big(\frac{{m_t}}{{\max(h_t,\; \text{{eps}})}},\; p\Big)",
    ),
    "pytorch_optimizer.SOAP": _lines(
        r"L_t &= \beta L_{t-1} + (1-\beta)\, G_t G_t^\top, \qquad R_t = \beta R_{t-1} + (1-\beta)\, G_t^\top G_t",
        r"G'_t &= Q_L^\top G_t\, Q_R \text{ with the eigenvectors Q of L and R}, \qquad"
        r" \theta_t = \theta_{t-1} - \text{lr}\, Q_L\, \text{Adam}(G'_t)\, Q_R^\top",
    ),
    "pytorch_optimizer.Shampoo": _SHAMPOO,
    "distributed_shampoo.DistributedShampoo": _SHAMPOO,
    "schedulefree.SGDScheduleFree": _lines(*_SCHEDULE_FREE, r"d_t &= g_t"),
    "schedulefree.AdamWScheduleFree": _lines(
        *_SCHEDULE_FREE, r"d_t &= \frac{g_t}{\sqrt{v_t / (1-\beta_2^t)} + \text{eps}} + \text{weight\_decay} \cdot y_t"
    ),
    "schedulefree.RAdamScheduleFree": _lines(
        *_SCHEDULE_FREE,
        r"d_t &= r_t\, \frac{g_t}{\sqrt{v_t / (1-\beta_2^t)} + \text{eps}}, \qquad r_t \text{ of RAdam}",
    ),
}
# torch's classes whose rule stands in the docstring of a class of ours
SAME_RULE = {
    f"torch.optim.{name}": f"lit_optim.optimizers.compiled.{name}"
    for name in ("Adadelta", "Adamax", "NAdam", "RAdam", "RMSprop")
} | {"torch.optim.Muon": "lit_optim.optimizers.Muon"}
