"""What tests skip on old versions, each with its reason, in one place."""

import pytest

from lit_optim.versions import installed, older

NO_WEIGHT_AVERAGING = older("lightning", "2.6")
needs_weight_averaging = pytest.mark.skipif(
    NO_WEIGHT_AVERAGING, reason=f"Lightning {installed('lightning')} has no WeightAveraging, which came with 2.6"
)
