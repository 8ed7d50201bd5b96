"""costwatch.yaml: validated here, at synth and on the command line, and compiled into policy.json.

Left out of what ships to Lambda: functions read the compiled policy with the standard library alone.
"""
