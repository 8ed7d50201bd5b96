"""The intake of what Slack posts. Apart from `intake`, which imports every message that other functions take."""
