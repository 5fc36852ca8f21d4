"""The engine as pure state machines: no clock, lock, thread, task, log, random number, file or network.

Methods take `now`; whoever calls them brings time, locks and the world. An instant is one integer, nanoseconds on
the scale of the caller's clock.
"""
