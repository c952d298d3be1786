"""Measuring a model: benches, sampling evaluation, answers made elsewhere, figures with intervals."""
