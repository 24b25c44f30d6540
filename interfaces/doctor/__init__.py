"""What `counterfoil doctor` examines: the server's settings, the ledger in it, files and clocks.

Nothing is changed. Each check is a function from what was read to findings.
"""
