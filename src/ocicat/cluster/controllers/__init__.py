"""The controllers of the embedded cluster: ReplicaSets of Deployments, pods of ReplicaSets, and so on.

Each is a pure function from what is observed to what is to be written (`actions`); one runner feeds them from
watches and performs what they return. They know the cluster through the Kubernetes API alone.
"""
