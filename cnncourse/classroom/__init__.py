"""Everything an instructor needs: make an assignment, check it, grade what comes back, feed back.

What students hand in is run in processes of their own, which only *compute*: cases go in, values
come back. This process, which they never reach, *compares* (`grading`). The command line is
`cnncourse --help`.
"""
