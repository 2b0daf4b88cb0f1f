"""Programs that run inside pods: the catfacts application, the name server, the simulated outside, a probe.

Each is a process of its own, `python -m ocicat.cluster.pods.programs.NAME`, in its pod's namespaces. It finds
what it needs as any program in a pod does: by arguments, environment variables, names and service accounts.
"""
