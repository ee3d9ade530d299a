"""The processes: workers inside the sandbox, the trusted one beside them, and the jobs that they do."""
