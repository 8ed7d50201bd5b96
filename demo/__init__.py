"""The embedded default: an AWS and a Slack on 127.0.0.1, and a story that runs the real handlers over them."""
