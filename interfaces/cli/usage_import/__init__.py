"""Usage from a file: a trace of real requests, charged row by row.

mapping      which column is what
rows         CSV and NDJSON, row by row
times        what a time stamp means
pricing      counts times prices, rounded in one place
conversion   a row as a command
importing    batches, customers, answers
report       what came of it
command      `counterfoil import-usage`
"""
