"""The `arithmetic` judge: checks every equation that a step states, with no model and no eval.

From text to verdict, a file each: `marks` (calculator marks), `tokens` (text to tokens), `verbs` (equations in words),
`cursor`, `units` and `parse` (tokens to an expression, a tree of `nodes`), `equations` (where in a step equations are
stated), `evaluate` (exact fractions, with what rounding may have hidden), `compare` (does one hold, or should it not be
judged), `whole` (remainders, and counts that no count can be), `algebra` (does one follow from the one before), `judge`
(step by step, and what the letters stand for). `words` holds what it knows of English.
"""
