"""What a Kubernetes API server decides, as pure functions over plain JSON values: no socket, no clock, no
chance.

Objects are the dicts that JSON gives; a stored object is never changed in place. Time, unique ids and
randomness come in as arguments, so that every answer can be computed twice.
"""
