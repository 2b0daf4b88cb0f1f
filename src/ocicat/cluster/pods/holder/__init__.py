"""The holder: the one process that owns the cluster's namespaces and starts everything within them.

It is the first process of a pid namespace, so when it ends, for whatever reason, the kernel ends all that it
has started and takes every namespace away. It imports the standard library alone and forks what it starts:
a container costs no process of ours.
"""
