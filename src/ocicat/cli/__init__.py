"""The command line: arguments in, a call, text or JSON out."""
