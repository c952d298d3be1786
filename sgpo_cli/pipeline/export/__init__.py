"""A run's policy as a folder for the hub."""

EXPORTED_RECIPE = "sgpo_recipe.yaml"
"""The resolved recipe in an exported folder; `recipe.yaml` would make it a run."""
