"""What a network costs to run: time, compile time, memory, rate, by mode and against a module written by hand.

The method is in `run`: one process, every row of a table measured in rounds that take turns, ratios within a round.
`torch.utils.benchmark` measures one statement after another, so that whatever changes on the machine between two of
them lands in their ratio; hence rounds of our own.
"""
