"""No test may ask a live model, and no test may read the keys of whoever runs it."""

import os

os.environ["MLINTERN_NO_LIVE_REQUESTS"] = "1"
for name in ("ANTHROPIC_API_KEY", "WANDB_API_KEY", "HF_TOKEN"):
    os.environ.pop(name, None)
