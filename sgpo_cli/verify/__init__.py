"""Grading: is this response right? Math answers and exact answers, one way for training and evaluation."""
