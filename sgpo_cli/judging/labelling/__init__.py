"""The labelling job of `sgpo judge`: rows of any number in, the same rows with their verdicts out."""
