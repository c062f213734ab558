"""One thread, and hypothesis profiles whose runs repeat."""

import os

import torch
from hypothesis import settings

torch.set_num_threads(1)

# Derandomised, so that the verdict repeats; HYPOTHESIS_PROFILE=search looks further.
settings.register_profile(
    "repeatable", max_examples=25, deadline=None, derandomize=True, database=None
)
settings.register_profile("search", max_examples=500, deadline=None, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
