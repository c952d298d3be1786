"""Cross-field rules of a recipe, one file a subject; checks.py runs them."""
