"""What vLLM's child processes import instead of the user's script.

vLLM warns of some things before it applies its log level. A handler that prints nothing keeps that off stderr.
"""

import logging

logging.getLogger("vllm").addHandler(logging.NullHandler())
