"""Judges trained by recipe: labelled steps in, a token-classification model out, and what it is worth.

- `formats`: the schemas of label files, one function each
- `labels`: reads a file of labelled steps, checks it as a whole, sets problems aside
- `examples`: the token ids and targets of a labelled response, written as the judge will read them
- `closeness`: exact first errors and correlation with the labels, with intervals
- `judge`: the trained judge
The training itself is in training/judge_trainer.py.
"""
