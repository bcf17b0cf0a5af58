"""Training: a pure plan, one loop that performs it, and checkpoints that resume to the bit.

`job`, `events` and `plan` import nothing heavy; every other module imports torch.
"""
