"""Networks, and what the engine asks of one."""
