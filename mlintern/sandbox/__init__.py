"""The sandbox for the code of packs, at vetting and at training alike, whoever has read it.

A child process without network, with an emptied environment, an allowlisted view of the file system, one writable
folder, and limits on time, memory, processes and files; all of it ends together. The kernel does the holding (user,
PID, network, mount and IPC namespaces; Landlock; seccomp; rlimits): Python-level checks are no sandbox.
What it does not hide: the CPU's timing, the kernel itself, and the size of what it may read.
"""
