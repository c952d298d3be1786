"""The `arithmetic` judge: checks every equation that a step states, with no model and no eval.

From text to verdict, a file each: `tokens` (text to tokens), `parse` (tokens to an expression), `evaluate` (exact
fractions, with what rounding may have hidden), `equations` (where in a step equations are stated), `compare` (does one
hold, or should it not be judged), `judge` (what the letters stand for, step by step).
"""
