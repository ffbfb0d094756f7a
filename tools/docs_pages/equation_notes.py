"""What stands below the equations of an optimizer: what the preset turns on, and what the equations leave out."""

from __future__ import annotations

_DECAY_FIRST = "Before the step the weights are multiplied by `1 - lr * weight_decay`."
_ONE_DISTANCE = "There is one $d$, and sums and norms are those of all parameters together."
_TWO_POINTS = "The model is trained at $y$, and evaluated and saved at $x$. In $c_t$ the lr is the largest so far"

LEFT_OUT = "Options that are off in this preset are left out."
NOTES = {  # by preset
    "adafactor": "A vector has one average of its squares in the place of $R$ and $C$. `eps` bounds the divisors from below.",
    "adam8bit": "In short: both averages are stored in 8 bits. Weight decay is decoupled, unlike that of torch's Adam.",
    "adamw_4bit": "In short: both averages are stored in 4 bits.",
    "adamw_8bit": "In short: both averages are stored in 8 bits.",
    "amsbound": "In the quotient is the largest $v$ so far (`amsbound: true`).",
    "amsgrad": "Under the root is the largest $v$ so far (`amsgrad: true`).",
    "asgd": "$a$ is the average `ax` in the optimizer's state.",
    "came": "A vector has one average of its squares in the place of $R$ and $C$, and no $S$.",
    "dadapt_adam": _ONE_DISTANCE,
    "distributed_shampoo": "In short: all averages are corrected for their bias, `epsilon` times the identity is added to $L$"
    " and $R$, and large matrices are cut into blocks. The roots are computed every `precondition_frequency` steps; before"
    " the first time the step is that of Adam.",
    "lamb": "Each parameter has its own norms; their ratio is 1 where one of them is 0.",
    "lars": r"$\lambda_t$ is 1 where a norm is 0. Vectors - biases, norms - have $\lambda_t = 1$ and no weight decay.",
    "lbfgs": "In short: an optimizer step takes at most `max_iter` of these iterations, each with a line search that first"
    r" tries `lr`; the very first tries `lr` times the smaller of 1 and $1 / \lVert \nabla f \rVert_1$.",
    "muon": r"$s = 0.2 \sqrt{\max(R, C)}$ for a matrix of $R$ rows and $C$ columns (`match_rms_adamw`). $a$, $b$ and $c$ are"
    " `ns_coefficients`. NS is computed in bfloat16.",
    "nadamw": _DECAY_FIRST,
    "prodigy": _ONE_DISTANCE,
    "radamw": _DECAY_FIRST,
    "rprop": r"`etas` are $\eta^-$ and $\eta^+$; `step_sizes` are the bounds of $\eta_t$.",
    "schedule_free_adamw": f"{_TWO_POINTS}; without warmup $c_t = 1 / t$.",
    "schedule_free_radam": f"{_TWO_POINTS}. The first 4 steps only measure the gradient ($r_t = 0$, and $c_t = 0$).",
    "schedule_free_sgd": f"{_TWO_POINTS}; without warmup $c_t = 1 / t$.",
    "shampoo": "This is the rule of a matrix. A vector has one preconditioner, to the power of -1/2; a tensor of k dimensions"
    " has k, to the power of -1/(2k).",
    "soap": "In short: $Q_L$ and $Q_R$ are eigenvectors of $L$ and $R$ after the first step, which moves nothing; every"
    " `precondition_frequency` steps one step of a QR iteration turns them to those of the present $L$ and $R$. Vectors get"
    " plain Adam.",
    "sparse_adam": "Rows without a gradient stay as they are, and so do their averages.",
    "timm/lamb": "Each parameter has its own norms; their ratio is 1 where one of them is 0, and in groups without weight decay.",
    "timm/lars": r"$\lambda_t$ is 1 where a norm is 0, and in groups without weight decay.",
}
