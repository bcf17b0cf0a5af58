"""Run the code of tasks and renderers in processes: they can be killed when the client leaves, unlike threads."""
