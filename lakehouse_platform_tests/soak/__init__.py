"""The history checker: processes write to shared tables, are killed and meet faults; then each table's log must explain all that they were told.

Read it in this order: plan (one run's numbers), operations (what may be done, and its effect on a model of the rows), worker (a process), faults,
history (what a worker was told), witness (what the log says), checker (whether both agree), run (all of it together), __main__ (the command).
"""
