"""Training: a pure plan, one loop that performs it, and checkpoints that resume to the bit.

`job`, `events` and `plan` import nothing heavy; torch is first imported by `loop` and what stands beneath it.
"""
