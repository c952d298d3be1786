"""The `reference` judge: compares a response with the reference solution, with no model.

`answer` says whether the final answer is the reference's; `quantities` reads what steps calculate; `judge` finds the
first step of a wrong response that leaves the quantities of problem and reference.
"""
