"""Topics: channels that are served as streams of another channel's connections, each subscription a connection."""
