"""Equations of optimizers that are not ours, by import path; those of ours stand in their docstrings."""

from __future__ import annotations

_M = r"m_t &= \beta_1 m_{t-1} + (1-\beta_1)\, g_t, \qquad v_t = \beta_2 v_{t-1} + (1-\beta_2)\, g_t^2"
_G = r"\nabla f(\theta_{t-1})"
_L2 = rf"g_t &= {_G} + \text{{weight\_decay}} \cdot \theta_{{t-1}}"
_ADAM_STEP = r"\frac{m_t / (1-\beta_1^t)}{\sqrt{v_t / (1-\beta_2^t)} + \text{eps}}"


def _lines(*lines: str) -> str:
    return " \\\\\n".join(lines)


def _decayed(lr: str = r"\text{lr}") -> str:
    return rf"(1 - {lr} \cdot \text{{weight\_decay}})\, \theta_{{t-1}}"


def _factored(beta: str, square: str) -> str:
    rows = rf"R_t &= {beta} R_{{t-1}} + (1-{beta})\, \text{{row means of }} {square}"
    return rows + r", \qquad C_t = \text{likewise, column means}"


def _schedule_free(beta: str, *more: str) -> str:
    return _lines(
        rf"y_t &= (1-{beta})\, z_{{t-1}} + {beta}\, x_{{t-1}}, \qquad g_t = \nabla f(y_t), \qquad x_0 = z_0 = \theta_0",
        r"z_t &= z_{t-1} - \text{lr}_t\, (d_t + \text{weight\_decay} \cdot y_t), \qquad x_t = (1-c_t)\, x_{t-1} + c_t\, z_t,"
        r" \qquad c_t = \text{lr}_t^2 \Big/ \sum_{i \le t} \text{lr}_i^2",
        *more,
    )


_FOUND = _decayed(r"\text{lr}\, d_t")
_ADAM = _lines(_L2, _M, rf"\theta_t &= \theta_{{t-1}} - \text{{lr}}\, {_ADAM_STEP}")
_ADAMW = _lines(_M, rf"\theta_t &= {_decayed()} - \text{{lr}}\, {_ADAM_STEP}")
_LARS = (
    r"\lambda_t &= \text{%s}\, \frac{\lVert \theta_{t-1} \rVert}"
    r"{\lVert g_t \rVert + \text{weight\_decay} \cdot \lVert \theta_{t-1} \rVert%s} \\"
    "\n"
    r"b_t &= \text{momentum} \cdot b_{t-1} + \lambda_t\, (g_t + \text{weight\_decay} \cdot \theta_{t-1}), \qquad"
    r" \theta_t = \theta_{t-1} - \text{lr}\, b_t"
)
_NORMALIZED = (
    r"v_t &= \beta_2 v_{t-1} + (1-\beta_2)\, g_t^2, \qquad"
    r" d_t = \frac{g_t}{\sqrt{v_t / (1-\beta_2^t)} + \text{eps}}, \qquad \text{lr}_t = \text{lr}"
)

EQUATIONS = {
    "torch.optim.SGD": _lines(
        _L2 + r", \qquad b_1 = g_1, \qquad b_t = \text{momentum} \cdot b_{t-1} + (1 - \text{dampening})\, g_t",
        r"\theta_t &= \theta_{t-1} - \text{lr} \cdot \begin{cases} g_t + \text{momentum} \cdot b_t & \text{nesterov} \\"
        r" b_t & \text{else} \end{cases}",
    ),
    "torch.optim.Adam": _ADAM,
    "torch.optim.SparseAdam": _lines(
        _M,
        r"\theta_t &= \theta_{t-1} - \text{lr}\, \frac{\sqrt{1-\beta_2^t}}{1-\beta_1^t}\,"
        r" \frac{m_t}{\sqrt{v_t} + \text{eps}}",
    ),
    "bitsandbytes.optim.Adam8bit": _ADAMW,
    "torch.optim.AdamW": _ADAMW,
    "torchao.optim.AdamW4bit": _ADAMW,
    "torchao.optim.AdamW8bit": _ADAMW,
    "torch.optim.Adagrad": _lines(
        _L2 + r", \qquad s_t = s_{t-1} + g_t^2, \qquad s_0 = \text{initial\_accumulator\_value}",
        r"\theta_t &= \theta_{t-1} - \frac{\text{lr}}{1 + (t-1)\, \text{lr\_decay}}\, \frac{g_t}{\sqrt{s_t} + \text{eps}}",
    ),
    "torch.optim.ASGD": _lines(
        _L2 + r", \qquad \eta_t = \frac{\text{lr}}{(1 + \text{lambd} \cdot \text{lr} \cdot (t-1))^{\text{alpha}}}",
        r"\theta_t &= (1 - \text{lambd} \cdot \eta_t)\, \theta_{t-1} - \eta_t\, g_t, \qquad"
        r" a_t = a_{t-1} + \frac{\theta_t - a_{t-1}}{\max(1,\; t - 1 - \text{t0})}",
    ),
    "torch.optim.Rprop": _lines(
        r"\eta_t &= \text{clip}\Big(\eta_{t-1} \cdot \begin{cases} \eta^+ & g_t\, g_{t-1} > 0 \\"
        r" \eta^- & g_t\, g_{t-1} < 0 \\ 1 & \text{else} \end{cases},\; \text{step\_sizes}\Big), \qquad"
        r" \eta_0 = \text{lr}, \qquad g_0 = 0",
        r"\text{then } g_t &= 0 \text{ where } g_t\, g_{t-1} < 0, \text{ in the next step too}, \qquad"
        r" \theta_t = \theta_{t-1} - \eta_t\, \text{sign}(g_t)",
    ),
    "torch.optim.LBFGS": r"\theta_{k+1} = \theta_k - a_k\, H_k\, \nabla f(\theta_k), \qquad H_k \approx (\nabla^2 f)^{-1}"
    r" \text{ from the last history\_size iterations}, \qquad a_k \text{ of a line search}",
    "torch.optim.Adafactor": _lines(
        _factored(r"\hat\beta_t", "G_t^2") + r", \qquad \hat\beta_t = 1 - t^{\text{beta2\_decay}}",
        r"U_t &= G_t \Big/ \sqrt{R_t C_t^\top / \text{mean}(R_t)}, \qquad"
        r" \hat U_t = U_t / \max(1,\; \text{RMS}(U_t) / \text{d})",
        rf"\theta_t &= {_decayed()} - \max(\text{{eps}}_2,\; \text{{RMS}}(\theta_{{t-1}}))"
        r" \min(\text{lr},\; 1/\sqrt t)\, \hat U_t",
    ),
    "timm.optim.Lamb": _lines(
        rf"g_t &= {_G} \,\Big/ \max\Big(1,\; \frac{{\lVert \nabla f \rVert}}{{\text{{max\_grad\_norm}}}}\Big), \qquad"
        r" \lVert \nabla f \rVert \text{ over all parameters}",
        _M,
        rf"r_t &= {_ADAM_STEP} + \text{{weight\_decay}} \cdot \theta_{{t-1}}, \qquad"
        r" \theta_t = \theta_{t-1} - \text{lr}\, \frac{\lVert \theta_{t-1} \rVert}{\lVert r_t \rVert}\, r_t",
    ),
    "pytorch_optimizer.Lamb": _lines(
        _M,
        r"r_t &= \frac{m_t}{\sqrt{v_t} + \text{eps}} + \text{weight\_decay} \cdot \theta_{t-1}, \qquad \theta_t ="
        r" \theta_{t-1} - \text{lr}\, \frac{\min(\lVert \theta_{t-1} \rVert,\; 10)}{\lVert r_t \rVert + \text{eps}}\, r_t",
    ),
    "timm.optim.Lars": _LARS % (r"trust\_coeff", r" + \text{eps}"),
    "pytorch_optimizer.LARS": _LARS % (r"trust\_coefficient", ""),
    "pytorch_optimizer.Lion": _lines(
        rf"\theta_t &= {_decayed()} - \text{{lr}} \cdot \text{{sign}}(\beta_1 m_{{t-1}} + (1-\beta_1)\, g_t)",
        r"m_t &= \beta_2 m_{t-1} + (1-\beta_2)\, g_t",
    ),
    "pytorch_optimizer.AdaBelief": _lines(
        _M.replace("v", "s").replace("g_t^2", r"(g_t - m_t)^2") + r" + \text{eps}",
        rf"\theta_t &= {_decayed()} - \text{{lr}}\, {_ADAM_STEP.replace('v', 's')}",
    ),
    "pytorch_optimizer.ADOPT": _lines(
        r"m_1 &= 0, \qquad m_t = \beta_1 m_{t-1} + (1-\beta_1)\, \text{clip}\Big(\frac{g_t}{\max(\sqrt{v_{t-1}},\;"
        r" \text{eps})},\; \pm t^{1/4}\Big)",
        r"v_1 &= g_1^2, \qquad v_t = \beta_2 v_{t-1} + (1-\beta_2)\, g_t^2, \qquad"
        rf" \theta_t = {_decayed()} - \text{{lr}}\, m_t",
    ),
    "pytorch_optimizer.Adan": _lines(
        r"m_t &= \beta_1 m_{t-1} + (1-\beta_1)\, g_t, \qquad d_t = \beta_2 d_{t-1} + (1-\beta_2)(g_t - g_{t-1}), \qquad"
        r" g_0 = g_1",
        r"n_t &= \beta_3 n_{t-1} + (1-\beta_3)\, (g_t + \beta_2 (g_t - g_{t-1}))^2",
        r"\theta_t &= \frac{1}{1 + \text{lr} \cdot \text{weight\_decay}} \Big(\theta_{t-1} - \text{lr}\,"
        r" \frac{m_t / (1-\beta_1^t) + \beta_2 d_t / (1-\beta_2^t)}{\sqrt{n_t / (1-\beta_3^t)} + \text{eps}}\Big)",
    ),
    "pytorch_optimizer.CAME": _lines(
        _factored(r"\beta_2", r"(G_t^2 + \text{eps1})"),
        r"U_t &= G_t \Big/ \sqrt{R_t C_t^\top / \text{mean}(R_t)}, \qquad"
        r" \hat U_t = U_t / \max(1,\; \text{RMS}(U_t) / \text{clip\_threshold})",
        r"M_t &= \beta_1 M_{t-1} + (1-\beta_1)\, \hat U_t",
        r"S_t &= R'_t C'^\top_t / \text{mean}(R'_t), \qquad R'_t, C'_t \text{ at } \beta_3 \text{ of }"
        r" (\hat U_t - M_t)^2 + \text{eps2}",
        rf"\theta_t &= {_decayed()} - \text{{lr}}\, M_t / \sqrt{{S_t}}",
    ),
    "pytorch_optimizer.Prodigy": _lines(
        r"m_t &= \beta_1 m_{t-1} + (1-\beta_1)\, d_t\, g_t, \qquad v_t = \beta_2 v_{t-1} + (1-\beta_2)\, d_t^2\, g_t^2",
        r"r_t &= \sqrt{\beta_2}\, r_{t-1} + d_t^2\, \text{lr}\, \langle g_t, \theta_0 - \theta_{t-1} \rangle, \qquad"
        r" s_t = \sqrt{\beta_2}\, s_{t-1} + d_t^2\, \text{lr}\, g_t",
        r"d_{t+1} &= \max\Big(d_t,\; \text{d\_coef}\, \frac{r_t}{\lVert s_t \rVert_1}\Big), \qquad d_1 = \text{d0}",
        rf"\theta_t &= {_FOUND} - \text{{lr}}\, d_t\,"
        r" \frac{m_t}{\sqrt{v_t} + d_{t+1}\, \text{eps}}",
    ),
    "pytorch_optimizer.DAdaptAdam": _lines(
        r"m_t &= \beta_1 m_{t-1} + (1-\beta_1)\, d_t\, \text{lr}\, g_t, \qquad v_t = \beta_2 v_{t-1} + (1-\beta_2)\, g_t^2",
        r"r_t &= \sqrt{\beta_2}\, r_{t-1} + (1-\sqrt{\beta_2})\, d_t\, \text{lr}\, \langle g_t,\;"
        r" \frac{s_{t-1}}{\sqrt{v_{t-1}} + \text{eps}} \rangle, \qquad"
        r" s_t = \sqrt{\beta_2}\, s_{t-1} + (1-\sqrt{\beta_2})\, d_t\, \text{lr}\, g_t",
        rf"\theta_t &= {_FOUND} -"
        r" \frac{m_t}{\sqrt{v_t} + \text{eps}}, \qquad"
        r" d_{t+1} = \max\Big(d_t,\; \frac{r_t}{(1-\sqrt{\beta_2})\, \lVert s_t \rVert_1}\Big), \qquad d_1 = \text{d0}",
    ),
    "pytorch_optimizer.GrokFastAdamW": _lines(
        rf"h_t &= \alpha\, h_{{t-1}} + (1-\alpha)\, {_G}, \qquad h_1 = \nabla f(\theta_0), \qquad"
        rf" g_t = {_G} + \text{{grokfast\_lamb}} \cdot h_t, \qquad \alpha = \text{{grokfast\_alpha}}",
        _M,
        rf"\theta_t &= {_decayed()} - \text{{lr}}\, \frac{{m_t / (1-\beta_1^t)}}"
        r"{\max(\sqrt{v_t / (1-\beta_2^t)},\; \text{eps})}",
    ),
    "pytorch_optimizer.SophiaH": _lines(
        r"m_t &= \beta_1 m_{t-1} + (1-\beta_1)\, g_t",
        r"h_t &= \begin{cases} \beta_2 h_{t-1} + (1-\beta_2)\, u \odot (\nabla^2 f\, u) & t = 1,\; 1 +"
        r" \text{update\_period},\; \dots \\ h_{t-1} & \text{else} \end{cases} \qquad u \text{ normal, drawn anew}",
        rf"\theta_t &= {_decayed()} - \text{{lr}} \cdot \text{{clip}}\Big(\frac{{m_t}}{{\max(h_t,\; \text{{eps}})}},\; \pm"
        r" \text{p}\Big)",
    ),
    "pytorch_optimizer.SOAP": _lines(
        r"L_t &= \beta_2 L_{t-1} + (1-\beta_2)\, G_t G_t^\top, \qquad R_t = \beta_2 R_{t-1} + (1-\beta_2)\, G_t^\top G_t",
        r"M_t &= \beta_1 M_{t-1} + (1-\beta_1)\, G_t, \qquad"
        r" V_t = \beta_2 V_{t-1} + (1-\beta_2)\, (Q_L^\top G_t\, Q_R)^2, \qquad M_1 = V_1 = 0",
        r"\theta_t &= (1 - \text{lr} \cdot \text{weight\_decay}) \Big(\theta_{t-1} - \text{lr}\,"
        r" \frac{\sqrt{1-\beta_2^{t-1}}}{1-\beta_1^{t-1}}\, Q_L \frac{Q_L^\top M_t\, Q_R}{\sqrt{V_t} + \text{eps}}"
        r" Q_R^\top\Big), \qquad \theta_1 = \theta_0",
    ),
    "pytorch_optimizer.Shampoo": _lines(
        _L2.replace("g_t", "G_t"),
        r"L_t &= L_{t-1} + G_t G_t^\top, \qquad R_t = R_{t-1} + G_t^\top G_t, \qquad L_0, R_0 = \text{matrix\_eps} \cdot I",
        r"\theta_t &= \theta_{t-1} - \text{lr}\, L_t^{-1/4} G_t R_t^{-1/4}",
    ),
    "distributed_shampoo.DistributedShampoo": _lines(
        r"L_t &= \beta_2 L_{t-1} + (1-\beta_2)\, G_t G_t^\top, \qquad R_t = \beta_2 R_{t-1} + (1-\beta_2)\, G_t^\top G_t",
        r"P_t &= L_t^{-1/4} M_t R_t^{-1/4}, \qquad M_t = \beta_1 M_{t-1} + (1-\beta_1)\, G_t",
        rf"\theta_t &= {_decayed()} - \text{{lr}}\, \frac{{\lVert A_t \rVert}}{{\lVert P_t \rVert}}\, P_t, \qquad A_t"
        r" \text{ the direction of Adam}",
    ),
    "schedulefree.SGDScheduleFree": _schedule_free(r"\text{momentum}", r"d_t &= g_t, \qquad \text{lr}_t = \text{lr}"),
    "schedulefree.AdamWScheduleFree": _schedule_free(r"\beta_1", _NORMALIZED),
    "schedulefree.RAdamScheduleFree": _schedule_free(
        r"\beta_1",
        _NORMALIZED + r"\, r_t",
        r"r_t &= \begin{cases} \sqrt{\frac{(\rho_t - 4)(\rho_t - 2)\, \rho_\infty}{(\rho_\infty - 4)(\rho_\infty - 2)\,"
        r" \rho_t}} & \rho_t > 4 \\ 0 & \text{else} \end{cases} \qquad \rho_t = \rho_\infty -"
        r" \frac{2 t \beta_2^t}{1 - \beta_2^t}, \qquad \rho_\infty = \frac{2}{1-\beta_2} - 1",
    ),
}
# torch's classes whose rule stands in the docstring of a class of ours
SAME_RULE = {
    f"torch.optim.{name}": f"lit_optim.optimizers.compiled.{name}"
    for name in ("Adadelta", "Adamax", "NAdam", "RAdam", "RMSprop")
} | {"torch.optim.Muon": "lit_optim.optimizers.Muon"}
