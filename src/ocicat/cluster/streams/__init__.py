"""The streams of exec, attach and port-forward: SPDY/3.1 and WebSocket channels, as bytes in and events out.

Source: spec/kubernetes-api §9.
"""
