"""The seeded simulator: the hub's own drivers under a virtual clock, with faults at every port.

A seed makes a world (`worlds`), a history of what people do (`history`) and a schedule of faults
(`faults`); `simulation` plays them, `oracle` judges what is left. `python -m tests.simulate` runs many.
"""
