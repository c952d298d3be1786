"""Process reward models: a score for every step of a response, read from a model's hidden state at the step's end.

- `encode`: the token ids of a response, step by step, and where each step's score is read
- `qwen_head`: the head of Qwen2.5-Math-PRM, so that no code from the hub runs
- `model`: opens a checkpoint and reads its scores
- `batches`: batches of equal length and bounded size, halved when memory runs out
- `judge`: scores to verdicts
- `server`: the same scores from a model behind a server
- `size`: how much memory it takes, without torch
"""
