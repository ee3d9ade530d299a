import sys

try:
    from mlintern.cli import main
except KeyboardInterrupt:  # while modules are read
    print("\nmlintern: interrupted before anything began", file=sys.stderr)
    sys.exit(130)

sys.exit(main())
